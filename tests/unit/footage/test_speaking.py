"""Whose mouth speaks, on mouths made of numbers."""

import numpy as np
import pytest

from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.footage.sound import ENVELOPE_HZ
from lipscribe.footage.speaking import MIN_AGREEMENT, Mouth

FPS = 25.0


def mouth(gaps: np.ndarray, start: int = 0) -> Mouth:
    """A face whose inner lips are so far apart, in eye distances: (T,)."""
    points = np.zeros((len(gaps), lm.NUM_LANDMARKS, 2), np.float32)
    points[:, lm.EYE_CORNERS_RIGHT] = (-30, 0)
    points[:, lm.EYE_CORNERS_LEFT] = (30, 0)
    points[:, lm.MOUTH_RIGHT], points[:, lm.MOUTH_LEFT] = (-20, 50), (20, 50)
    points[:, lm.LIP_INNER_TOP] = (0, 50)
    points[:, lm.LIP_INNER_BOTTOM, 1] = 50 + 60 * gaps
    return Mouth(FaceTrack(0, 0, start, points, FPS))


def syllables(seconds: float, hertz: float, seed: int = 0) -> np.ndarray:
    """How open a mouth is that speaks so many syllables a second, at 100 Hz: (T,) 0 to 1."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * ENVELOPE_HZ)) / ENVELOPE_HZ
    phase = (
        np.cumsum(
            hertz
            * (
                1
                + 0.6
                * np.interp(
                    times, np.arange(0, seconds + 1, 0.3), rng.uniform(-1, 1, len(np.arange(0, seconds + 1, 0.3)))
                )
            )
        )
        / ENVELOPE_HZ
    )
    return np.clip(np.sin(2 * np.pi * phase), 0, 1)


OPEN = syllables(6, 3.0)
LEVELS = (-60 + 40 * OPEN).astype(np.float32)  # dB


def test_a_mouth_that_opens_with_the_sound_agrees() -> None:
    assert mouth(0.3 * OPEN[2::4]).agreement(LEVELS, 0.5, 5.5) > 0.9


@pytest.mark.parametrize("late", [1, 2])
def test_a_mouth_that_is_a_little_late_agrees(late: int) -> None:
    shown = np.concatenate([np.zeros(late), 0.3 * OPEN[2::4]])[: len(OPEN) // 4]
    assert mouth(shown).agreement(LEVELS, 0.5, 5.5) > 0.9


def test_a_mouth_that_says_something_else_does_not() -> None:
    other = syllables(6, 2.3, seed=5)
    assert mouth(0.3 * other[::4]).agreement(LEVELS, 0.5, 5.5) < MIN_AGREEMENT


def test_times_count_from_the_first_frame_of_the_video() -> None:
    later = mouth(0.3 * OPEN[2::4][50:], start=50)
    assert later.agreement(LEVELS, 2.5, 5.5) > 0.9
    assert later.covers(2.0, 6.0)
    assert not later.covers(1.5, 3.0)
    assert later.overlaps(1.5, 2.5)
    assert not later.overlaps(0.0, 2.0)
    part = later.part(3.0, 4.0)
    assert (part.start, len(part.landmarks)) == (75, 25)


def test_stretches_are_where_it_moves() -> None:
    gaps = np.concatenate([np.full(50, 0.02), 0.3 * OPEN[2::4][:75], np.full(50, 0.02)])
    ((start, end),) = mouth(gaps).stretches()
    assert start == pytest.approx(2.0, abs=0.2)
    assert end == pytest.approx(5.0, abs=0.25)


def test_a_still_mouth_never_speaks() -> None:
    still = mouth(0.02 + 0.001 * np.random.default_rng(0).standard_normal(150))
    assert still.stretches() == []
    assert not still.speaks(0, 6)
    assert mouth(0.3 * OPEN[2::4]).speaks(0, 6)


@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_glimpse_of_a_face_agrees_with_nothing(num_frames: int) -> None:
    short = mouth(0.3 * OPEN[2::4][:num_frames])
    assert short.agreement(LEVELS, 0, 1) <= 0
    assert short.stretches() == []
    assert not short.speaks(0, 1)
