"""Frames that are gone through more than once, with progress."""

from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

from lipscribe.video import Video


class Watched:
    """Frames that are read several times: it counts them, and shows on stderr how far they have been read."""

    def __init__(self, frames: Iterable[np.ndarray], progress: bool):
        self.frames = frames
        self.progress = progress
        self.num_frames = 0

    def read(self, what: str) -> Iterator[np.ndarray]:
        """The frames, (H, W, 3) uint8 each; `what` they are read for is said beside the bar."""
        video = self.frames if isinstance(self.frames, Video) else None
        total = round(video.info.duration * video.fps) if video else None
        hidden = None if self.progress else True  # None leaves it to tqdm, which shows bars on terminals only
        with tqdm(self.frames, desc=what, total=total, unit="frame", leave=False, disable=hidden) as bar:
            for frame_idx, frame in enumerate(bar):
                self.num_frames = max(self.num_frames, frame_idx + 1)
                yield frame
