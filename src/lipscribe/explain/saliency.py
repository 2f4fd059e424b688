"""The evidence for each word by pixel and frame: integrated gradients from a still mouth.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017, arXiv 1703.01365.

The network's log-probability of a word is followed along the straight line from a mouth that does not move (the mean of
the crops, in every frame) to the real crops. What each pixel contributes on the way adds up to the whole rise, the more
nearly the more steps are taken. A still mouth is read as nothing, so what remains is what the *movement* says.

Measured with 16 steps on one clip of each bundled model (six words each): the 5 % of the pixels that are called most
important are replaced, and the word's log-probability falls by

    ranked by                                         still mouth put in    grey put in
    integrated gradients from a still mouth                          5.7            1.9
    integrated gradients from a grey picture                         3.0            3.0
    SmoothGrad (Smilkov et al., 2017)                                0.7            0.7
    chance                                                           0.0            0.0

Each baseline does best on its own replacement, and both beat the gradient alone; what is asked here is what the
movement says, so the still mouth it is. Only what spoke *for* a word is kept: smoothed with its sign, then cut at 0.

Of a word that the model is unsure of, little is to be explained, and that little is fragile: two encodings of one
talker, alike to the eye, had the evidence of their last word (CTC 0.3 in several frames) in different places, its
curves correlating by 0.23, where those of the five other words did by 0.99 and more (16 steps).
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from lipscribe.model import Model
from lipscribe.models.scorer import DecoderScorer
from lipscribe.progress import Progress, tracked
from lipscribe.search import Span, align
from lipscribe.tokenizer import TokenWord
from lipscribe.transforms import crops_to_video

# Places on the line at which the gradient is taken. Of a talker's six words, 64 account for the rise of the
# log-probability to within 0.5 each (rises of 1.1 to 9.0); 16 are too few: they make -0.2 of a rise of 3.6.
STEPS = 64
NOTHING = 1e-3  # a rise of the log-probability that is no more than rounding
SMOOTH_PX, SMOOTH_FRAMES = 2.0, 0.7  # sigmas: single pixels are noise (the network halves the picture four times)


class Evidence(NamedTuple):
    """The evidence for each of the W words of a stretch of T frames.

    Attributes:
        saliency: (W, T, H, W) float32 of the model's input, at least 0; a word's sum is 1, or 0 where nothing spoke.
        ctc: (W, T), the CTC head's probability of the word in each frame where the alignments have it; None without.
        attention: (W, T), how much the decoder looked at each frame for the word, a row sums to 1; None without.
    """

    saliency: np.ndarray
    ctc: np.ndarray | None
    attention: np.ndarray | None


def find_evidence(
    model: Model,
    crops: np.ndarray,
    part: slice,
    tokens: Sequence[int],
    spans: Sequence[Span],
    words: Sequence[TokenWord],
    progress: Progress | None = None,
) -> Evidence:
    """Explains a sentence that was read.

    Args:
        crops: (T, 96, 96) uint8: the frames that the network saw.
        part: Those of them that the words were read from.
        tokens: The sentence.
        spans: Frames of each token, counted from the part's beginning.
        words: Its words, as places in `tokens`.
        progress: Called after each step.

    Returns:
        `saliency` of all T frames, `ctc` and `attention` of those in `part`.
    """
    size = model.spec.input
    video = crops_to_video(crops, size.height, size.width, size.normalisation).to(model.runtime.device)  # (T, 1, H, W)
    still = video.mean(0, keepdim=True).expand_as(video)
    total = torch.zeros(len(words), *video.shape, device=video.device)
    # CuDNN's recurrent layers know no gradients in eval mode, and train mode would bring the dropout.
    with torch.backends.cudnn.flags(enabled=False):
        for step in tracked(range(STEPS), progress, "explaining"):
            point = (still + (video - still) * ((step + 0.5) / STEPS)).requires_grad_()
            scores = _scores(model, point, part, tokens, spans, words)
            for i, score in enumerate(scores):
                total[i] += torch.autograd.grad(score, point, retain_graph=i + 1 < len(scores))[0]
    contribution = (total / STEPS * (video - still))[:, :, 0].cpu().numpy()  # (W, T, H, W)
    return Evidence(np.stack([_shares(one) for one in contribution]), *_alignment(model, video, part, tokens, words))


def _views(model: Model, video: Tensor, part: slice) -> Tensor:
    """Encoder states (views, T', D) of the part, with gradients, as `Model` makes them without.

    The views of the clip moved up and down are left out: they see nearly the same.
    """
    views = torch.stack([video, video.flip(-1)] if model.spec.flip_average else [video])
    return model.reader.encode(views, torch.full((len(views),), len(video)))[:, part]


def _scores(
    model: Model,
    video: Tensor,
    part: slice,
    tokens: Sequence[int],
    spans: Sequence[Span],
    words: Sequence[TokenWord],
) -> list[Tensor]:
    """Log-probability of each word: CTC's mean over each token's frames, or without CTC what the decoder gives it.

    Where there are both, CTC's: from a still mouth on, a decoder has to find its place in the sentence first, and what
    tells it that lies about the words before.
    """
    states = _views(model, video, part)
    if model.reader.ctc is None:
        decoder = model.reader.decoder
        assert decoder is not None, "a model has a CTC head, a decoder, or both"
        num_views, num_frames = states.shape[:2]
        targets = torch.tensor([list(tokens)] * num_views, device=states.device)
        expected = decoder(states, torch.full((num_views,), num_frames), targets).mean(0).log_softmax(-1)
        each = [expected[u, token] for u, token in enumerate(tokens)]
    else:
        log_probs = model.reader.ctc(states).mean(0).log_softmax(-1)
        each = [log_probs[span.start : span.end, token].mean() for token, span in zip(tokens, spans, strict=True)]
    return [torch.stack(each[word.start : word.stop]).sum() for word in words]


@torch.inference_mode()
def _alignment(
    model: Model, video: Tensor, part: slice, tokens: Sequence[int], words: Sequence[TokenWord]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    states = _views(model, video, part)
    ctc = attention = None
    if model.reader.ctc is not None:
        seen = align(model.reader.ctc(states).mean(0).log_softmax(-1).cpu().numpy(), tokens).seen
        ctc = np.stack([seen[:, word.start : word.stop].sum(1) for word in words])
    if model.reader.decoder is not None:
        looked = DecoderScorer(model.reader.decoder, states).attention(tuple(tokens))
        attention = np.stack([looked[word.start : word.stop].mean(0) for word in words])
    return ctc, attention


def _shares(contribution: np.ndarray) -> np.ndarray:
    """Contributions (T, H, W), of either sign -> smoothed positive evidence, normalised to sum 1."""
    spatial = np.stack([cv2.GaussianBlur(frame, (0, 0), SMOOTH_PX) for frame in contribution])
    reach = int(3 * SMOOTH_FRAMES)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH_FRAMES) ** 2)
    padded = np.pad(spatial, ((reach, reach), (0, 0), (0, 0)))
    smoothed = sum(weight * padded[i : i + len(spatial)] for i, weight in enumerate(kernel / kernel.sum()))
    spoke_for = np.clip(smoothed, 0, None)
    total = spoke_for.sum()
    return (spoke_for / total if total > NOTHING else np.zeros_like(spoke_for)).astype(np.float32)
