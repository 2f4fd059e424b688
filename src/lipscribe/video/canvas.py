"""Decoded pictures drawn upright, with square pixels, all in one size."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import av
import av.container
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter

from lipscribe.units import MODEL_FPS, Seconds
from lipscribe.video.blocks import Blocks
from lipscribe.video.decode import Damage, pictures_in, read_packets
from lipscribe.video.source import open_video

PIXEL_ASPECTS = (0.2, 5.0)  # beyond these a pixel aspect is a damaged header.
SHORT: Seconds = 20.0  # of a file up to this length all key pictures are looked at for their size,
NUM_SAMPLES = 24  # of a longer one so many, spread over it.
SIZE_SHARE = 0.1  # of the time that the largest size must last to be drawn at


class Turn(NamedTuple):
    """What a player does to a stored picture before it shows it: swaps its axes, then mirrors it."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, picture: av.VideoFrame) -> "Turn":
        """The turn that its display matrix asks for, rounded to a right angle."""
        # Not `picture.side_data`: what that keeps on the picture refers back to it, so that hundreds of pictures, 3 MB
        # each in HD, would wait for the garbage collector.
        try:
            data = SideDataContainer(picture).get("DISPLAYMATRIX")  # pyright: ignore[reportCallIssue]  no stub of its __init__
        except ValueError:  # it holds a kind that PyAV has no name for, such as EXIF; mirroring is then not seen
            return _TURNS[round(-picture.rotation / 90) % 4]
        if data is None:
            return cls()
        # Rows (a b u) (c d v) (x y w): the stored point (p, q) is shown at (a p + c q, b p + d q), y down.
        a, b, _, c, d = (int(value) for value in np.frombuffer(data, np.int32, count=5))
        swap = abs(b) + abs(c) > abs(a) + abs(d)
        return cls(swap, flip_x=(c if swap else a) < 0, flip_y=(b if swap else d) < 0)

    @property
    def degrees(self) -> int:
        """The turn clockwise, 0, 90, 180 or 270, mirroring left aside."""
        if self.swap:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) as it is shown; a view."""
        if self.swap:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


_TURNS = (Turn(), Turn(True, flip_x=True), Turn(flip_x=True, flip_y=True), Turn(True, flip_y=True))  # clockwise


def pixel_aspect(stream: av.VideoStream) -> float:
    """Width of a pixel over its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if PIXEL_ASPECTS[0] <= aspect <= PIXEL_ASPECTS[1] else 1.0


def shown_size(picture: av.VideoFrame, aspect: float, turn: Turn | None = None) -> tuple[int, int]:
    """Width and height in square pixels, upright, as a player shows the picture; `turn` is `Turn.of(picture)`."""
    width, height = max(1, round(picture.width * aspect)), picture.height
    return (height, width) if (turn or Turn.of(picture)).swap else (width, height)


def usual_size(
    path: str | os.PathLike[str], stream_index: int, aspect: float, duration: Seconds | None
) -> tuple[int, int] | None:
    """The size to draw a stream at: the largest that lasts a tenth of the time, else the one that lasts longest.

    Recorded calls change size as the line allows. A new size begins with a key picture, so that only these are decoded:
    all of a short file, 24 of a long one.

    Returns:
        Width and height as of `shown_size`; None if there is no key picture.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    with open_video(path, stream_index) as (container, stream):
        stream.thread_type = "SLICE"  # pictures come out at once, not as many later as there are threads
        stream.codec_context.skip_frame = "NONKEY"
        begin = container.start_time or 0  # us
        if duration is None or duration <= SHORT:
            shown = [(time, shown_size(picture, aspect)) for time, picture in _key_pictures(container, stream)]
            ends = [*(time for time, _ in shown[1:]), (duration or 0.0) + begin / av.time_base]
            for (time, size), end in zip(
                shown, ends, strict=False
            ):  # where there is no key picture, `ends` has one still
                sizes[size] += max(1, round(1000 * (end - time)))  # ms
        else:
            for idx in range(NUM_SAMPLES):
                with contextlib.suppress(av.FFmpegError, StopIteration):
                    container.seek(begin + int((idx + 0.5) / NUM_SAMPLES * duration * av.time_base))
                    sizes[shown_size(next(_key_pictures(container, stream))[1], aspect)] += 1
    if not sizes:
        return None
    lasting = [size for size, share in sizes.items() if share >= SIZE_SHARE * sizes.total()]
    return max(lasting, key=lambda size: size[0] * size[1], default=sizes.most_common(1)[0][0])


def _key_pictures(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[tuple[Seconds, av.VideoFrame]]:
    """The key pictures from where the container stands, with their times; each is out before the next is read."""
    for idx, packet in enumerate(read_packets(container, stream, Damage())):
        if not packet.is_keyframe:
            continue
        stamp = packet.pts if packet.dts is None else packet.dts
        time = idx / MODEL_FPS if stamp is None else float(stamp * packet.time_base)
        pictures = pictures_in(stream, packet, Damage())
        pictures += pictures_in(stream, None, Damage())  # a decoder waits for more to put them in order
        stream.codec_context.flush_buffers()
        yield from ((time, picture) for picture in pictures)


class Canvas:
    """Draws decoded pictures upright, with square pixels, all in one size.

    A picture of another size is fitted in whole, with black bars, so that faces keep their shape.

    Args:
        aspect: Width of a stored pixel over its height.
        size: Width and height of most pictures, as of `shown_size`.
        max_side: Larger pictures are made smaller, so that their longer side has this many pixels.
        blocks: Where frames are put that will be kept; None for those that are used once.

    Attributes:
        blocks: As given.
    """

    def __init__(self, aspect: float, size: tuple[int, int], max_side: int, blocks: Blocks | None = None):
        self.blocks = blocks
        self._aspect = aspect
        self._usual = size
        self._size = _fit(*size, (max_side, max_side), enlarge=False)  # width, height of what is drawn
        self._reformatter = VideoReformatter()
        self._num_fitted = 0
        self._blank: np.ndarray | None = None

    @property
    def num_fitted(self) -> int:
        """How many of the pictures drawn so far were of another size."""
        return self._num_fitted

    def draw(self, picture: av.VideoFrame) -> np.ndarray:
        """The picture as (H, W, 3) uint8 RGB; read-only, since it may be handed out more than once."""
        turn = Turn.of(picture)
        shown = shown_size(picture, self._aspect, turn)
        size = self._size if shown == self._usual else _fit(*shown, self._size)
        stored = size[::-1] if turn.swap else size
        # One thread: to start several takes longer than they save.
        converted = self._reformatter.reformat(picture, *stored, format="rgb24", threads=1)
        drawn = turn.apply(converted.to_ndarray())
        if size != self._size:
            drawn = self._pad(drawn)
        drawn = np.ascontiguousarray(drawn) if self.blocks is None else self.blocks.copy(drawn)
        drawn.flags.writeable = False
        self._num_fitted += shown != self._usual
        return drawn

    def blank(self) -> np.ndarray:
        """A black frame; always the same array."""
        if self._blank is None:
            self._blank = np.zeros((*self._size[::-1], 3), np.uint8)
            self._blank.flags.writeable = False
        return self._blank

    def _pad(self, picture: np.ndarray) -> np.ndarray:
        (width, height), (h, w, _) = self._size, picture.shape
        top, left = (height - h) // 2, (width - w) // 2
        return np.pad(picture, ((top, height - h - top), (left, width - w - left), (0, 0)))

    def warnings(self) -> list[str]:
        """What was changed that a viewer might miss, in words."""
        if not self._num_fitted:
            return []
        size = "x".join(map(str, self._size))
        return [f"the size of the picture changes: {self._num_fitted} pictures were fitted into {size}"]


def _fit(width: int, height: int, box: tuple[int, int], *, enlarge: bool = True) -> tuple[int, int]:
    """The largest size of this shape that fits into the box (width, height)."""
    scale = min(box[0] / width, box[1] / height)
    if not enlarge:
        scale = min(scale, 1.0)
    return max(1, min(box[0], round(width * scale))), max(1, min(box[1], round(height * scale)))
