"""What a label-synchronous beam asks: how likely each token is next, in the view of a decoder, CTC, a grammar, an LM.

The terms are ESPnet's (Watanabe et al., "ESPnet: end-to-end speech processing toolkit", 2018): a full scorer scores all
tokens at once; a part scorer, which costs more a token, can be asked about a few candidates only.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Scorer(Protocol):
    """A full scorer: how each of N sentences about one clip goes on."""

    def start(self) -> Any:
        """The state of one empty sentence."""
        ...

    def step(self, previous: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Scores of the next token.

        Args:
            previous: (N,) int64, the last token of each sentence, the end's id where there is none yet.
            state: Of the N sentences, before that token.

        Returns:
            (N, V) float64 natural-log scores, one column being that the sentence ends; and the new state.
        """
        ...

    def select(self, state: Any, indices: np.ndarray) -> Any:
        """The states of the sentences at the (M,) int64 `indices`."""
        ...


class PartScorer(Protocol):
    """A scorer that can be asked about some candidates only."""

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
        """The states of the sentences at the (M,) int64 `indices`."""
        ...


class TokenModel(Scorer, Protocol):
    """A language model of `vocab_size` tokens; it scores how a text goes on, whatever the clip."""

    vocab_size: int


class DecoderView(Scorer, Protocol):
    """A decoder's view of one clip.

    Attributes:
        end: The id that every sentence begins and ends with: `END`, or a symbol of the vocabulary.
    """

    end: int

    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T): how much each of U tokens attends to each frame; a row sums to 1."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A full scorer and its weight in a sentence's score.

    Attributes:
        scorer: Asked only where the weight is not 0: nothing times "impossible" would be no number.
        weight: What its scores are multiplied by.
        in_probability: Whether its scores count in a token's own probability; those of a language model do not.
        highest: The most that one of its scores may be: above 0 for the bonus of a word.
    """

    scorer: Scorer
    weight: float = 1.0
    in_probability: bool = True
    highest: float = 0.0
