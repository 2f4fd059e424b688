"""What few clips tell about a rate, and how it goes on with more."""

import numpy as np
import pytest

from lipscribe.adaptation.estimate import DESIGN_EFFECT, Rate, confusions, curve, expected, interval, measured


@pytest.mark.parametrize(("errors", "words"), [(0, 30), (4, 30), (12, 60), (30, 60), (58, 60)])
def test_the_interval_is_where_the_next_words_lie(errors: int, words: int):
    """By drawing rates after what was counted, and as many trials of each."""
    trials = int(words / DESIGN_EFFECT)
    rng = np.random.default_rng(0)
    rates = rng.beta(errors / DESIGN_EFFECT + 0.5, trials - errors / DESIGN_EFFECT + 0.5, 200_000)
    next_rates = rng.binomial(trials, rates) / trials
    low, high = interval(errors, words)
    assert (next_rates < low).mean() < 0.026
    assert (next_rates > high).mean() < 0.026
    assert (next_rates <= low).mean() > 0.024  # no wider than it must be
    assert (next_rates >= high).mean() > 0.024
    assert low <= errors / words <= high


def test_the_interval_of_everything_wrong_and_more():
    assert interval(30, 30)[1] == 1
    assert interval(36, 30)[1] == pytest.approx(1.2)  # insertions
    assert interval(0, 0) == (0, 1)


@pytest.mark.parametrize("num_clips", [5, 10, 15])
def test_the_next_recordings_lie_in_the_interval_though_words_are_wrong_together(num_clips: int):
    """Clips of six words, all wrong or right with a chance of a fifth, otherwise each word alone."""
    rng, covered = np.random.default_rng(0), 0

    def wrong(rate: float) -> int:
        together = rng.random(num_clips) < 0.2
        each = rng.random((num_clips, 6)) < rate
        return int(np.where(together[:, None], (rng.random(num_clips) < rate)[:, None], each).sum())

    for _ in range(400):
        rate = rng.uniform(0.02, 0.4)
        low, high = interval(wrong(rate), 6 * num_clips)
        covered += low <= wrong(rate) / (6 * num_clips) <= high
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
