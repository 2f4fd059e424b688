"""A bound on sentences that a joint search with a grammar has not completed, so it can stop early."""

from functools import cached_property

import numpy as np

from lipscribe.search.ctc_prefix import CTCPrefixScorer, Prefixes, log_sum
from lipscribe.search.grammar_scorer import Beginnings, GrammarScorer

MAX_TERMS = 500_000  # frames times arcs: a larger lattice takes longer than the decoder's steps that it saves


class CompletionBound:
    """Bounds the score of each complete sentence that begins with a prefix.

    The CTC prefix score counts all paths that begin with the prefix, also those that end with it in the middle of a
    sentence. The grammar's lattice gives the mass of those that end where a text may end, which is far less if the clip
    has no frames left for the rest of the sentence. The decoder's score and the grammar's weights only fall, so the
    difference, times CTC's weight, is what a prefix loses at least.

    Args:
        ctc: The CTC scorer of the clip.
        grammar: The grammar's scorer.
        weight: Of CTC's score in the sum.
    """

    def __init__(self, ctc: CTCPrefixScorer, grammar: GrammarScorer, weight: float):
        self._ctc, self._grammar, self._weight = ctc, grammar, weight

    @property
    def affordable(self) -> bool:
        """Whether the bound costs less than it may save."""
        return len(self._ctc.log_probs) * len(self._grammar.lattice.sources) <= MAX_TERMS

    def losses(self, tokens: np.ndarray, prefixes: Prefixes, beginnings: Beginnings) -> np.ndarray:
        """(N,) at most 0: how much the scores of N sentences change at least until they are complete.

        Args:
            tokens: (N,) int64, the last token of each.
            prefixes: The CTC state before that token.
            beginnings: The grammar's state before it.
        """
        entering = self._ctc.entering(tokens, prefixes)  # (N, T): the paths whose last token begins in a frame
        after: dict[frozenset[int], np.ndarray] = {}
        completing = np.empty_like(entering)
        for row, states in zip(completing, self._grammar.follow(tokens, beginnings), strict=True):
            if states not in after:
                after[states] = np.logaddexp.reduce(self._completions[:, list(states)], axis=1)
            row[:] = after[states]
        mass, complete = log_sum(entering), log_sum(entering + completing)
        return self._weight * np.minimum(complete - np.where(mass > -np.inf, mass, 0.0), 0.0)

    @cached_property
    def _completions(self) -> np.ndarray:
        """(T, S): log mass of all completions of a text from a state in a frame."""
        lattice = self._grammar.lattice
        return lattice.backward(lattice.emissions(self._ctc.log_probs), weighted=False)
