"""A language model of words beside the picture ("shallow fusion"): what each further token of a text adds to its score.

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014:

    lm_weight * ln P(the words) + word_bonus * number of the words

A word counts as soon as it is complete; at the end the last word counts, and so does the end of the sentence. Nothing
said is an empty sentence: were it free, a decoder alone, which is never quite sure that somebody speaks, would say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lipscribe.search.language_model import LanguageModel
from lipscribe.tokenizer import BLANK, END, Tokenizer, WordTokenizer


class Heard(NamedTuple):
    """The beginning of a text, as a language model of words knows it.

    Attributes:
        state: The model's, after the words that are complete.
        tail: The tokens of the word that is not.
    """

    state: Any
    tail: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fusion:
    """A language model and its say in a search.

    Attributes:
        lm: Of words.
        weight: Of its natural-log probabilities, `lm_weight` above.
        word_bonus: Added for each word.
        tokenizer: Between tokens and words.
    """

    lm: LanguageModel
    weight: float
    word_bonus: float
    tokenizer: Tokenizer

    def start(self) -> Heard:
        """Of the empty text."""
        return Heard(self.lm.start())

    def hear(self, heard: Heard, token: int) -> tuple[Heard, float]:
        """The text with one token more, and what the token adds."""
        if token == BLANK:  # which no text holds, but which a decoder alone may say
            return heard, 0.0
        words, tail = self._complete((*heard.tail, token))
        state, gain = self._say(heard.state, words)
        return Heard(state, tail), gain

    def end(self, heard: Heard) -> float:
        """What is added where the text ends: its last word, and its end."""
        state, gain = self._say(heard.state, self._words(heard.tail))
        return gain + self.weight * self.lm.end(state)

    def gains(self, heard: Heard) -> np.ndarray:
        """(V,) float64: what each token would add, without the end."""
        if isinstance(self.tokenizer, WordTokenizer):
            return np.array([0.0, *(self._say(heard.state, [word])[1] for word in self.tokenizer.words)])
        return np.where(self._closing, self._say(heard.state, self._words(heard.tail))[1], 0.0)

    @cached_property
    def _closing(self) -> np.ndarray:
        """(V,) bool: the tokens that complete the word before them, separators and those that begin another."""
        split, others = self.tokenizer.split_words, range(1, len(self.tokenizer.vocab))
        any_word = next((token for token in others if split([token])), 0)
        closes = [token == self.tokenizer.separator or len(split([any_word, token])) == 2 for token in others]
        return np.array([False, *closes])

    def _say(self, state: Any, words: Sequence[str]) -> tuple[Any, float]:
        gain = 0.0
        for word in words:
            state, log_prob = self.lm.step(state, word)
            gain += self.weight * log_prob + self.word_bonus
        return state, gain

    def _words(self, tokens: Sequence[int]) -> list[str]:
        return [word.text for word in self.tokenizer.split_words(tokens)]

    def _complete(self, tail: tuple[int, ...]) -> tuple[list[str], tuple[int, ...]]:
        """The words of a tail that no further token can change, and the tokens of the one that it can."""
        words = self.tokenizer.split_words(tail)
        if not words or isinstance(self.tokenizer, WordTokenizer) or tail[-1] == self.tokenizer.separator:
            return [word.text for word in words], ()
        return [word.text for word in words[:-1]], tail[words[-1].start :]


class WordScorer:
    """The same as a scorer (`attention.Scorer`), for a decoder's search. What it says may be above 0.

    Args:
        fusion: The language model and its say.
        end: The id that every sentence hears first and ends with.

    Attributes:
        rise: The most that a step may add to a sentence's score.
    """

    def __init__(self, fusion: Fusion, end: int = END):
        self._fusion, self._end = fusion, end
        self.rise = max(fusion.word_bonus, 0.0)

    def start(self) -> list[Heard | None]:
        """The state of one empty text, before it hears `end`."""
        return [None]

    def step(self, tokens: np.ndarray, state: list[Heard | None]) -> tuple[np.ndarray, list[Heard | None]]:
        """(N,) int64 last tokens -> (N, V) float64, what each next token adds, and the new state."""
        new = [
            self._fusion.start() if before is None else self._fusion.hear(before, int(token))[0]
            for token, before in zip(tokens, state, strict=True)
        ]
        scores = np.stack([self._fusion.gains(heard) for heard in new])
        scores[:, self._end] = [self._fusion.end(heard) for heard in new]
        return scores, new

    def select(self, state: list[Heard | None], chosen: np.ndarray) -> list[Heard | None]:
        """The states of the texts at the (M,) int64 places `chosen`."""
        return [state[i] for i in chosen]
