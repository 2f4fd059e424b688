"""A decoder as the searches see it: numbers in, numbers out (`lipscribe.search.attention.AttentionScorer`)."""

import numpy as np
import torch
from torch import Tensor

from lipscribe.models.decoder import AttentionDecoder, DecoderState
from lipscribe.tokenizer import END

States = list[DecoderState]  # of each look


class DecoderScorer:
    """Scores sentences about one clip, by one look at it or the mean of several.

    Args:
        decoder: In eval mode.
        encoder_out: (looks, T, D) float32, T at least 1: the clip as it is, and mirrored where the model wants that.
    """

    def __init__(self, decoder: AttentionDecoder, encoder_out: Tensor):
        self.decoder = decoder
        lengths = torch.tensor([encoder_out.shape[1]])
        with torch.inference_mode():
            self.memories = [decoder.remember(look[None], lengths) for look in encoder_out]

    @torch.inference_mode()
    def start(self) -> States:
        """The state of one empty sentence, before it hears `END`."""
        return [self.decoder.start(memory) for memory in self.memories]

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: States) -> tuple[np.ndarray, States]:
        """(N,) int64 last tokens -> (N, V) float64 log-probabilities of what is next, and the new state."""
        heard = torch.from_numpy(tokens).to(self.memories[0].values.device)
        steps = [self.decoder.step(heard, one, memory) for one, memory in zip(state, self.memories, strict=True)]
        log_probs = torch.stack([log_probs for log_probs, _ in steps]).double().mean(0).log_softmax(-1)
        return log_probs.cpu().numpy(), [new for _, new in steps]

    @torch.inference_mode()
    def select(self, state: States, chosen: np.ndarray) -> States:
        """The states of the sentences at the (M,) int64 places `chosen`."""
        places = torch.from_numpy(chosen).to(self.memories[0].values.device)
        return [
            DecoderState(one.hidden[:, places], one.cell[:, places], one.context[places], one.attended[places])
            for one in state
        ]

    @torch.inference_mode()
    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T) float64: how much each of U tokens looks at each frame; a row sums to 1."""
        state, rows = self.start(), []
        for heard in (END, *tokens[:-1]):
            _, state = self.step(np.array([heard]), state)
            rows.append(torch.stack([one.attended[0] for one in state]).double().mean(0).cpu().numpy())
        return np.stack(rows[: len(tokens)]) if tokens else np.zeros((0, self.memories[0].values.shape[1]))
