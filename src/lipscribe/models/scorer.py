"""Decoders and token language models as scorers of the search (`lipscribe.search.scorers`)."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lipscribe.models.transformer import History
from lipscribe.models.transformer_lm import TransformerLM


class Decoder(Protocol):
    """Interface of `AttentionDecoder` and `TransformerDecoder`."""

    end: int

    def remember(self, encoder_out: Tensor, lengths: Tensor) -> Any:
        """The memory for `step`."""
        ...

    def start(self, memory: Any) -> Any:
        """The state of empty sentences."""
        ...

    def step(self, previous: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """(N,) last tokens -> (N, V) log-probabilities of the next, and the new state."""
        ...

    def select(self, state: Any, indices: Tensor) -> Any:
        """The states of the sentences at `indices`."""
        ...

    def attention(self, tokens: Tensor, memory: Any) -> Tensor:
        """(U,) -> (U, T): how much each token attends to each frame."""
        ...


class DecoderScorer:
    """Scores sentences of one clip, averaged over its views.

    Args:
        decoder: In eval mode.
        encoder_out: (views, T, D) float32, T at least 1: the clip, and its further views for test-time augmentation.

    Attributes:
        end: Id of the start and end symbol.
    """

    def __init__(self, decoder: Decoder, encoder_out: Tensor):
        self.decoder = decoder
        self.end = decoder.end
        self.device = encoder_out.device
        lengths = torch.tensor([encoder_out.shape[1]])
        with torch.inference_mode():
            self.memories = [decoder.remember(view[None], lengths) for view in encoder_out]

    @torch.inference_mode()
    def start(self) -> list[Any]:
        """The state of one empty sentence, before `end` is fed to it; of each view."""
        return [self.decoder.start(memory) for memory in self.memories]

    @torch.inference_mode()
    def step(self, previous: np.ndarray, state: list[Any]) -> tuple[np.ndarray, list[Any]]:
        """(N,) int64 last tokens -> (N, V) float64 log-probabilities of the next token, and the new state."""
        tokens = torch.from_numpy(previous).to(self.device)
        steps = [self.decoder.step(tokens, one, memory) for one, memory in zip(state, self.memories, strict=True)]
        log_probs = torch.stack([log_probs for log_probs, _ in steps]).cpu().double()  # MPS has no float64
        log_probs = log_probs.mean(0).log_softmax(-1) if len(steps) > 1 else log_probs[0]
        return log_probs.numpy(), [new for _, new in steps]

    @torch.inference_mode()
    def select(self, state: list[Any], indices: np.ndarray) -> list[Any]:
        """Select the states of the sentences at the (M,) int64 `indices`."""
        chosen = torch.from_numpy(indices).to(self.device)
        return [self.decoder.select(one, chosen) for one in state]

    @torch.inference_mode()
    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T) float64: how much each of U tokens attends to each frame; a row sums to 1."""
        ids = torch.tensor(tokens, dtype=torch.int64, device=self.device)
        views = [self.decoder.attention(ids, memory) for memory in self.memories]
        return torch.stack(views).cpu().double().mean(0).numpy()


class LMScorer:
    """Scores texts by a token language model.

    Args:
        lm: In eval mode.

    Attributes:
        vocab_size: V.
    """

    def __init__(self, lm: TransformerLM):
        self.lm = lm
        self.vocab_size = lm.end + 1

    @torch.inference_mode()
    def start(self) -> History:
        """The state of one empty text, before the model's `end` is fed to it."""
        return self.lm.start()

    @torch.inference_mode()
    def step(self, previous: np.ndarray, state: History) -> tuple[np.ndarray, History]:
        """(N,) int64 last tokens -> (N, V) float64 log-probabilities of the next token, and the new state."""
        log_probs, state = self.lm.step(torch.from_numpy(previous).to(state.visible.device), state)
        return log_probs.cpu().double().numpy(), state

    @torch.inference_mode()
    def select(self, state: History, indices: np.ndarray) -> History:
        """The states of the texts at (M,) int64 indices `chosen`."""
        return self.lm.select(state, torch.from_numpy(indices).to(state.visible.device))
