"""The losses that training minimises."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lipscribe.data.dataset import Batch
from lipscribe.models.device import moved
from lipscribe.tokenizer import END


def ctc_loss(log_probs: Tensor, batch: Batch) -> Tensor:
    """CTC (Graves et al., 2006), the mean over the clips of each clip's loss per target token.

    Args:
        log_probs: (B, T, V) float32.

    Returns:
        () float32. A clip with fewer frames than tokens counts as 0 instead of infinity.
    """
    return F.ctc_loss(
        log_probs.transpose(0, 1), batch.targets, batch.video_lengths, batch.target_lengths, zero_infinity=True
    )


def frame_loss(log_probs: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Cross-entropy of each frame's distribution with the token being said there; blank is the target in silence.

    It works on the same output as CTC, whose sum over alignments includes this one: the two agree, and where CTC would
    leave one spike a word, the word now shows as long as it lasts.

    Args:
        log_probs: (B, T, V) float32.

    Returns:
        () float32, the mean over all frames whose token is known; 0 where there are none.
    """
    tokens = batch.frame_tokens.flatten()
    return _mean_cross_entropy(log_probs.flatten(0, 1), tokens, label_smoothing)


def attention_loss(expected: Tensor, batch: Batch, label_smoothing: float, end: int = END) -> Tensor:
    """Cross-entropy of what the decoder expects with the tokens of each sentence, and with its end after the last.

    Args:
        expected: (B, U + 1, V) float32, see `AttentionDecoder.forward`.
        end: The decoder's symbol for a sentence's end.

    Returns:
        () float32, the mean over all tokens of the batch, ends included.
    """
    positions = torch.arange(expected.shape[1], device=expected.device)
    lengths = moved(batch.target_lengths, expected.device)[:, None]
    wanted = F.pad(batch.targets, (0, 1)).masked_fill(positions == lengths, end).masked_fill(positions > lengths, -1)
    return _mean_cross_entropy(expected.flatten(0, 1), wanted.flatten(), label_smoothing)


def _mean_cross_entropy(log_probs: Tensor, tokens: Tensor, label_smoothing: float) -> Tensor:
    """`F.cross_entropy` over the tokens that are not -1, without the softmax that `log_probs` (N, V) already have."""
    total = F.nll_loss(log_probs, tokens, ignore_index=-1, reduction="sum")
    known = tokens >= 0
    if label_smoothing:
        uniform = -(log_probs.mean(-1) * known).sum()  # the cross-entropy with all tokens alike
        total = (1 - label_smoothing) * total + label_smoothing * uniform
    return total / known.sum().clamp(min=1)  # asking whether there are any would wait for the GPU
