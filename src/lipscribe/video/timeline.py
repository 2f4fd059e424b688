"""When each picture of a file is shown, and which of them is on screen at each tick of a steady clock."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from lipscribe.units import Seconds

MAX_GAP = 60.0  # s: a longer hole between two pictures is a damaged time stamp, unless the file's length confirms it.
CONFIRM_SLACK = 2.0  # s: how far a picture after such a hole may lie beyond the length that confirms it.
MAX_HOLES = 3 * 3600.0  # s: more holes in sum are damaged stamps, even if the length confirms them; frames fill each.
MAX_HOLD = 5.0  # s: a picture that stays longer is no video any more (the camera is off), and nothing can be read.
MAX_STEP_BACK = 0.2  # s: a time stamp that goes further back is a reset clock (joined files), not reordering.
MAX_STUCK = 8  # pictures in a row whose stamps don't advance, after which stamps are no longer believed.
STILL = 0.25  # s: a picture that stays longer is held until the next is due; under it, the nearer of the two is shown.
END_SLACK = 0.002  # s: containers that round to the millisecond may end that much late; no frame is made of it.

Picture = TypeVar("Picture")


class Timeline:
    """Turns the time stamps of a file, which may be missing or wrong, into seconds from the file's start.

    Args:
        interval: Seconds between two pictures, used wherever the file doesn't say.
        origin: The stamp that stands for 0 s; None if nobody knows it.
        first: When the first picture is shown, if it has no stamp or there is no `origin`.
        until: When the file ends by its own account, which confirms long gaps; None if it doesn't say.
        since: What lies before is not read, and no hole.
    """

    def __init__(
        self,
        interval: Seconds,
        origin: Seconds | None = None,
        first: Seconds = 0.0,
        until: Seconds | None = None,
        since: Seconds = 0.0,
    ):
        self.end: Seconds = 0.0  # when the picture placed last goes off the screen
        self.skipped: Seconds = 0.0  # sum of the jumps in the stamps that were not believed
        self._interval = interval
        self._origin = origin
        self._first = first
        self._until = until
        self._since = since
        self._last: Seconds | None = None
        self._in_holes: Seconds = 0.0  # sum of those that were believed
        self._num_placed = 0
        self._num_missing = 0
        self._num_stuck = 0
        self._num_stray = 0
        self._jumps: list[tuple[Seconds, Seconds]] = []  # (where, by how much)
        self._holes: list[tuple[Seconds, Seconds]] = []  # (from, to): believed, without a new picture for long

    def place(
        self, stamp: Seconds | None, duration: Seconds | None = None, following: Seconds | None = None
    ) -> tuple[Seconds, Seconds]:
        """Start and end of the next picture, in seconds; it never starts before the picture placed last.

        Args:
            stamp: The picture's time in the file, None where it has none.
            duration: How long the file says that the picture stays, None where it doesn't say.
            following: The stamp of the picture after it, None where there is none: a damaged stamp is told from a gap
                by it.
        """
        self._num_placed += 1
        if self._is_stray(stamp, following):
            self._num_stray += 1
            stamp = None
        elif stamp is None:
            self._num_missing += 1
        if self._last is None:
            start = self._begin(stamp)
        elif stamp is None or self._num_stuck > MAX_STUCK:
            start = self._last + self._interval
        else:
            start = self._follow(stamp, self._last)
        before = max(self._last or 0.0, self._since)
        if start - before > MAX_HOLD:
            self._holes.append((before, start))
            self._in_holes += start - before
        self._last = start
        self.end = start + (min(duration, MAX_GAP) if duration else self._interval)
        return start, self.end

    def _is_stray(self, stamp: Seconds | None, following: Seconds | None) -> bool:
        """Whether the next picture goes on where this one, far away, does not."""
        if stamp is None or following is None or self._origin is None or self._last is None:
            return False
        step, next_step = stamp - self._origin - self._last, following - self._origin - self._last
        return not -MAX_STEP_BACK <= step <= MAX_HOLD and -MAX_STEP_BACK <= next_step <= MAX_HOLD

    def _begin(self, stamp: Seconds | None) -> Seconds:
        """When the first picture is shown."""
        if stamp is None:
            self._origin = None  # set by the first stamp, which follows what had none
            return self._first if self._believed(self._first, 0.0) else 0.0
        if self._origin is None:
            self._origin = stamp - self._first
        elif not self._believed(stamp - self._origin, 0.0):
            self._origin = stamp
        return max(stamp - self._origin, 0.0)

    def _follow(self, stamp: Seconds, last: Seconds) -> Seconds:
        expected = last + self._interval
        if self._origin is None:
            self._origin = stamp - expected
        start = stamp - self._origin
        if not self._believed(start, last):
            self._jumps.append((last, start - last))
            self.skipped += start - expected
            self._origin = stamp - expected
            return expected
        self._num_stuck = 0 if start > last else self._num_stuck + 1
        return max(start, last)

    def _believed(self, start: Seconds, last: Seconds) -> bool:
        """Whether a picture may follow one at `last`."""
        hole = start - max(last, self._since)
        if hole > MAX_HOLD and self._in_holes + hole > MAX_HOLES:
            return False
        if start - last <= MAX_GAP:
            return start - last >= -MAX_STEP_BACK
        return self._until is not None and start <= self._until + CONFIRM_SLACK

    def warnings(self) -> list[str]:
        """What was wrong with the time stamps placed so far, in words."""
        rate = f"{1 / self._interval:.4g} pictures a second were assumed"
        found = []
        if self._num_missing == self._num_placed:
            found.append(f"no time stamps: {rate}; if speech is read too fast or too slowly, re-encode the file")
        if self._num_stray:
            found.append(f"damaged time stamps: {self._num_stray} pictures were placed after those before them")
        if self._num_stuck > MAX_STUCK:
            found.append(f"time stamps stand still: {rate} from there on")
        if self._jumps:
            where, step = self._jumps[0]
            found.append(
                f"time stamps jump {len(self._jumps)} times, first by {step:+.4g} s at {where:.2f} s: "
                "what follows was joined on without a gap, so later times may differ from the player's"
            )
        if self._holes:
            start, stop = self._holes[0]
            found.append(
                f"no new picture for long, {len(self._holes)} times, first from {start:.2f} to {stop:.2f} s: "
                "nothing can be read there"
            )
        return found


def resample(
    pictures: Iterable[tuple[Seconds, Seconds, Picture]], fps: float, first_frame: int = 0
) -> Iterator[Picture]:
    """Yields, for i = first_frame, first_frame + 1, ..., the picture nearest in time to `i / fps`, up to the end.

    Halfway between two pictures the later is taken. A picture that stays longer than `STILL` is held until half a
    frame before the next, lest the next be seen long before it happened. The first is also shown before its time.

    Args:
        pictures: (start, end, picture), never falling; the last one's end is the end of the video.
        fps: Rate of the output, in Hz.
        first_frame: Earlier ones are left out.
    """
    num_frames = first_frame
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
