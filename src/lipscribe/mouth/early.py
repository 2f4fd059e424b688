"""Mouth crops cut while faces are tracked, so that a long video is decoded once.

A crop depends on the landmarks of the second before and after it, and on the face being read, which is known only at
the end. So the crops of all faces are cut a little later than their frames are read, and kept in a temporary file. Each
is used only if the track that is read asks for exactly the same one.
"""

import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.faces.track import MAX_GAP
from lipscribe.mouth.cropping import crop_transforms, with_runs
from lipscribe.mouth.sampling import CROP_SIZE, in_grey
from lipscribe.mouth.upright import REACH, alignment, warp_mouth
from lipscribe.units import seconds_to_frame

INTERVAL = 64  # frames: so many are cut at once
MAX_PIXELS = 320_000  # of a frame, VGA and a little more: of these 48 MB are held
MAX_BYTES = 2_000_000_000  # of the temporary file: an hour of two faces


class _Stretch(NamedTuple):
    """Consecutive crops of one face.

    Attributes:
        start: The first one's frame.
        transforms: (T, 2, 3) float64 that they were cut with.
        first: Number of the first one in the file.
    """

    start: int
    transforms: np.ndarray
    first: int


class EarlyCrops:
    """Cuts "lipscribe" crops of all faces of a video on the way; a `TrackWatcher`.

    It gives up where frames are large, the file grows too large or cannot be written: then `find` finds nothing.

    Args:
        fps: Of the frames, in Hz.
        max_bytes: Of the file.
    """

    def __init__(self, fps: float, max_bytes: int = MAX_BYTES):
        self.frame_size = (0, 0)
        """Height and width of the frames in px."""
        # What lies so far back can no longer change: a gap may yet be filled, and crops are smoothed over `REACH`.
        self._settled = seconds_to_frame(MAX_GAP, fps) + 1 + REACH
        self._max_bytes = max_bytes
        self._frames: deque[np.ndarray] = deque()  # (H, W) grey
        self._num_frames = 0  # added so far
        self._stretches: list[_Stretch] = []
        self._num_crops = 0
        self._file: IO[bytes] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="crops")
        self._at_work: Future[None] | None = None

    def __enter__(self) -> "EarlyCrops":
        with suppress(OSError):  # a system without a place to write
            self._file = tempfile.TemporaryFile(dir=_folder(), buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        self._give_up()

    def add(self, frame: np.ndarray) -> bool:
        """See `TrackWatcher.add`."""
        self._num_frames += 1
        if self._file is None:
            return False
        height, width = self.frame_size = (frame.shape[0], frame.shape[1])
        if height * width > MAX_PIXELS:
            self._give_up()
            return False
        self._frames.append(in_grey(frame))
        return len(self._frames) >= self._settled + INTERVAL

    def follow(self, tracks: Sequence[FaceTrack], shot_ends: bool) -> None:
        """See `TrackWatcher.follow`."""
        if self._at_work is not None:
            self._at_work.result()
        if self._file is None:
            return
        first = self._num_frames - len(self._frames)
        number = len(self._frames) if shot_ends else len(self._frames) - self._settled
        frames = [self._frames.popleft() for _ in range(number)]
        before = first - self._settled  # landmarks from here on decide
        parts = [_part(track, before) for track in tracks if track.stop > first]
        self._at_work = self._pool.submit(self._cut, frames, first, parts)

    def find(self, runs: Sequence[FaceTrack]) -> list[np.ndarray] | None:
        """Where the crops of runs lie in the file: (T,) int64 numbers of each; None unless all are there."""
        if self._at_work is not None:
            self._at_work.result()
        found = []
        for run in runs:
            transforms = crop_transforms(run.landmarks, cuts=run.cuts)
            numbers = np.full(len(transforms), -1)
            for start, cut_with, first in self._stretches:
                low, high = max(start, run.start), min(start + len(cut_with), run.stop)
                if low < high:
                    same = cut_with[low - start : high - start] == transforms[low - run.start : high - run.start]
                    at = low + np.flatnonzero(same.all((1, 2)))
                    numbers[at - run.start] = first + at - start
            if self._file is None or (numbers < 0).any():
                return None
            found.append(numbers)
        return found

    def stream(
        self, runs: Sequence[FaceTrack], numbers: Sequence[np.ndarray], frames: Iterable[int]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """`stream_all_crops` of runs that `find` found, as `frames`, the indices of the video's, are gone through."""
        for frame_idx, _, active in with_runs(frames, runs):
            for i in active:
                yield i, self.read(int(numbers[i][frame_idx - runs[i].start]))

    def read(self, number: int) -> np.ndarray:
        """The crop (96, 96) uint8 of this number, as `find` has it."""
        assert self._file is not None
        self._file.seek(number * CROP_SIZE**2)
        return np.frombuffer(self._file.read(CROP_SIZE**2), np.uint8).reshape(CROP_SIZE, CROP_SIZE)

    def _cut(self, frames: Sequence[np.ndarray], first: int, tracks: Sequence[FaceTrack]) -> None:
        """Cuts the crops of frames from index `first` on."""
        for run in (run for track in tracks for run in track.runs()):
            low, high = max(run.start, first), min(run.stop, first + len(frames))
            if low >= high:
                continue
            transforms = alignment(run.landmarks)[low - run.start : high - run.start]
            crops = [
                warp_mouth(frame, transform)
                for frame, transform in zip(frames[low - first : high - first], transforms, strict=True)
            ]
            if not self._write(crops):
                return
            self._stretches.append(_Stretch(low, transforms.copy(), self._num_crops))
            self._num_crops += len(crops)

    def _write(self, crops: Sequence[np.ndarray]) -> bool:
        """Appends crops to the file; False where there is no room."""
        if (self._num_crops + len(crops)) * CROP_SIZE**2 > self._max_bytes:
            self._give_up()
        if self._file is None:
            return False
        data = b"".join(crop.tobytes() for crop in crops)
        try:
            is_written = self._file.write(data) == len(data)
        except OSError:  # the disk is full
            is_written = False
        if not is_written:
            self._give_up()
        return is_written

    def _give_up(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._frames.clear()


def _part(track: FaceTrack, first: int) -> FaceTrack:
    """The track from a frame on."""
    start = max(first, track.start)
    landmarks = track.landmarks[start - track.start :].copy()  # tracking goes on meanwhile
    return FaceTrack(track.id, track.shot, start, landmarks, track.fps)


def _folder() -> str | None:
    """Where large temporary files are kept: `/tmp` is in memory on some systems. None is Python's choice."""
    return "/var/tmp" if "TMPDIR" not in os.environ and Path("/var/tmp").is_dir() else None
