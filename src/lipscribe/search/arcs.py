"""Sums and maxima over the arcs into each state of a lattice, the inner step of all recursions over frames."""

import numpy as np

FEW = 3  # arcs into most states of a large lattice: from itself, from the blank before, past that blank
LARGE = 2000  # arcs, above which columns are faster than `reduceat`
_LOWEST = -1e300  # instead of a maximum of -inf, from which -inf cannot be subtracted


class Arcs:
    """The arcs into each of S states; one object for each pass over frames, since it reuses its buffers.

    Args:
        sources: (A,) int64; the arcs into state s are `sources[into[s]:into[s + 1]]`.
        into: (S + 1,) int64, rising: each state has an arc at least.
        add: `np.logaddexp` or `np.maximum`.
    """

    def __init__(self, sources: np.ndarray, into: np.ndarray, add: np.ufunc):
        self._add, self._sources, self._firsts = add, sources, into[:-1]
        self._offered = np.empty(len(sources))
        self._large = len(sources) > LARGE
        if self._large:
            num_states, degrees = len(into) - 1, np.diff(into)
            arcs = self._firsts + np.minimum(np.arange(FEW)[:, None], degrees - 1)
            self._columns = np.where(np.arange(FEW)[:, None] < degrees, sources[arcs], num_states)  # (FEW, S)
            self._padded = np.full(num_states + 1, -np.inf)
            self._wide = np.flatnonzero(degrees > FEW)
            self._wide_sources = sources[np.repeat(degrees > FEW, degrees)]
            self._wide_firsts = np.cumsum(degrees[self._wide]) - degrees[self._wide]

    def collect(self, mass: np.ndarray, out: np.ndarray) -> None:
        """(S,) log mass in each state -> `out` (S,): the sum or maximum over the sources of each state."""
        if not self._large:
            mass.take(self._sources, out=self._offered, mode="clip")
            self._add.reduceat(self._offered, self._firsts, out=out)
            return
        self._padded[:-1] = mass
        offered = self._padded.take(self._columns, mode="clip")  # (FEW, S)
        highest = offered.max(axis=0)
        if self._add is np.maximum:
            out[:] = highest
        else:
            np.maximum(highest, _LOWEST, out=highest)
            np.exp(np.subtract(offered, highest, out=offered), out=offered)
            with np.errstate(divide="ignore"):
                np.log(offered.sum(axis=0), out=out)
            out += highest
        if len(self._wide):
            out[self._wide] = self._add.reduceat(mass.take(self._wide_sources), self._wide_firsts)
