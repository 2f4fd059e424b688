"""Whose mouth speaks: how a mouth opens and shuts, and how well that goes with the sound."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import LIP_INNER_BOTTOM, LIP_INNER_TOP, eye_distance, mouth_width
from lipscribe.faces.track import SPEAKS
from lipscribe.footage.sound import ENVELOPE_HZ, stretches
from lipscribe.units import Seconds, seconds_to_frame

LAGS = range(-1, 3)  # frames that the mouth may be late behind the sound
QUIET_DB = 40.0  # below the loudest moment; what is quieter counts as silence
# Correlation. Clips of 3 s of five people of GRID (50, none of a dev split): 80 % have more with their own sound, and
# 42 % with that of another sentence up to half a second earlier or later, the hardest case of a strange voice. Of
# talkers 98 % and 12 %. Mouths at rest have less, and do not move either.
MIN_AGREEMENT = 0.45
CLEARLY = 0.1  # the best face of several agrees by so much more than the next

_SMOOTH: Seconds = 0.2
_MOVING = 0.09  # eye distances a second: talkers at rest show 0.05 at the median, and 0.12 in 5 % of speech
_MIN_SPEECH: Seconds = 0.24
_MIN_PAUSE: Seconds = 0.32  # a mouth stays shut for less in p, b and m
_SCALE = 0.05  # eye distances: how far lips part counts in proportion above this, as in `FaceTrack.motion`


@dataclass(frozen=True, eq=False)
class Mouth:
    """The mouth of one face while it is seen without a break.

    Attributes:
        run: Its frames, without NaN.
    """

    run: FaceTrack

    @cached_property
    def opening(self) -> np.ndarray:
        """How far the lips are parted, on a logarithmic scale in eye distances: (T,) float32."""
        landmarks = self.run.landmarks
        gap = np.linalg.norm(landmarks[:, LIP_INNER_TOP] - landmarks[:, LIP_INNER_BOTTOM], axis=-1)
        return 2 * _SCALE * np.log(_SCALE + gap / np.maximum(eye_distance(landmarks), 1e-6))

    @cached_property
    def speed(self) -> np.ndarray:
        """How fast they part, close, purse and spread, smoothed, eye distances a second: (T,) float32."""
        if len(self.opening) < 5:
            return np.zeros(len(self.opening), np.float32)
        width = mouth_width(self.run.landmarks) / np.maximum(eye_distance(self.run.landmarks), 1e-6)
        changes = sum(np.abs(np.gradient(_mean(shape, 3))) for shape in (self.opening, width))
        return _mean(np.asarray(changes) * self.run.fps, seconds_to_frame(_SMOOTH, self.run.fps) | 1)

    def stretches(self) -> list[tuple[Seconds, Seconds]]:
        """When it moves as in speech: (start, end) in seconds from the video's first frame."""
        fps, begin = self.run.fps, self.run.start / self.run.fps
        found = stretches(self.speed > _MOVING, fps, _MIN_SPEECH, _MIN_PAUSE)
        return [(begin + start, begin + end) for start, end in found]

    def part(self, start: Seconds, end: Seconds) -> FaceTrack:
        """The frames from `start` to `end`, as far as the mouth is seen."""
        first, stop = self._frames(start, end)
        cuts = tuple(cut - first for cut in self.run.cuts if first < cut < stop)
        return replace(self.run, start=self.run.start + first, landmarks=self.run.landmarks[first:stop], cuts=cuts)

    def covers(self, start: Seconds, end: Seconds) -> bool:
        """Whether it is seen from `start` to `end`, but for a frame."""
        slack = 1.0 / self.run.fps
        return self.run.start / self.run.fps <= start + slack and self.run.stop / self.run.fps >= end - slack

    def overlaps(self, start: Seconds, end: Seconds) -> bool:
        """Whether it is seen in any of that time."""
        return self.run.start / self.run.fps < end and self.run.stop / self.run.fps > start

    def motion(self, start: Seconds, end: Seconds) -> float:
        """`FaceTrack.motion` of that time."""
        return self.part(start, end).motion

    def speaks(self, start: Seconds, end: Seconds) -> bool:
        """Whether it moves as much as in speech."""
        return self.motion(start, end) > SPEAKS

    def agreement(self, levels: np.ndarray, start: Seconds, end: Seconds) -> float:
        """How well the mouth opens when the sound is loud: the correlation of the two, -1 to 1, at the best lag.

        Args:
            levels: (T,) decibels at 100 Hz, from the video's first frame on; see `envelope`.
        """
        first, stop = self._frames(start, end)
        opening = self.opening[first:stop]
        times = (np.arange(first, stop) + 0.5 + self.run.start) / self.run.fps
        best = -1.0
        for lag in LAGS:
            at = (times - lag / self.run.fps) * ENVELOPE_HZ
            inside = (at >= 0) & (at < len(levels) - 1)
            loud = np.interp(at[inside], np.arange(len(levels)), _mean(levels, 4))
            best = max(best, _correlation(opening[inside], np.maximum(loud, loud.max(initial=-200.0) - QUIET_DB)))
        return best

    def _frames(self, start: Seconds, end: Seconds) -> tuple[int, int]:
        first = max(seconds_to_frame(max(start, 0), self.run.fps) - self.run.start, 0)
        return first, max(min(seconds_to_frame(max(end, 0), self.run.fps), self.run.stop) - self.run.start, first)


def _mean(values: np.ndarray, width: int) -> np.ndarray:
    """The running mean over `width` values, of one length with them."""
    before = (width - 1) // 2
    padded = np.pad(values, (before, width - 1 - before), mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), "valid").astype(np.float32)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 8:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 1e-9 else 0.0
