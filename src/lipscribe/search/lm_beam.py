"""CTC prefix beam search with a language model of words beside the picture.

A prefix is ranked by ln P(prefix | picture) and what the language model adds for its complete words (`fusion.py`).
"""

import math

import numpy as np

from lipscribe.search.hypothesis import Candidate
from lipscribe.search.shallow_fusion import Fusion
from lipscribe.tokenizer import BLANK

TOKEN_FLOOR = math.log(1e-6)  # tokens so much less likely than the best of their frame are not tried

_NEVER = -math.inf


class _Prefix:
    """A token sequence, and the language model's opinion of its complete words."""

    __slots__ = ("bonus", "children", "fusion", "heard", "parent", "token")

    def __init__(self, fusion: Fusion, parent: "_Prefix | None" = None, token: int = BLANK) -> None:
        self.fusion, self.parent, self.token = fusion, parent, token
        self.heard, gain = fusion.hear(parent.heard, token) if parent else (fusion.start(), 0.0)
        self.bonus = parent.bonus + gain if parent else 0.0
        self.children: dict[int, _Prefix] = {}

    def child(self, token: int) -> "_Prefix":
        """The sequence with one token more; always the same object for the same sequence."""
        child = self.children.get(token)
        if child is None:
            child = self.children[token] = _Prefix(self.fusion, self, token)
        return child

    def tokens(self) -> tuple[int, ...]:
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.token)
            prefix = prefix.parent
        return tuple(reversed(found))


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
    found = [
        Candidate(prefix.tokens(), _add(*mass) + prefix.bonus + fusion.end(prefix.heard))
        for prefix, mass in beam.items()
    ]
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
