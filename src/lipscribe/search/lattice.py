"""The paths that CTC may take, as a graph of states: its best path, and sums over all of its paths.

One piece of code serves a fixed sentence (`linear_lattice`, for alignment) and a whole grammar (`grammar.py`). The
rules are those of Graves et al., "Connectionist temporal classification", ICML 2006: a token may last several frames,
blanks may stand between tokens and must stand between two equal ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lipscribe.search.hypothesis import Span
from lipscribe.tokenizer import BLANK

NO_UNIT = -1


@dataclass(frozen=True, eq=False)
class Lattice:
    """S states joined by A arcs; a path is in one state in each frame and stays or takes an arc between frames.

    Attributes:
        tokens: (S,) int64, the token that a state emits, 0 for blank.
        units: (S,) int64, the piece (a word of a slot, say) that a state belongs to, -1 for none. Along a piece the
            states' indices rise.
        starts, ends: (S,) float64, natural-log weight of beginning or ending there, -inf where a path may not.
        sources: (A,) int64, origin of each arc, those into state s being `sources[into[s]:into[s + 1]]`.
        targets: (A,) int64, goal of each arc, those out of state s being `targets[out_of[s]:out_of[s + 1]]`.
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
        """(T, V) log_probs -> (T, S): what each state emits in each frame."""
        return log_probs[:, self.tokens]

    def forward(
        self, emissions: np.ndarray, begin: np.ndarray | None = None, add: np.ufunc = np.logaddexp
    ) -> np.ndarray:
        """Log mass of the paths that are in each state after each frame, that frame's emission included.

        Args:
            emissions: (T, S).
            begin: (S,) log mass that enters the first frame; None for the lattice's own beginning.
            add: `np.logaddexp` sums over paths, `np.maximum` takes the best (Viterbi).

        Returns:
            (T, S) float64.
        """
        alpha = np.empty_like(emissions)
        before = self.starts if begin is None else begin
        for frame_idx in range(len(emissions)):
            alpha[frame_idx] = before + emissions[frame_idx]
            before = self.advance(alpha[frame_idx], add)
        return alpha

    def advance(self, alpha: np.ndarray, add: np.ufunc = np.logaddexp) -> np.ndarray:
        """(S,) log mass after a frame -> (S,) log mass that enters the next."""
        return add.reduceat(alpha[self.sources], self.into[:-1])

    def backward(self, emissions: np.ndarray) -> np.ndarray:
        """(T, S) log mass of all that may follow when a path is in a state, that frame's emission excluded."""
        beta = np.empty_like(emissions)
        after = self.ends
        for frame_idx in range(len(emissions) - 1, -1, -1):
            beta[frame_idx] = after
            after = np.logaddexp.reduceat((after + emissions[frame_idx])[self.targets], self.out_of[:-1])
        return beta

    def total(self, emissions: np.ndarray) -> float:
        """Log mass of all complete paths through (T, S) emissions, T at least 1."""
        return float(np.logaddexp.reduce(self.forward(emissions)[-1] + self.ends))

    def best_path(self, emissions: np.ndarray) -> tuple[np.ndarray, float]:
        """The Viterbi path, (T,) int64 states, and its log mass, -inf where no path is possible. T at least 1."""
        best = self.forward(emissions, add=np.maximum)
        path = np.empty(len(best), dtype=np.int64)
        path[-1] = np.argmax(best[-1] + self.ends)
        for frame_idx in range(len(best) - 1, 0, -1):
            state = path[frame_idx]
            sources = self.sources[self.into[state] : self.into[state + 1]]
            path[frame_idx - 1] = sources[np.argmax(best[frame_idx - 1, sources])]
        return path, float(best[-1, path[-1]] + self.ends[path[-1]])

    def runs(self, path: np.ndarray) -> list[tuple[int, Span]]:
        """The token-emitting states that a path visits, in order, each with its frames."""
        # A path that leaves a token's state comes back to it only over another state, so each visit is one run.
        turns = np.flatnonzero(np.diff(path)) + 1
        bounds = [0, *turns.tolist(), len(path)]
        runs = ((int(path[start]), Span(start, end)) for start, end in pairwise(bounds))
        return [(state, span) for state, span in runs if self.tokens[state] != BLANK]


class Junction(NamedTuple):
    """A place between tokens: the states of the tokens that end there, and the optional blank that follows them."""

    ends: tuple[int, ...]
    blank: int


class LatticeBuilder:
    """Lays out states and arcs by the rules of CTC, from junction to junction."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._units: list[int] = []
        self._arcs: list[tuple[int, int]] = []

    def junction(self, ends: Iterable[int] = (), unit: int = NO_UNIT) -> Junction:
        """A place that tokens end at; without any, the beginning of everything."""
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
        """A row of tokens (at least one) that form one unit, not yet connected: its first and its last state."""
        first = last = self._state(tokens[0], unit)
        for token in tokens[1:]:
            last = self.token(token, self.junction([last], unit), unit)
        return first, last

    def connect(self, after: Junction, state: int) -> None:
        """Let a path go from a junction to a token's state: directly only from a different token."""
        self._arcs.append((after.blank, state))
        self._arcs += [(end, state) for end in after.ends if self._tokens[end] != self._tokens[state]]

    def build(self, starts: Iterable[int], ends: Iterable[int] | Mapping[int, float]) -> Lattice:
        """The finished lattice, whose paths begin in `starts` and end in `ends`, which may have log weights."""
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
    """All alignments of one token sequence; token u is unit u."""
    builder = LatticeBuilder()
    place = first = builder.junction()
    starts = [first.blank]
    for unit, token in enumerate(tokens):
        state = builder.token(token, place, unit)
        starts += [state] if unit == 0 else []
        place = builder.junction([state])
    return builder.build(starts, [*place.ends, place.blank])


def _log_weights(states: Iterable[int] | Mapping[int, float], num_states: int) -> np.ndarray:
    weights = np.full(num_states, -np.inf)
    chosen = states if isinstance(states, Mapping) else dict.fromkeys(states, 0.0)
    weights[list(chosen)] = list(chosen.values())
    return weights
