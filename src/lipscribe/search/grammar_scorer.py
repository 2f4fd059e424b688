"""A grammar as a scorer of the next token."""

from typing import NamedTuple

import numpy as np

from lipscribe.search.lattice import Lattice
from lipscribe.tokenizer import BLANK, END


class _Next(NamedTuple):
    """Next tokens of a text: (V,) scores, and the lattice states that each token leads to."""

    scores: np.ndarray
    states: dict[int, frozenset[int]]


Beginnings = list[frozenset[int] | None]  # of each text, the states it may be in; None before its first token


class GrammarScorer:
    """Scores a token 0 if the grammar allows it next, -inf otherwise.

    If texts have weights, a token's score is the change of the best weight that is still reachable, so a beam keeps
    likely texts before they end. The scores of a text sum to its weight.

    Args:
        lattice: A compiled `Grammar`; its CTC blanks are skipped.
        vocab_size: V.
        end: Id of the start and end symbol.
    """

    def __init__(self, lattice: Lattice, vocab_size: int, end: int = END):
        self.lattice = lattice
        self._vocab_size = vocab_size
        self._end = end
        self._best = _best_ends(lattice)
        self._nexts: dict[frozenset[int] | None, _Next] = {}

    def start(self) -> Beginnings:
        """The state of one empty text, before `end`."""
        return [None]

    def step(self, previous: np.ndarray, state: Beginnings) -> tuple[np.ndarray, Beginnings]:
        """(N,) int64 last tokens -> (N, V) float64 scores of the next tokens, and the new state."""
        new = [
            None if token == self._end else self._next(before).states[token]
            for token, before in zip(previous.tolist(), state, strict=True)
        ]
        return np.stack([self._next(states).scores for states in new]), new

    def follow(self, tokens: np.ndarray, state: Beginnings) -> list[frozenset[int]]:
        """The lattice states after the (N,) int64 next tokens of N texts, which the grammar allows."""
        return [self._next(before).states[token] for token, before in zip(tokens.tolist(), state, strict=True)]

    def select(self, state: Beginnings, indices: np.ndarray) -> Beginnings:
        """The states of the texts at the (M,) int64 `indices`."""
        return [state[i] for i in indices]

    def _next(self, states: frozenset[int] | None) -> _Next:
        if states not in self._nexts:
            self._nexts[states] = self._find_next(states)
        return self._nexts[states]

    def _find_next(self, states: frozenset[int] | None) -> _Next:
        tokens, ends = self.lattice.tokens, self.lattice.ends
        if states is None:
            near = set(np.flatnonzero(self.lattice.starts > -np.inf).tolist())
        else:
            near = set().union(*map(self._after, states))
        blanks = {state for state in near if tokens[state] == BLANK}
        nexts = (near - blanks).union(*map(self._after, blanks))
        before = 0.0 if states is None else max(float(self._best[state]) for state in states)
        scores, leads = np.full(self._vocab_size, -np.inf), {}
        for token in {int(tokens[state]) for state in nexts}:
            leads[token] = frozenset(state for state in nexts if tokens[state] == token)
            scores[token] = max(float(self._best[state]) for state in leads[token]) - before
        scores[self._end] = max((float(ends[state]) for state in blanks.union(states or ())), default=-np.inf) - before
        return _Next(scores, leads)

    def _after(self, state: int) -> set[int]:
        """The states after a state, but for itself: there the same token goes on."""
        lattice = self.lattice
        return set(lattice.targets[lattice.out_of[state] : lattice.out_of[state + 1]].tolist()) - {state}


def _best_ends(lattice: Lattice) -> np.ndarray:
    """(S,) float64: the greatest weight of a text that passes through a state, -inf if none ends."""
    best = lattice.ends
    while True:
        better = np.maximum(best, np.maximum.reduceat(best[lattice.targets], lattice.out_of[:-1]))
        if np.array_equal(better, best):
            return best
        best = better
