"""CTC prefix scores, for joint decoding with an attention decoder."""

from typing import NamedTuple

import numpy as np

from lipscribe.tokenizer import BLANK, END

# Stands for log(0) in running sums of logs, where -inf would give NaN: far below the score of any path, and small
# enough that float64 keeps the digits of what is added to it.
_NEVER = -1e7
_RULED_OUT = _NEVER / 10  # a sum of logs below this went through `_NEVER`


class Prefixes(NamedTuple):
    """CTC state of N prefixes: log mass (N, T + 1) of the paths that spell a prefix in the first t frames."""

    token: np.ndarray  # and end in its last token
    blank: np.ndarray  # and end in a blank
    last: np.ndarray  # (N,) the last token, the end symbol for the empty prefix
    mass: np.ndarray  # (N,) log mass of all paths through the clip whose text begins with the prefix
    total: np.ndarray  # (N, T + 1): the sum of `token` and `blank`


class CTCPrefixScorer:
    """Scores a prefix by the mass of all CTC paths whose text begins with it (Graves, 2008; Watanabe et al., 2017).

    It is a `Scorer` and a `PartScorer`. No step loops over sentences, tokens or frames in Python: entering the next
    token is one matrix product with the frames' probabilities, and the two recursions over frames are linear, so they
    are running sums.

    Args:
        log_probs: (T, V) float64 natural-log probabilities, blank first, T at least 1.
        end: Id of the end symbol. If it is not the blank, the blank is never a next token.
    """

    def __init__(self, log_probs: np.ndarray, end: int = END):
        self.log_probs = log_probs
        self.end = end
        self._probs = np.ascontiguousarray(np.exp(log_probs).T)  # (V, T)
        self._blanks = np.cumsum(np.maximum(log_probs[:, BLANK], _NEVER))  # (T,)

    def start(self) -> None:
        """None: the first step creates the state."""

    def step(self, previous: np.ndarray, state: Prefixes | None) -> tuple[np.ndarray, Prefixes]:
        """See `Scorer.step`: log of the share of each prefix's mass that continues with a token, or ends."""
        state = self.extend(previous, state)
        return self.scores(state), state

    def select(self, state: Prefixes, indices: np.ndarray) -> Prefixes:
        """See `Scorer.select`."""
        return Prefixes(*(part[indices] for part in state))

    def extend(self, previous: np.ndarray, state: Prefixes | None) -> Prefixes:
        """Append a token to each prefix; the state None is before the start symbol.

        Args:
            previous: (N,) int64, the last token of each.
            state: Of N prefixes, before that token.
        """
        tokens = np.asarray(previous)
        if state is None:
            blank = np.tile(np.concatenate([[0.0], _or_never(self._blanks)]), (len(tokens), 1))
            return Prefixes(np.full_like(blank, -np.inf), blank, tokens, np.zeros(len(tokens)), blank)
        entering = self.entering(tokens, state)
        nothing = np.full((len(tokens), 1), -np.inf)
        mass = log_sum(entering)
        emitted = self.log_probs.T[tokens]  # (N, T)
        token = np.hstack([nothing, _recursion(entering, np.cumsum(np.maximum(emitted, _NEVER), axis=1))])
        blank = np.hstack([nothing, _recursion(token[:, :-1] + self.log_probs[:, BLANK], self._blanks)])
        return Prefixes(token, blank, tokens, mass, np.logaddexp(token, blank))

    def entering(self, tokens: np.ndarray, state: Prefixes) -> np.ndarray:
        """(N, T) log mass of the paths in which the (N,) int64 tokens begin in a frame, each after its prefix."""
        repeats = (tokens == state.last)[:, None]
        before = np.where(repeats, state.blank, state.total)[:, :-1]  # the same token only after a blank
        return before + self.log_probs.T[tokens]

    def scores(self, state: Prefixes, candidates: np.ndarray | None = None) -> np.ndarray:
        """Log of the share of each prefix's mass that continues with a candidate, or ends if that is one.

        Args:
            state: Of N prefixes.
            candidates: (N, K) int64 ids; None is all V in order.

        Returns:
            (N, K) float64, at most 0; -inf for what is impossible.
        """
        total = state.total  # (N, T + 1)
        largest = _finite(total[:, :-1].max(axis=1, keepdims=True))
        enters = np.exp(total[:, :-1] - largest)
        if candidates is None:
            entered, candidates = enters @ self._probs.T, np.arange(len(self._probs))[None]
        else:
            ids, columns = np.unique(candidates, return_inverse=True)
            entered = np.take_along_axis(enters @ self._probs[ids].T, columns.reshape(candidates.shape), axis=1)
        again = log_sum(state.blank[:, :-1] + self.log_probs.T[state.last])[:, None]
        with np.errstate(divide="ignore"):
            mass = np.log(entered) + largest
        mass = np.where(candidates == state.last[:, None], again, mass)
        if self.end != BLANK:
            mass = np.where(candidates == BLANK, -np.inf, mass)
        mass = np.where(candidates == self.end, total[:, -1:], mass)
        known = state.mass[:, None] > -np.inf
        return np.where(known, np.minimum(mass - np.where(known, state.mass[:, None], 0.0), 0.0), -np.inf)


def _recursion(entering: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """Logs of x[t] = entering[t] + p[t] * x[t - 1] along the last axis, for all t at once.

    As x[t] / (p[0] ... p[t]) is a running sum of entering[t] / (p[0] ... p[t]), whose terms are positive, nothing
    cancels.

    Args:
        entering: (N, T) logs, -inf allowed.
        stays: (N, T) or (T,) running sum of the logs of p, finite.
    """
    return _or_never(np.logaddexp.accumulate(entering - stays, axis=1) + stays)


def _or_never(sums: np.ndarray) -> np.ndarray:
    return np.where(sums < _RULED_OUT, -np.inf, sums)


def _finite(largest: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(largest), largest, 0.0)


def log_sum(terms: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials over the last axis."""
    largest = _finite(terms.max(axis=-1, keepdims=True))
    with np.errstate(divide="ignore"):
        return np.log(np.exp(terms - largest).sum(axis=-1)) + largest[..., 0]
