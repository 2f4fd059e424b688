"""What a model adapted to a person will get wrong, from what was read in clips that it did not learn from.

Few clips tell little, and the interval says so. Words of one clip are right or wrong together more often than chance,
so they count as fewer: `DESIGN_EFFECT` words of a clip tell as much as one that stands alone. The interval is Clopper's
and Pearson's (Biometrika, 1934) for that many words, which is wider than a bootstrap, and holds for no error at all.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lipscribe.metrics import SUBSTITUTION, ErrorCounts, align_words, word_errors

DESIGN_EFFECT = 2.0  # of words within clips; see docs/adapt.md
LEVEL = 0.95
BISECTIONS = 60


@dataclass(frozen=True)
class Rate:
    """A word error rate and between which it lies by a 95 % interval; 0.05 is 5 %."""

    rate: float
    low: float
    high: float


def measured(references: Sequence[str], hypotheses: Sequence[str]) -> Rate:
    """The rate on clips, and where the rate on many more of the same kind lies."""
    total = ErrorCounts.total(word_errors(references, hypotheses))
    low, high = interval(total.errors, total.reference_length)
    return Rate(total.rate, low, high)


def interval(errors: int, num_words: int) -> tuple[float, float]:
    """The interval of a rate with some errors among some words, which may be more than the words."""
    trials = max(num_words / DESIGN_EFFECT, 1e-9)
    wrong = min(errors / DESIGN_EFFECT, trials)
    tail = (1 - LEVEL) / 2
    low = 0.0 if wrong <= 0 else _beta_quantile(tail, wrong, trials - wrong + 1)
    high = 1.0 if wrong >= trials else _beta_quantile(1 - tail, wrong + 1, trials - wrong)
    return low, max(high, errors / max(num_words, 1))


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


def _beta_quantile(share: float, a: float, b: float) -> float:
    """The quantile of a beta distribution, by bisection of its distribution function."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _beta_cdf(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_cdf(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, c, d = 1.0, 1.0, 0.0
    for i in range(200):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        fraction *= c * d
        if abs(1 - c * d) < 1e-12:
            break
    return front * (fraction - 1)
