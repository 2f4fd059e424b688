"""Which of several video streams show something that moves: a speaker beside a still picture."""

from contextlib import suppress

import av
import av.container
import numpy as np

MAX_PICTURES = 100  # of each stream that are looked at, 4 s at 25 fps
MAX_PACKETS = 3000  # of all streams that are read for it
SIZE = 64  # pictures are compared at this many pixels squared
MOVES = 0.05  # grey levels that two pictures differ by, on average over all pixels
# Of a still, key pictures alone may differ from those before them, since they are compressed otherwise: one in 12. Of
# speech at 15 pictures a second in a file of 60, each of which is there four times, one in four differs.
MOVING_SHARE = 0.2


def moving_streams(container: av.container.InputContainer, indices: list[int]) -> set[int]:
    """Indices of those that move, as far as their first pictures tell.

    A stream with less than a quarter of the pictures of another is a still or a slide show, and so is one whose
    pictures are all but equal, save one now and then.
    """
    seen = {index: _Stream() for index in indices}
    streams = tuple(stream for stream in container.streams.video if stream.index in seen)
    with suppress(av.FFmpegError):  # the file is damaged here: what comes before tells
        for num_packets, packet in enumerate(container.demux(streams)):
            counts = [stream.num_pictures for stream in seen.values()]
            if num_packets >= MAX_PACKETS or min(counts) >= MAX_PICTURES or max(counts) >= 2 * MAX_PICTURES:
                break
            with suppress(av.FFmpegError):
                for picture in packet.decode():
                    seen[packet.stream_index].add(picture)
    most = max(stream.num_pictures for stream in seen.values())
    return {index for index, stream in seen.items() if stream.num_pictures * 4 > most and stream.movement > MOVES}


class _Stream:
    """What has been seen of one stream."""

    def __init__(self) -> None:
        self.num_pictures = 0
        self._last: np.ndarray | None = None
        self._changes: list[float] = []

    @property
    def movement(self) -> float:
        """Change from one picture to the next that a fifth of them exceed, in grey levels."""
        return float(np.quantile(self._changes, 1 - MOVING_SHARE)) if self._changes else 0.0

    def add(self, picture: av.VideoFrame) -> None:
        self.num_pictures += 1
        if self.num_pictures > MAX_PICTURES:
            return
        small = picture.reformat(SIZE, SIZE, "gray").to_ndarray().astype(np.int16)
        if self._last is not None:
            self._changes.append(float(np.abs(small - self._last).mean()))
        self._last = small
