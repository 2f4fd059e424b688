"""CTC prefix beam search with a language model of words ("shallow fusion").

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014. A
prefix is ranked by

    ln P(prefix | picture) + lm_weight * ln P(its words) + word_bonus * number of its words

where a word counts as soon as it is complete. At the end of a clip the last word counts, and so does the end of the
sentence; a clip in which nothing is said is no sentence and has no language model's score.
"""

import math
from typing import NamedTuple

import numpy as np

from lipscribe.search.hypothesis import Candidate
from lipscribe.search.language_model import LanguageModel
from lipscribe.tokenizer import BLANK, Tokenizer, WordTokenizer

TOKEN_FLOOR = math.log(1e-6)  # tokens so much less likely than the best of their frame are not tried

_NEVER = -math.inf


class Fusion(NamedTuple):
    """A language model and its say in a search."""

    lm: LanguageModel
    weight: float
    word_bonus: float
    tokenizer: Tokenizer


class _Prefix:
    """A token sequence, and the language model's opinion of its complete words."""

    __slots__ = ("bonus", "children", "fusion", "has_words", "parent", "state", "tail", "token")

    def __init__(self, fusion: Fusion, parent: "_Prefix | None" = None, token: int = BLANK) -> None:
        self.fusion, self.parent, self.token = fusion, parent, token
        self.state = parent.state if parent else fusion.lm.start()
        self.bonus = parent.bonus if parent else 0.0
        self.has_words = parent.has_words if parent else False
        self.tail: tuple[int, ...] = ()  # tokens of the word that is not complete
        self.children: dict[int, _Prefix] = {}

    def child(self, token: int) -> "_Prefix":
        """The sequence with one token more; always the same object for the same sequence."""
        child = self.children.get(token)
        if child is None:
            child = self.children[token] = _Prefix(self.fusion, self, token)
            words, child.tail = self._complete((*self.tail, token))
            child._say(words)
        return child

    def finish(self) -> float:
        """The bonus of the whole text: with its last word, and with its end."""
        whole = _Prefix(self.fusion, self)
        whole._say([word.text for word in self.fusion.tokenizer.split_words(self.tail)])
        return whole.bonus + self.fusion.weight * self.fusion.lm.end(whole.state) if whole.has_words else 0.0

    def tokens(self) -> tuple[int, ...]:
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.token)
            prefix = prefix.parent
        return tuple(reversed(found))

    def _say(self, words: list[str]) -> None:
        for word in words:
            self.state, log_prob = self.fusion.lm.step(self.state, word)
            self.has_words = True
            self.bonus += self.fusion.weight * log_prob + self.fusion.word_bonus

    def _complete(self, tail: tuple[int, ...]) -> tuple[list[str], tuple[int, ...]]:
        """The words of a tail that no further token can change, and the tokens of the one that it can."""
        tokenizer = self.fusion.tokenizer
        words = tokenizer.split_words(tail)
        if not words or isinstance(tokenizer, WordTokenizer) or tail[-1] == tokenizer.separator:
            return [word.text for word in words], ()
        return [word.text for word in words[:-1]], tail[words[-1].start :]


def lm_beam_search(log_probs: np.ndarray, beam_size: int, fusion: Fusion) -> list[Candidate]:
    """The final beam of one clip, best first; the score is what the search ranks by.

    Args:
        log_probs: (T, V) float64, checked by `check_inputs`.
        beam_size: Prefixes kept after each frame, at least 1.
        fusion: The language model.
    """
    beam = {_Prefix(fusion): (0.0, _NEVER)}  # mass ending in a blank, in a token
    for frame in log_probs:
        tried = np.flatnonzero(frame[1:] > frame.max() + TOKEN_FLOOR) + 1
        grown = _grow(beam, frame.tolist(), tried.tolist())
        kept = sorted(grown.items(), key=lambda item: -(_add(*item[1]) + item[0].bonus))[:beam_size]
        beam = dict(kept)
    found = [Candidate(prefix.tokens(), _add(*mass) + prefix.finish()) for prefix, mass in beam.items()]
    return sorted((item for item in found if item.score > _NEVER), key=lambda item: -item.score)


def _grow(
    beam: dict[_Prefix, tuple[float, float]], frame: list[float], tried: list[int]
) -> dict[_Prefix, tuple[float, float]]:
    """The prefixes after one more frame, with their mass."""
    grown: dict[_Prefix, tuple[float, float]] = {}
    for prefix, (blank, token) in beam.items():
        total = _add(blank, token)
        old = grown.get(prefix, (_NEVER, _NEVER))
        stayed = token + frame[prefix.token] if token > _NEVER else _NEVER
        grown[prefix] = (_add(old[0], total + frame[BLANK]), _add(old[1], stayed))
        for added in tried:
            gained = (blank if added == prefix.token else total) + frame[added]
            if gained > _NEVER:
                child = prefix.child(added)
                old = grown.get(child, (_NEVER, _NEVER))
                grown[child] = (old[0], _add(old[1], gained))
    return {prefix: mass for prefix, mass in grown.items() if mass != (_NEVER, _NEVER)}


def _add(left: float, right: float) -> float:
    """ln(exp(left) + exp(right)): numpy's is slow for single numbers."""
    if left < right:
        left, right = right, left
    return left if right == _NEVER else left + math.log1p(math.exp(right - left))
