"""CTC paths as a graph of states: the best path, and sums over all paths.

It is used for a fixed sentence (`linear_lattice`, for alignment) and for a whole grammar (`grammar.py`). The
rules are those of Graves et al., "Connectionist temporal classification", ICML 2006: a token may last several frames,
blanks may stand between tokens and must stand between two equal ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lipscribe.search.arcs import Arcs
from lipscribe.search.hypothesis import Span
from lipscribe.tokenizer import BLANK

NO_UNIT = -1
_TRACED = 16  # frames that are traced back at once


@dataclass(frozen=True, eq=False)
class Lattice:
    """S states connected by A arcs; a path has one state per frame, and between frames stays or takes an arc.

    Attributes:
        tokens: (S,) int64, the token that a state emits, 0 for blank.
        units: (S,) int64, the unit (such as a word of a slot) of each state, -1 for none. State indices rise along a
            unit.
        starts, ends: (S,) float64, natural-log weight of starting or ending in each state, -inf if not allowed.
        sources: (A,) int64, source of each arc; arcs into state s are `sources[into[s]:into[s + 1]]`.
        targets: (A,) int64, target of each arc; arcs out of state s are `targets[out_of[s]:out_of[s + 1]]`.
        into, out_of: (S + 1,) int64. Every state has at least the arc to itself.
    """

    tokens: np.ndarray
    units: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    sources: np.ndarray
    into: np.ndarray
    targets: np.ndarray
    out_of: np.ndarray

    def emissions(self, log_probs: np.ndarray) -> np.ndarray:
        """(T, V) log_probs -> (T, S): the emission log-probability of each state in each frame."""
        return log_probs.take(self.tokens, axis=1)  # row by row in memory, unlike log_probs[:, self.tokens]

    def forward(
        self, emissions: np.ndarray, begin: np.ndarray | None = None, add: np.ufunc = np.logaddexp
    ) -> np.ndarray:
        """Log mass of the paths in each state after each frame, including its emission (the forward variables).

        Args:
            emissions: (T, S).
            begin: (S,) log mass that enters the first frame; None for `starts`.
            add: `np.logaddexp` sums over paths, `np.maximum` takes the best (Viterbi).

        Returns:
            (T, S) float64.
        """
        alpha = np.empty_like(emissions)
        entering = np.array(self.starts if begin is None else begin)
        arcs = Arcs(self.sources, self.into, add)
        for row, emitted in zip(alpha, emissions, strict=True):
            np.add(entering, emitted, out=row)
            arcs.collect(row, out=entering)
        return alpha

    def backward(self, emissions: np.ndarray, weighted: bool = True, add: np.ufunc = np.logaddexp) -> np.ndarray:
        """(T, S) log mass of all continuations from a state, excluding its emission (the backward variables).

        Args:
            emissions: (T, S).
            weighted: Whether `ends` counts with its weights; otherwise only with where a path may end.
            add: See `forward`.
        """
        beta = np.empty_like(emissions)
        after = np.array(self.ends) if weighted else np.where(self.ends > -np.inf, 0.0, -np.inf)
        entered = np.empty(len(self.tokens))
        arcs = Arcs(self.targets, self.out_of, add)
        for row, emitted in zip(beta[::-1], emissions[::-1], strict=True):
            row[:] = after
            np.add(after, emitted, out=entered)
            arcs.collect(entered, out=after)
        return beta

    @cached_property
    def arc_targets(self) -> np.ndarray:
        """(A,) int64: target of each of the arcs of `sources`."""
        return np.repeat(np.arange(len(self.tokens)), np.diff(self.into))

    def total(self, emissions: np.ndarray) -> float:
        """Log mass of all complete paths through (T, S) emissions, T at least 1."""
        return float(np.logaddexp.reduce(self.forward(emissions)[-1] + self.ends))

    def best_path(self, emissions: np.ndarray) -> tuple[np.ndarray, float]:
        """The Viterbi path, (T,) int64 states, and its log mass, -inf where no path is possible. T at least 1."""
        best = self.forward(emissions, add=np.maximum)
        last = int(np.argmax(best[-1] + self.ends))
        return self.trace(best, last), float(best[-1, last] + self.ends[last])

    def trace(self, best: np.ndarray, state: int) -> np.ndarray:
        """The best path to a state in the last of the (T, S) frames of `forward` with `np.maximum`: (T,) int64."""
        path = np.empty(len(best), dtype=np.int64)
        path[-1] = state
        stop = len(best) - 1  # path[stop] is known
        while stop:
            # A path stays in most states for frames, so many frames are compared at once.
            start = max(0, stop - _TRACED)
            sources = self.sources[self.into[state] : self.into[state + 1]]
            before = sources[best[start:stop].take(sources, axis=1).argmax(axis=1)]
            left = np.flatnonzero(before != state)
            since = int(left[-1]) if len(left) else 0  # the path is in `state` in all frames after start + since
            path[start + since : stop] = state
            stop = start + since
            path[stop] = state = int(before[since])
        return path

    def continuation(self, best: np.ndarray, state: int) -> np.ndarray:
        """The best path on from a state in the first of (T, S) frames: (T - 1,) int64.

        Args:
            best: Sum of the emissions and of `backward` with `np.maximum`.
        """
        path = np.empty(len(best) - 1, dtype=np.int64)
        for frame_idx in range(1, len(best)):
            targets = self.targets[self.out_of[state] : self.out_of[state + 1]]
            state = path[frame_idx - 1] = int(targets[best[frame_idx, targets].argmax()])
        return path

    def runs(self, path: np.ndarray) -> list[tuple[int, Span]]:
        """The token-emitting states that a path visits, in order, each with its frames."""
        # A path returns to a token's state only through another state, so each visit is one run.
        turns = np.flatnonzero(np.diff(path)) + 1
        bounds = [0, *turns.tolist(), len(path)]
        runs = ((int(path[start]), Span(start, end)) for start, end in pairwise(bounds))
        return [(state, span) for state, span in runs if self.tokens[state] != BLANK]


class Junction(NamedTuple):
    """A position between tokens: the states of the tokens that end there, and the optional blank after them."""

    ends: tuple[int, ...]
    blank: int


class LatticeBuilder:
    """Builds states and arcs by the rules of CTC, from junction to junction."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._units: list[int] = []
        self._arcs: list[tuple[int, int]] = []

    def junction(self, ends: Iterable[int] = (), unit: int = NO_UNIT) -> Junction:
        """Add a junction where tokens end; without any, the start."""
        blank = self._state(BLANK, unit)
        place = Junction(tuple(ends), blank)
        self._arcs += [(end, blank) for end in place.ends]
        return place

    def token(self, token: int, after: Junction, unit: int = NO_UNIT) -> int:
        """A state that emits `token` after a junction."""
        state = self._state(token, unit)
        self.connect(after, state)
        return state

    def chain(self, tokens: Sequence[int], unit: int) -> tuple[int, int]:
        """Add a chain of tokens (at least one) as one unit, not yet connected; returns its first and last state."""
        first = last = self._state(tokens[0], unit)
        for token in tokens[1:]:
            last = self.token(token, self.junction([last], unit), unit)
        return first, last

    def connect(self, after: Junction, state: int) -> None:
        """Connect a junction to a token's state: directly only from a different token."""
        self._arcs.append((after.blank, state))
        self._arcs += [(end, state) for end in after.ends if self._tokens[end] != self._tokens[state]]

    def build(self, starts: Iterable[int], ends: Iterable[int] | Mapping[int, float]) -> Lattice:
        """The finished lattice, whose paths start in `starts` and end in `ends`, with optional log weights."""
        num_states = len(self._tokens)
        origins, goals = np.array(self._arcs, dtype=np.int64).T
        by_goal, by_origin = np.argsort(goals, kind="stable"), np.argsort(origins, kind="stable")
        every = np.arange(num_states + 1)
        return Lattice(
            tokens=np.array(self._tokens, dtype=np.int64),
            units=np.array(self._units, dtype=np.int64),
            starts=_log_weights(starts, num_states),
            ends=_log_weights(ends, num_states),
            sources=origins[by_goal],
            into=np.searchsorted(goals[by_goal], every),
            targets=goals[by_origin],
            out_of=np.searchsorted(origins[by_origin], every),
        )

    def _state(self, token: int, unit: int) -> int:
        state = len(self._tokens)
        self._tokens.append(token)
        self._units.append(unit)
        self._arcs.append((state, state))
        return state


def linear_lattice(tokens: Sequence[int]) -> Lattice:
    """All alignments of one token sequence; token u is unit u and state 2u + 1, the other states are blanks."""
    states = np.arange(2 * len(tokens) + 1)
    emitted = np.zeros(len(states), np.int64)
    emitted[1::2] = tokens
    units = np.full(len(states), NO_UNIT)
    units[1::2] = np.arange(len(tokens))
    # By target: from itself, from the state before, and past a blank from a different token.
    skips = np.flatnonzero((states > 2) & (emitted != BLANK) & (emitted != np.roll(emitted, 2)))
    sources, into = _by_state(states, states[1:], states[1:] - 1, skips, skips - 2)
    targets, out_of = _by_state(states, states[:-1], states[:-1] + 1, skips - 2, skips)
    starts, ends = np.full(len(states), -np.inf), np.full(len(states), -np.inf)
    starts[:2] = ends[-2:] = 0.0
    return Lattice(emitted, units, starts, ends, sources, into, targets, out_of)


def _by_state(
    states: np.ndarray, near: np.ndarray, nearest: np.ndarray, far: np.ndarray, farthest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The other ends of the arcs of each state, and where each state's begin: itself, the nearest, the farthest."""
    owners = np.concatenate([states, near, far])
    order = np.argsort(owners, kind="stable")
    into = np.zeros(len(states) + 1, np.int64)
    np.cumsum(np.bincount(owners, minlength=len(states)), out=into[1:])
    return np.concatenate([states, nearest, farthest])[order], into


def _log_weights(states: Iterable[int] | Mapping[int, float], num_states: int) -> np.ndarray:
    weights = np.full(num_states, -np.inf)
    chosen = states if isinstance(states, Mapping) else dict.fromkeys(states, 0.0)
    weights[list(chosen)] = list(chosen.values())
    return weights
