"""Frames that are gone through more than once."""

from collections.abc import Iterable, Iterator

import numpy as np

from lipscribe.progress import Progress, tracked
from lipscribe.video import Video


class Passes:
    """Frames that are read several times: counted, and reported on the way.

    Attributes:
        num_frames: The most frames that a pass has read.
    """

    def __init__(self, frames: Iterable[np.ndarray], progress: Progress | None = None):
        self.frames = frames
        self.num_frames = 0
        self._progress = progress

    def read(self, task: str) -> Iterator[np.ndarray]:
        """The frames, (H, W, 3) uint8 each; `task` is what progress is reported under."""
        video = self.frames if isinstance(self.frames, Video) else None
        total = None if video is None else round(video.duration * video.fps)
        for num_frames, frame in enumerate(tracked(self.frames, self._progress, task, total), start=1):
            self.num_frames = max(self.num_frames, num_frames)
            yield frame

    def count(self, task: str) -> Iterator[int]:
        """The indices of the frames read so far, for a pass that needs no more of them."""
        yield from tracked(range(self.num_frames), self._progress, task)

    def finish(self, task: str) -> None:
        """Reports a task as done: a pass may end before the frames do, if what it looks for does."""
        if self._progress:
            self._progress(task, self.num_frames, self.num_frames)
