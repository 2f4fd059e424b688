"""Scorer interfaces of the label-synchronous beam search: decoder, CTC, grammar and language model implement them.

The terms are ESPnet's (Watanabe et al., "ESPnet: end-to-end speech processing toolkit", 2018): a full scorer scores all
tokens at once; a part scorer, which costs more per token, scores only a few candidates.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Scorer(Protocol):
    """A full scorer: scores all next tokens of N sentences of one clip."""

    def start(self) -> Any:
        """The state of one empty sentence."""
        ...

    def step(self, previous: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Scores of the next token.

        Args:
            previous: (N,) int64, the last token of each sentence, at the start the end symbol.
            state: Of the N sentences, before that token.

        Returns:
            (N, V) float64 natural-log scores, including the end symbol's column; and the new state.
        """
        ...

    def select(self, state: Any, indices: np.ndarray) -> Any:
        """Select the states of the sentences at the (M,) int64 `indices`."""
        ...


class PartScorer(Protocol):
    """A scorer that can score some candidates only."""

    def start(self) -> Any:
        """The state of one empty sentence."""
        ...

    def extend(self, previous: np.ndarray, state: Any) -> Any:
        """The state after the (N,) int64 last tokens."""
        ...

    def scores(self, state: Any, candidates: np.ndarray | None = None) -> np.ndarray:
        """(N, K) float64 natural-log scores of (N, K) int64 candidates; of all V in order for None."""
        ...

    def select(self, state: Any, indices: np.ndarray) -> Any:
        """Select the states of the sentences at the (M,) int64 `indices`."""
        ...


class Bound(Protocol):
    """An upper bound on complete sentences by a part scorer and a grammar."""

    def losses(self, tokens: np.ndarray, prefixes: Any, beginnings: Any) -> np.ndarray:
        """How much the scores of N sentences change at least until they are complete.

        Args:
            tokens: (N,) int64, the last token of each.
            prefixes: The part scorer's state before that token.
            beginnings: The grammar's state before it.

        Returns:
            (N,) float64, at most 0.
        """
        ...


class TokenModel(Scorer, Protocol):
    """A language model of `vocab_size` tokens; independent of the clip."""

    vocab_size: int


class DecoderView(Scorer, Protocol):
    """An attention decoder as a scorer for one clip.

    Attributes:
        end: Id of the start and end symbol: `END`, or a symbol of the vocabulary.
    """

    end: int

    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T): how much each of U tokens attends to each frame; a row sums to 1."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A full scorer and its weight.

    Attributes:
        scorer: Skipped if the weight is 0, since 0 * -inf is NaN.
        weight: Factor of its scores.
        in_probability: Whether its scores are part of token probabilities; those of a language model are not.
        highest: Upper bound of a single score: above 0 for a word bonus.
    """

    scorer: Scorer
    weight: float = 1.0
    in_probability: bool = True
    highest: float = 0.0
