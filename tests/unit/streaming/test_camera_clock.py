"""Frames at a steady rate from frames at any."""

import math

import numpy as np
import pytest

from lipscribe.errors import ConfigError
from lipscribe.streaming.clock import MAX_GAP, Clock


def given(times: list[float], fps: float = 25) -> tuple[list[tuple[float, int]], list[int]]:
    """Ticks with the index of the frame shown, and the indices before which there is a gap."""
    clock: Clock[int] = Clock(fps)
    ticks, gaps = [], []
    for index, time in enumerate(times):
        gap, due = clock.add(index, time)
        ticks += due
        gaps += [index] * gap
    return ticks, gaps


@pytest.mark.parametrize("start", [0.0, 7.1, 1e6])
def test_frames_at_the_models_rate_are_the_same_frames_and_none_waits(start: float):
    clock: Clock[int] = Clock(25)
    for index in range(2000):
        gap, due = clock.add(index, start + index / 25)
        assert not gap
        assert [frame for _, frame in due] == [index]
        assert due[0][0] == pytest.approx(start + index / 25)


def test_times_rounded_to_milliseconds_are_no_other_rate():
    ticks, _ = given([round(idx / 30, 3) for idx in range(300)], fps=30)
    assert [frame for _, frame in ticks] == list(range(300))


@pytest.mark.parametrize("rate", [30, 29.97, 60, 15, 12.5, 10, 24])
def test_another_rate_gives_each_tick_the_nearest_frame(rate: float):
    times = [5 + idx / rate for idx in range(round(4 * rate) + 1)]
    ticks, gaps = given(times)
    assert not gaps
    np.testing.assert_allclose([tick for tick, _ in ticks], 5 + np.arange(len(ticks)) / 25)
    assert ticks[-1][0] > times[-1] - 1 / 25  # none is left out
    for tick, frame in ticks:
        assert abs(times[frame] - tick) <= min(abs(time - tick) for time in times) + 1e-3 / 25


def test_irregular_frames_give_each_tick_the_nearest_frame():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.005, 0.12, 400)).tolist()
    ticks, gaps = given(times)
    assert not gaps
    assert np.diff([tick for tick, _ in ticks]).max() == pytest.approx(1 / 25)
    for tick, frame in ticks:
        assert abs(times[frame] - tick) <= min(abs(time - tick) for time in times) + 1e-3 / 25


def test_a_tick_is_given_with_the_first_frame_that_is_not_before_it():
    clock: Clock[str] = Clock(25)
    assert clock.add("a", 0.0) == (False, [(0.0, "a")])
    assert clock.add("b", 0.035) == (False, [])
    assert clock.add("c", 0.065) == (False, [(0.04, "b")])


def test_after_a_gap_the_ticks_begin_again_at_the_frame():
    ticks, gaps = given([0.0, 0.04, 0.05 + MAX_GAP, 0.09 + MAX_GAP])
    assert gaps == [2]
    assert [tick for tick, _ in ticks] == pytest.approx([0, 0.04, 0.05 + MAX_GAP, 0.09 + MAX_GAP])
    assert given([0.0, 0.4])[1] == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf, None, "1", True])
def test_a_time_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="wanted the frame's capture time in seconds"):
        Clock(25).add("a", wrong)


@pytest.mark.parametrize("again", [1.0, 0.9])
def test_times_that_do_not_increase_are_refused_and_change_nothing(again: float):
    clock: Clock[str] = Clock(25)
    clock.add("a", 1.0)
    with pytest.raises(ConfigError, match="want capture times that increase"):
        clock.add("b", again)
    assert clock.add("c", 1.04) == (False, [(pytest.approx(1.04), "c")])


def test_times_of_numpy_are_numbers():
    assert Clock(25).add("a", np.float32(0.5))[1] == [(0.5, "a")]
