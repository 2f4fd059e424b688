"""What few clips tell about a rate, and how it goes on with more."""

import numpy as np
import pytest

from lipscribe.adaptation.estimate import DESIGN_EFFECT, Rate, confusions, curve, expected, interval, measured


@pytest.mark.parametrize(("errors", "words"), [(0, 30), (3, 30), (12, 60), (30, 60), (59, 60)])
def test_the_interval_is_where_the_counts_become_unlikely(errors: int, words: int):
    """By summing the binomial distribution itself, on counts that the design effect leaves whole."""
    from math import comb

    errors, words = errors * 2, words * 2
    low, high = interval(errors, words)
    count, trials = int(errors / DESIGN_EFFECT), int(words / DESIGN_EFFECT)

    def at_most(most: int, rate: float) -> float:
        return sum(comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(most + 1))

    assert at_most(count, high) == pytest.approx(0.025, rel=1e-6)
    if errors:
        assert 1 - at_most(count - 1, low) == pytest.approx(0.025, rel=1e-6)
    else:
        assert low == 0
    assert low <= errors / words <= high


def test_the_interval_of_everything_wrong_and_more():
    assert interval(30, 30)[1] == 1
    assert interval(36, 30)[1] == pytest.approx(1.2)  # insertions
    assert interval(0, 0) == (0, 1)


def test_the_interval_holds_for_words_that_are_wrong_together():
    """Clips of six words, all wrong or right with a chance of a third, otherwise each word alone."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        rate = rng.uniform(0.02, 0.4)
        together = rng.random(5) < 0.2
        wrong = np.where(together[:, None], (rng.random(5) < rate)[:, None], rng.random((5, 6)) < rate)
        low, high = interval(int(wrong.sum()), 30)
        covered += low <= rate <= high
    assert covered >= 0.95 * 400


def test_the_curve_goes_through_what_was_measured():
    assert curve(0.7, 0.2, 4, 4) == pytest.approx(0.2)
    assert curve(0.7, 0.2, 4, 0) == 0.7
    assert 0.1 < curve(0.7, 0.2, 4, 8) < 0.2
    assert curve(0.2, 0.3, 4, 8) == 0.3  # nothing was learned
    assert curve(0.2, 0.0, 4, 8) == 0


def test_the_expected_rate_keeps_the_upper_bound():
    before, held_out = Rate(0.7, 0.5, 0.8), Rate(0.2, 0.1, 0.4)
    after = expected(before, held_out, 4, 5)
    assert after.rate == pytest.approx(curve(0.7, 0.2, 4, 5))
    assert after.low < held_out.low
    assert after.high == held_out.high
    assert expected(before, Rate(0.0, 0.0, 0.2), 4, 5) == Rate(0.0, 0.0, 0.2)


def test_rates_and_confusions():
    said, read = ["bin blue", "lay red", "set red"], ["bin blue", "lay white", "bin white"]
    assert measured(said, read).rate == pytest.approx(3 / 6)
    assert confusions(said, read) == (("red", "white", 2), ("set", "bin", 1))
