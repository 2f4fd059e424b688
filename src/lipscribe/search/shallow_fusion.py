"""Shallow fusion: the score that a word language model adds with each token of a text.

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014:

    lm_weight * ln P(the words) + word_bonus * number of the words

A word is scored once it is complete; the last word and the end of the sentence are scored at the end. The empty text is
scored as a sentence too: otherwise a decoder alone would prefer it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lipscribe.search.language_model import LanguageModel
from lipscribe.tokenizer import END, WORD_START, Tokenizer, WordTokenizer


class Context(NamedTuple):
    """State of a partial text.

    Attributes:
        state: The language model's, after the complete words.
        tail: The tokens of the incomplete word.
    """

    state: Any
    tail: tuple[int, ...] = ()


@dataclass(frozen=True)
class ShallowFusion:
    """A word language model with its weights.

    Attributes:
        lm: The language model.
        weight: `lm_weight` above.
        word_bonus: Added per word.
        tokenizer: Converts tokens to words.
    """

    lm: LanguageModel
    weight: float
    word_bonus: float
    tokenizer: Tokenizer

    def start(self) -> Context:
        """The context of the empty text."""
        return Context(self.lm.start())

    def advance(self, context: Context, token: int) -> tuple[Context, float]:
        """The context after one more token, and the score that it adds."""
        if isinstance(self.tokenizer, WordTokenizer):
            state, gain = self._complete(context.state, (token,))
            return Context(state), gain
        if not self._closing[token]:
            return Context(context.state, (*context.tail, token)), 0.0
        state, gain = self._complete(context.state, context.tail)
        return Context(state, (token,)), gain

    def end(self, context: Context) -> float:
        """The score added at the end of the text: of its last word and the end."""
        state, gain = self._complete(context.state, context.tail)
        return gain + self.weight * self.lm.end(state)

    def gains(self, context: Context) -> np.ndarray:
        """(V,) float64: the score that `advance` adds for each token; 0 for the blank."""
        if isinstance(self.tokenizer, WordTokenizer):
            words = range(1, len(self.tokenizer.vocab))
            return np.array([0.0, *(self._complete(context.state, (word,))[1] for word in words)])
        return np.where(self._closing, self._complete(context.state, context.tail)[1], 0.0)

    @cached_property
    def _closing(self) -> np.ndarray:
        """(V,) bool: tokens that complete the previous word: separators, and tokens that start a word."""
        separator, vocab = self.tokenizer.separator, self.tokenizer.vocab
        closes = [name.startswith(WORD_START) if separator is None else i == separator for i, name in enumerate(vocab)]
        return np.array(closes)

    def _complete(self, state: Any, tokens: Sequence[int]) -> tuple[Any, float]:
        """The state after the words of some tokens, and the score that they add."""
        gain = 0.0
        for word in self.tokenizer.split_words(tokens):
            state, log_prob = self.lm.step(state, word.text)
            gain += self.weight * log_prob + self.word_bonus
        return state, gain


class WordScorer:
    """Shallow fusion as a full scorer (`scorers.Scorer`). Scores may be above 0 by the bonus.

    Args:
        fusion: The language model and its weight.
        end: Id of the start and end symbol.
    """

    def __init__(self, fusion: ShallowFusion, end: int = END):
        self._fusion, self._end = fusion, end

    def start(self) -> list[Context | None]:
        """The state of one empty text, before `end`."""
        return [None]

    def step(self, previous: np.ndarray, state: list[Context | None]) -> tuple[np.ndarray, list[Context | None]]:
        """(N,) int64 last tokens -> (N, V) float64 scores of the next tokens, and the new state."""
        new = [
            self._fusion.start() if before is None else self._fusion.advance(before, int(token))[0]
            for token, before in zip(previous, state, strict=True)
        ]
        scores = np.stack([self._fusion.gains(context) for context in new])
        scores[:, self._end] = [self._fusion.end(context) for context in new]
        return scores, [*new]

    def select(self, state: list[Context | None], indices: np.ndarray) -> list[Context | None]:
        """The states of the texts at the (M,) int64 `indices`."""
        return [state[i] for i in indices]
