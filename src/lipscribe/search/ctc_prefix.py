"""What CTC says of the next token of a sentence, so that it can be asked beside a decoder."""

from typing import NamedTuple

import numpy as np

from lipscribe.tokenizer import BLANK, END


class _Prefixes(NamedTuple):
    """CTC's view of N prefixes: log mass (N, T + 1) of the paths that spell a prefix in so many frames."""

    token: np.ndarray  # and end in its last token
    blank: np.ndarray  # and end in a blank
    last: np.ndarray  # (N,) the last token, END for the empty prefix


class CTCPrefixScorer:
    """Scores a prefix by the mass of all CTC paths whose text begins with it (Graves, 2008; Watanabe et al., 2017).

    It is a `Scorer` of `lipscribe.search.attention`.

    Args:
        log_probs: (T, V) float64 natural-log probabilities, blank first, T at least 1.
    """

    def __init__(self, log_probs: np.ndarray):
        self.log_probs = log_probs

    def start(self) -> _Prefixes | None:
        """Nothing is heard yet."""
        return None

    def step(self, tokens: np.ndarray, state: _Prefixes | None) -> tuple[np.ndarray, _Prefixes]:
        """See `Scorer.step`: log of the share of each prefix's mass that goes on with a token, or ends."""
        state = self._nothing_said() if state is None else self._extend(tokens, state)
        total = np.logaddexp(state.token, state.blank)  # (N, T + 1)
        enters = self._entering(state, total)  # (N, V, T)
        mass = _log_sum(enters + self.log_probs.T)  # (N, V): of the paths that spell the prefix and then the token
        mass[:, END] = total[:, -1]
        whole = _log_sum(mass)[:, None]
        with np.errstate(invalid="ignore"):
            return np.where(whole > -np.inf, np.minimum(mass - whole, 0.0), -np.inf), state

    def select(self, state: _Prefixes, chosen: np.ndarray) -> _Prefixes:
        """See `Scorer.select`."""
        return _Prefixes(state.token[chosen], state.blank[chosen], state.last[chosen])

    def _nothing_said(self) -> _Prefixes:
        blank = np.concatenate([[0.0], np.cumsum(self.log_probs[:, BLANK])])[None]
        return _Prefixes(np.full_like(blank, -np.inf), blank, np.array([END]))

    def _entering(self, state: _Prefixes, total: np.ndarray) -> np.ndarray:
        """(N, V, T) log mass of the paths that have spelt the prefix before a frame, from where a token may begin."""
        enters = np.repeat(total[:, None, :-1], self.log_probs.shape[1], axis=1)
        spoken = np.flatnonzero(state.last != END)
        enters[spoken, state.last[spoken]] = state.blank[spoken, :-1]  # the same token again only after a blank
        return enters

    def _extend(self, tokens: np.ndarray, state: _Prefixes) -> _Prefixes:
        """Each prefix with one more token."""
        repeats = (tokens == state.last)[:, None]
        enters = np.where(repeats, state.blank, np.logaddexp(state.token, state.blank))[:, :-1]  # (N, T)
        token, blank = np.full_like(state.token, -np.inf), np.full_like(state.blank, -np.inf)
        for t, frame in enumerate(self.log_probs):
            token[:, t + 1] = np.logaddexp(token[:, t], enters[:, t]) + frame[tokens]
            blank[:, t + 1] = np.logaddexp(token[:, t], blank[:, t]) + frame[BLANK]
        return _Prefixes(token, blank, tokens)


def _log_sum(terms: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials over the last axis."""
    largest = terms.max(axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(terms - largest).sum(axis=-1)) + largest[..., 0]
