"""Time stamps, good and bad, to frames on a steady clock: pictures are plain integers here."""

from collections.abc import Sequence

import numpy as np
import pytest

from lipscribe.video.timeline import MAX_GAP, MAX_STUCK, Timeline, resample

INTERVAL = 0.04


def starts_of(stamps: Sequence[float | None], timeline: Timeline | None = None) -> list[float]:
    timeline = timeline or Timeline(INTERVAL)
    return [timeline.place(stamp)[0] for stamp in stamps]


def resampled(starts: Sequence[float], end: float, fps: float = 25) -> list[int]:
    ends = [*starts[1:], end]
    return list(resample(zip(starts, ends, range(len(starts)), strict=True), fps))


@pytest.mark.parametrize("seed", range(20))
def test_resample_agrees_with_brute_force(seed):
    random = np.random.default_rng(seed)
    starts = [0.0, *np.cumsum(random.uniform(0.001, 0.25, 80)).tolist()]
    fps = random.choice([12.5, 25, 29.97, 100])
    end = starts[-1] + 0.1
    ticks = np.arange(int(end * fps) + 2) / fps
    ticks = ticks[ticks < end - 0.002]
    nearest = np.abs(ticks[:, None] - np.array(starts)).argmin(axis=1)
    assert resampled(starts, end, fps) == nearest.tolist()


def test_halfway_the_later_picture_is_taken():
    assert resampled([0, 0.08, 0.16], 0.24) == [0, 1, 1, 2, 2, 2]


def test_one_picture_however_short_makes_one_frame():
    assert resampled([0], 0.0001) == [0]
    assert resampled([0], 0.1) == [0, 0, 0]
    assert list(resample([], 25)) == []


def test_no_frame_is_made_of_what_rounding_adds_to_the_end():
    assert len(resampled([0, 1.0], 3.001)) == 75
    assert len(resampled([0, 1.0], 3.003)) == 76  # 90 pictures at 29.97: the 76th tick is at 3.000 s


def test_a_long_stay_is_held_not_halved():
    assert resampled([0, 2.0], 2.04) == [0] * 50 + [1]


def test_of_pictures_at_one_time_the_last_is_shown():
    assert resampled([0, 0, 0.04, 0.04, 0.08], 0.12) == [1, 3, 4]


def test_timeline_starts_at_the_first_stamp():
    assert starts_of([-1.0, -0.96, -0.5]) == pytest.approx([0, 0.04, 0.5])


def test_missing_stamps_are_filled_in_without_drift():
    timeline = Timeline(INTERVAL)
    assert starts_of([7.0, None, None, 7.12, 7.2], timeline) == pytest.approx([0, 0.04, 0.08, 0.12, 0.2])
    assert timeline.warnings() == []


def test_stamps_that_begin_late_are_joined_on():
    assert starts_of([None, None, 7.0, 7.1]) == pytest.approx([0, 0.04, 0.08, 0.18])


def test_without_any_stamp_the_rate_is_assumed_and_told():
    timeline = Timeline(INTERVAL)
    assert starts_of([None] * 4, timeline) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert timeline.end == pytest.approx(0.16)
    assert "no time stamps: 25 pictures a second were assumed" in timeline.warnings()[0]


def test_small_disorder_never_goes_back_and_never_drifts():
    timeline = Timeline(INTERVAL)
    assert starts_of([0, 0.08, 0.04, 0.08, 0.16, 0.2], timeline) == pytest.approx([0, 0.08, 0.08, 0.08, 0.16, 0.2])
    assert timeline.warnings() == []


def test_stamps_that_stand_still_lose_no_more_than_a_few_pictures():
    timeline = Timeline(INTERVAL)
    starts = starts_of([5.0] * 100, timeline)
    assert len(set(starts)) >= 100 - MAX_STUCK - 1
    assert "stand still" in timeline.warnings()[0]


@pytest.mark.parametrize("jump", [MAX_GAP + 1, 36_000.0, -0.5, -36_000.0])
def test_a_jump_is_joined_on_and_told(jump):
    timeline = Timeline(INTERVAL)
    assert starts_of([0, 0.04, 0.08 + jump, 0.12 + jump], timeline) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert timeline.skipped == pytest.approx(jump)
    assert f"first by {jump + INTERVAL:+.4g} s at 0.04 s" in timeline.warnings()[0]


def test_a_gap_that_may_be_true_is_kept():
    assert starts_of([0, MAX_GAP - 1]) == [0, MAX_GAP - 1]


def test_end_of_a_picture():
    timeline = Timeline(INTERVAL)
    assert timeline.place(0.0) == (0, INTERVAL)
    assert timeline.place(1.0, duration=0.5) == (1, 1.5)
    assert timeline.place(2.0, duration=0.0) == (2, 2 + INTERVAL)
    assert timeline.place(3.0, duration=1e9)[1] == 3 + MAX_GAP
