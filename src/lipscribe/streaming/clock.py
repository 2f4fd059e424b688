"""Frames as a camera takes them, at any moments -> frames at the model's rate."""

import math
from collections.abc import Iterator
from typing import Generic, TypeVar

from lipscribe.errors import ConfigError
from lipscribe.units import Seconds, frame_to_seconds

Frame = TypeVar("Frame")

MAX_GAP: Seconds = 0.5  # without a frame for longer than this, what comes next is a new beginning


class Clock(Generic[Frame]):
    """Takes frames with their capture times, and gives for each tick of a steady rate the frame nearest in time.

    The first frame is on a tick. A tick is given as soon as a frame at or after its time is there, so a camera with the
    model's rate is not delayed.

    Args:
        fps: Ticks a second.
    """

    def __init__(self, fps: float):
        self._fps = fps
        self._latest: tuple[Seconds, Frame] | None = None
        self._start: Seconds = 0.0
        self._ticks = 0  # given since `_start`

    def add(self, frame: Frame, time: Seconds) -> tuple[bool, list[tuple[Seconds, Frame]]]:
        """Takes the next frame.

        Args:
            time: When it was captured, in seconds from any beginning.

        Returns:
            Whether there is a gap before it, which ends what came before; and the time and frame of each tick.

        Raises:
            ConfigError: The time is not a finite number, or not later than that of the frame before.
        """
        if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
            raise ConfigError(f"time is {time!r}, wanted the frame's capture time in seconds")
        before, self._latest = self._latest, (time, frame)
        if before is not None and time <= before[0]:
            self._latest = before
            raise ConfigError(
                f"time is {time:.3f} s after a frame of {before[0]:.3f} s: want capture times that increase"
            )
        gap = before is not None and time - before[0] > MAX_GAP
        if before is None or gap:
            self._start, self._ticks = time, 0
        return gap, list(self._due(before if not gap else None, time, frame))

    def _due(
        self, before: tuple[Seconds, Frame] | None, time: Seconds, frame: Frame
    ) -> Iterator[tuple[Seconds, Frame]]:
        # A thousandth of a frame is the rounding of times that come as fractions of milliseconds.
        while (tick := self._start + frame_to_seconds(self._ticks, self._fps)) <= time + 0.001 / self._fps:
            nearer = before is not None and tick - before[0] < time - tick
            yield tick, before[1] if nearer and before is not None else frame
            self._ticks += 1
