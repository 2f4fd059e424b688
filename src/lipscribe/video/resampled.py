"""Frames of one steady rate as frames of another."""

from collections.abc import Iterable, Iterator
from numbers import Real

import numpy as np

from lipscribe.errors import ConfigError

MAX_FPS = 1000  # as of a `Video`


class Resampled:
    """Frames at another rate: for each new frame the old one that is nearest in time. Can be read again and again.

    Args:
        frames: At `fps` frames a second.
        fps: Above 0.
        new_fps: The rate that is wanted.

    Raises:
        ConfigError: `fps` is not a number above 0 and up to 1000.
    """

    def __init__(self, frames: Iterable[np.ndarray], fps: float, new_fps: float):
        if not isinstance(fps, Real) or isinstance(fps, bool) or not 0 < fps <= MAX_FPS:
            raise ConfigError(f"fps is {fps!r}, want the frames' rate, a number above 0 and up to {MAX_FPS}")
        self.frames, self.fps, self.new_fps = frames, fps, new_fps

    def __iter__(self) -> Iterator[np.ndarray]:
        """The new frames: each stays on screen from half an old frame before its time to half a frame after it."""
        ticks = 0
        for index, frame in enumerate(self.frames):
            while round(ticks * self.fps / self.new_fps) <= index:
                yield frame
                ticks += 1
