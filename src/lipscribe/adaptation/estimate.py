"""What a model adapted to a person will get wrong, from what was read in clips that it did not learn from.

Few clips tell little, and the interval says so. Words of one clip are right or wrong together more often than chance,
so they count as fewer: `DESIGN_EFFECT` words of a clip tell as much as one that stands alone. What a person meets next
is not the rate of many recordings but that of the next few, which vary too: the interval is of the next as many
recordings, by the beta-binomial distribution that follows from Jeffreys' prior (Proc. R. Soc. A 186, 1946).
"""

import math
from bisect import bisect, bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from lipscribe.metrics import SUBSTITUTION, ErrorCounts, align_words, word_errors

DESIGN_EFFECT = 2.0  # of words within clips; see docs/adapt.md
LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """A word error rate, and between which that of the next as many recordings lies in 95 of 100 cases; 0.05 is 5 %."""

    rate: float
    low: float
    high: float


def measured(references: Sequence[str], hypotheses: Sequence[str]) -> Rate:
    """The rate on clips, and where that on the next as many of the same kind lies."""
    total = ErrorCounts.total(word_errors(references, hypotheses))
    low, high = interval(total.errors, total.reference_length)
    return Rate(total.rate, low, high)


def interval(errors: int, num_words: int) -> tuple[float, float]:
    """Where the rate on as many words more lies, after some errors, of which there may be more than words."""
    if num_words < 1:
        return 0.0, 1.0
    trials = max(round(num_words / DESIGN_EFFECT), 1)
    a = trials * min(errors / num_words, 1) + 0.5
    b = trials - a + 1
    tail = (1 - LEVEL) / 2
    # The chance of at most so many of the next trials, from none to all.
    at_most = list(accumulate(_beta_binomial(wrong, trials, a, b) for wrong in range(trials + 1)))
    low = bisect(at_most, tail)
    high = min(bisect_left(at_most, 1 - tail), trials)
    rate = errors / num_words
    return min(low / trials, rate), max(high / trials, rate)


def expected(before: Rate, held_out: Rate, num_learned: float, num_recordings: int) -> Rate:
    """The rate of the model that learned from all recordings, from that of those that learned from fewer.

    The rate falls along `curve`. The upper bound stays, so that the interval covers a curve that is flat.
    """
    share = curve(before.rate, held_out.rate, num_learned, num_recordings) / max(held_out.rate, 1e-9)
    share = min(share, 1.0) if held_out.rate else 1.0
    return Rate(held_out.rate * share, held_out.low * share, held_out.high)


def curve(before: float, after: float, num_learned: float, num_recordings: float) -> float:
    """The rate that more recordings would bring: before / (1 + n / n0), through what was measured.

    An assumption, not a measurement: a rough guess, the more so beyond twice the recordings.

    Args:
        before: The rate without adaptation.
        after: The rate after learning from `num_learned` recordings.
        num_recordings: For which the rate is wanted.
    """
    if after >= before or after <= 0:
        return after
    return before / (1 + (before / after - 1) * num_recordings / num_learned)


def confusions(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    """What was read for what, and how often: the true word, the one read, the number; most frequent first."""
    pairs = Counter(
        (edit.reference, edit.hypothesis)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
        for edit in align_words(reference, hypothesis)
        if edit.kind == SUBSTITUTION and edit.reference is not None and edit.hypothesis is not None
    )
    return tuple((*pair, count) for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0])))


def _beta_binomial(wrong: int, trials: int, a: float, b: float) -> float:
    """The chance of so many wrong among some trials whose rate has the beta distribution of a and b."""
    return math.comb(trials, wrong) * math.exp(_log_beta(wrong + a, trials - wrong + b) - _log_beta(a, b))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
