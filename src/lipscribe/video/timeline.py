"""When each picture of a file is shown, and which of them is on screen at each tick of a steady clock."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from lipscribe.units import Seconds

MAX_GAP = 60.0  # s: a longer hole between two pictures is a damaged time stamp, not a picture that stayed on screen.
MAX_STEP_BACK = 0.2  # s: a stamp that goes further back is a clock that was set anew (joined files), not disorder.
MAX_STUCK = 8  # pictures in a row whose stamps don't advance, after which stamps are no longer believed.
STILL = 0.25  # s: a picture that stays longer is held until the next is due; under it, the nearer of the two is shown.
END_SLACK = 0.002  # s: containers that round to the millisecond may end that much late; no frame is made of it.

Picture = TypeVar("Picture")


class Timeline:
    """Turns the time stamps of a file, which may be missing or wrong, into seconds from its first picture.

    Args:
        interval: Seconds between two pictures, used wherever the file doesn't say.
    """

    def __init__(self, interval: Seconds):
        self.end: Seconds = 0.0  # when the picture placed last goes off the screen
        self.skipped: Seconds = 0.0  # sum of the jumps in the stamps that were not believed
        self._interval = interval
        self._origin: Seconds | None = None  # the stamp that stands for 0 s
        self._last: Seconds | None = None
        self._num_placed = 0
        self._num_missing = 0
        self._num_stuck = 0
        self._jumps: list[tuple[Seconds, Seconds]] = []  # (where, by how much)

    def place(self, stamp: Seconds | None, duration: Seconds | None = None) -> tuple[Seconds, Seconds]:
        """Start and end of the next picture, in seconds; it never starts before the picture placed last.

        Args:
            stamp: The picture's time in the file, None where it has none.
            duration: How long the file says that the picture stays, None where it doesn't say.
        """
        self._num_placed += 1
        if stamp is None:
            self._num_missing += 1
        if self._last is None:
            self._origin, start = stamp, 0.0
        elif stamp is None or self._num_stuck > MAX_STUCK:
            start = self._last + self._interval
        else:
            start = self._follow(stamp, self._last)
        self._last = start
        self.end = start + (min(duration, MAX_GAP) if duration else self._interval)
        return start, self.end

    def _follow(self, stamp: Seconds, last: Seconds) -> Seconds:
        expected = last + self._interval
        if self._origin is None:
            self._origin = stamp - expected
        start = stamp - self._origin
        if not -MAX_STEP_BACK <= start - last <= MAX_GAP:
            self._jumps.append((last, start - last))
            self.skipped += start - expected
            self._origin = stamp - expected
            return expected
        self._num_stuck = 0 if start > last else self._num_stuck + 1
        return max(start, last)

    def warnings(self) -> list[str]:
        """What was wrong with the time stamps placed so far, in words."""
        rate = f"{1 / self._interval:.4g} pictures a second were assumed"
        found = []
        if self._num_missing == self._num_placed:
            found.append(f"no time stamps: {rate}; if speech is read too fast or too slowly, re-encode the file")
        if self._num_stuck > MAX_STUCK:
            found.append(f"time stamps stand still: {rate} from there on")
        if self._jumps:
            where, step = self._jumps[0]
            found.append(
                f"time stamps jump {len(self._jumps)} times, first by {step:+.4g} s at {where:.2f} s: "
                "what follows was joined on without a gap, so later times may differ from the player's"
            )
        return found


def resample(pictures: Iterable[tuple[Seconds, Seconds, Picture]], fps: float) -> Iterator[Picture]:
    """Yields, for i = 0, 1, ..., the picture nearest in time to `i / fps`, as long as `i / fps` is before the end.

    Halfway between two pictures the later is taken. A picture that stays longer than `STILL` is held until half a
    frame before the next, lest the next be seen long before it happened.

    Args:
        pictures: (start, end, picture), from start 0 and never falling; the last one's end is the end of the video.
        fps: Rate of the output, in Hz.
    """
    num_frames = 0
    shown: tuple[Seconds, Seconds, Picture] | None = None
    for start, end, picture in pictures:
        if shown is not None:
            gap = start - shown[0]
            change = start - (gap / 2 if gap <= STILL else 0.5 / fps)
            while (
                num_frames / fps < change - 1e-9
            ):  # a nanosecond: over the rounding of floats, under any true difference
                yield shown[2]
                num_frames += 1
        shown = (start, end, picture)
    while shown is not None and (num_frames == 0 or num_frames / fps < shown[1] - END_SLACK):
        yield shown[2]
        num_frames += 1
