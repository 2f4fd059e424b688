"""Temperatures of planted doubts are found again."""

import numpy as np
import pytest

from lipscribe.errors import LipscribeError
from lipscribe.evaluation.result import Reading
from lipscribe.evaluation.temperature import fit_temperature
from lipscribe.search.confidence import calibrated
from lipscribe.search.hypothesis import Hypothesis, WordSpan


def readings(temperature: float, num_clips: int = 400, seed: int = 0) -> list[Reading]:
    """Clips of ten words that are right as often as they say, their log odds then multiplied by a temperature."""
    rng = np.random.default_rng(seed)
    made = []
    for clip in range(num_clips):
        honest = rng.uniform(0.3, 0.98, size=10)
        right = rng.uniform(size=10) < honest
        odds = (honest / (1 - honest)) ** temperature
        said = " ".join("a" if is_right else "b" for is_right in right)
        made.append(Reading(str(clip), "a " * 10, said, tuple((odds / (1 + odds)).tolist())))
    return made


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found(temperature):
    fit = fit_temperature(readings(temperature))
    assert fit.temperature == pytest.approx(temperature, rel=0.1)
    assert fit.num_words == 4000
    assert fit.after < 0.03
    assert (fit.before > 0.06) == (temperature != 1.0)


def test_it_is_the_temperature_that_searches_apply():
    fit = fit_temperature(readings(2.0))
    word = WordSpan("a", 0, 1, 0.98)
    soft = calibrated(Hypothesis((), "a", 0.0, 1.0, (), (word,)), fit.temperature).words[0].probability
    assert soft == pytest.approx(1 / (1 + (0.02 / 0.98) ** (1 / fit.temperature)))


def test_where_there_is_nothing_to_fit():
    with pytest.raises(LipscribeError, match=r"40 words were read, too few .*: want at least 50"):
        fit_temperature(readings(1.0, num_clips=4))
    sure = [Reading("a", "a " * 60, "a " * 60, (0.9,) * 60)]
    with pytest.raises(LipscribeError, match="all 60 words are right, which fits any temperature"):
        fit_temperature(sure)
    with pytest.raises(LipscribeError, match="all 60 words are wrong"):
        fit_temperature([Reading("a", "a " * 60, "b " * 60, (0.9,) * 60)])


def test_one_clip_is_not_enough():
    said = "a " * 60 + "b " * 20
    with pytest.raises(LipscribeError, match="want several clips with words"):
        fit_temperature([Reading("a", "a " * 80, said, (0.7,) * 80)])
