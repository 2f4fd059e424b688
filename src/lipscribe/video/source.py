"""What libav must be told and asked: opens a file, decodes its pictures through damage, draws them upright.

Private to `lipscribe.video`, which is the way in.
"""

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import av.container
import av.filter
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from lipscribe.errors import VideoError
from lipscribe.units import Seconds

MAX_FAILURES = 100  # reads in a row that may fail before the rest of a damaged file is given up.
PIXEL_ASPECTS = (0.2, 5.0)  # beyond these a pixel aspect is a damaged header.
CONVERT = "or convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`"
# A title in some old encoding is no reason to stop; from 19 on PyAV sees it so, and knows no such option.
_OPEN_OPTIONS = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


@contextlib.contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The open container and its best video stream; the file is closed at the end of the `with` block.

    Raises:
        VideoError: the file is missing, unreadable, or has no video stream that can be decoded.
    """
    head = _read_head(path)
    try:
        container = av.open(
            f"file:{os.fspath(path)}",  # the prefix: a name such as `12:30.mp4` is no protocol
            **_OPEN_OPTIONS,
        )
    except av.FFmpegError as error:
        raise VideoError(f"{path}: {_why_unreadable(head, error)}") from error
    with container:
        # PyAV has libav guess the stamps that a file lacks; for B-frames in AVI it guesses them in the wrong order.
        container.flags &= ~av.container.Flags.gen_pts.value
        yield container, _best_stream(path, container)


def _read_head(path: str | os.PathLike[str]) -> bytes:
    """First bytes of the file, read so that each thing a user can get wrong has its own message."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise VideoError(f"{path}: a directory, not a video file; name a file in it")
        if not stat.S_ISREG(mode):
            raise VideoError(f"{path}: a pipe or device, not a file; save the video to a file first")
        with Path(path).open("rb") as file:
            head = file.read(12)
    except FileNotFoundError as error:
        raise VideoError(f"{path}: no such file; check its name and folder") from error
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read it; allow it with `chmod +r`") from error
    except (OSError, ValueError) as error:  # a disk that fails, a name that the system refuses
        raise VideoError(f"{path}: can't be read ({error}); check the name and the disk") from error
    if not head:
        raise VideoError(f"{path}: empty (0 bytes), not a video; copy or record it again")
    return head


def _why_unreadable(head: bytes, error: av.FFmpegError) -> str:
    if head[4:8] == b"ftyp" and isinstance(error, av.error.InvalidDataError):
        return (
            "an MP4 without its index, so it was cut off while it was recorded or copied; "
            "copy it again, or rebuild the index with a tool such as untrunc"
        )
    return f"not a video that FFmpeg can read ({error.strerror}); check that it plays, {CONVERT}"


def _best_stream(path: str | os.PathLike[str], container: av.container.InputContainer) -> av.VideoStream:
    """The default stream, else the largest; cover art of music is no video."""
    name = container.format.name
    if name == "tty" or name.startswith("image2") or name.endswith("_pipe"):
        raise VideoError(f"{path}: a still picture or a text (read as {name}), not a video; give a video file")
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        what = "sound but no pictures" if container.streams.audio else f"no pictures (read as {name})"
        raise VideoError(f"{path}: holds {what}; give a video that shows the speaker's face")
    streams = [s for s in streams if s.codec_context is not None]
    if not streams:
        raise VideoError(
            f"{path}: this build of FFmpeg has no decoder for its pictures; check that it plays, {CONVERT}"
        )
    best = max(streams, key=lambda s: (Disposition.default in s.disposition, s.width * s.height))
    best.thread_type = "AUTO"
    return best


def header_duration(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[Seconds | None, bool]:
    """Seconds of video by the headers, None if they don't say; and whether a file that is shorter was cut off.

    Formats without a header of that kind (MPEG, raw streams) have it estimated by libav from what is there; and where
    only the whole file has a length, the sound may simply be longer than the pictures.
    """
    unpromised = av.format.Flags.ts_discont.value | av.format.Flags.no_timestamps.value
    promised = not container.format.flags & unpromised
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base), promised
    with contextlib.suppress(KeyError, ValueError):  # Matroska: "00:00:03.000000000"
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds), promised
    if container.duration and container.duration > 0:
        return container.duration / av.time_base, promised and not container.streams.audio
    return None, False


@dataclass
class Damage:
    """What couldn't be read or decoded; reading went on."""

    num_failures: int = 0
    reason: str = ""  # of the first failure
    num_pictures: int = 0
    num_corrupt: int = 0
    first_corrupt: int = 0  # its place among the pictures, from 1

    def add(self, reason: str) -> None:
        """Counts one failure."""
        self.num_failures += 1
        self.reason = self.reason or reason

    def warnings(self) -> list[str]:
        """What was wrong, in words."""
        found = []
        if self.num_failures:
            found.append(f"damaged: packets lost or incomplete: {self.num_failures} (the first: {self.reason})")
        if self.num_corrupt and self.first_corrupt == self.num_pictures:
            found.append(f"cut off in picture {self.num_pictures}, which is only partly there; copy or record it again")
        elif self.num_corrupt:
            which = f"{self.num_corrupt} of {self.num_pictures}, the first is picture {self.first_corrupt}"
            found.append(f"damaged: pictures only partly there: {which}")
        return found


def read_packets(container: av.container.InputContainer, stream: av.VideoStream, damage: Damage) -> Iterator[av.Packet]:
    """Packets of the stream, past damage for as long as the container can find more."""
    failures = 0
    broken = None
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(stream):
                if not packet.size:  # a dropped picture (AVI) or the end; a decoder would take both for the end
                    continue
                if broken is not None:
                    damage.add("incomplete")
                    yield broken
                broken = packet if packet.is_corrupt else None
                if broken is None:
                    yield packet
                failures = 0
            break
        except av.FFmpegError as error:
            failures += 1
            damage.add(str(error.strerror))
    if broken is not None:  # the file ends in it; its failure would make a threaded decoder withhold whole pictures
        damage.add("cut off")


def pictures_in(stream: av.VideoStream, packet: av.Packet | None, damage: Damage) -> list[av.VideoFrame]:
    """Pictures that the decoder gives out after this packet; None asks for those that it still holds."""
    try:
        pictures = stream.decode(packet)
    except av.FFmpegError as error:
        if not isinstance(error, av.error.EOFError):  # asked twice for what it still holds
            damage.add(str(error.strerror))
        return []
    for picture in pictures:
        picture.time_base = stream.time_base  # PyAV leaves it out of the last ones
        damage.num_pictures += 1
        if picture.is_corrupt:
            damage.num_corrupt += 1
            damage.first_corrupt = damage.first_corrupt or damage.num_pictures
    return pictures


def read_pictures(
    container: av.container.InputContainer, stream: av.VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    """All pictures in the order of display, deinterlaced; `pts` is None where the file has no time for one."""
    has_pts = False
    deinterlacer = _Deinterlacer()
    for packet in itertools.chain(read_packets(container, stream, damage), [None]):
        for picture in pictures_in(stream, packet, damage):
            has_pts = has_pts or picture.pts is not None
            if not has_pts:  # AVI knows only when a picture is decoded: these times rise in the order of display too
                picture.pts = picture.dts
            yield from deinterlacer.push(picture)
    yield from deinterlacer.flush()


class _Deinterlacer:
    """Makes one whole picture of the two half pictures of each interlaced one; others pass untouched.

    The filter starts with the first interlaced picture, so that ordinary video costs nothing.
    """

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        kind = (picture.width, picture.height, picture.format.name)
        if self._graph is not None and kind != self._kind:
            yield from self.flush()
        if self._graph is None:
            if not picture.interlaced_frame:
                yield picture
                return
            self._graph, self._kind = self._build(picture), kind
        self._graph.push(picture)
        yield from self._pull()

    def flush(self) -> Iterator[av.VideoFrame]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = None

    def _pull(self) -> Iterator[av.VideoFrame]:
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):  # wants more; has no more
            while True:
                yield self._graph.pull()

    @staticmethod
    def _build(picture: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add(
            "buffer",
            video_size=f"{picture.width}x{picture.height}",
            pix_fmt=picture.format.name,
            time_base=str(picture.time_base),
            colorspace=str(int(picture.colorspace)),
            range=str(int(picture.color_range)),
        )
        graph.link_nodes(source, graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink"))
        graph.configure()
        return graph


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
        data = SideDataContainer(picture).get("DISPLAYMATRIX")
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


def pixel_aspect(stream: av.VideoStream) -> float:
    """Width of a pixel over its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if PIXEL_ASPECTS[0] <= aspect <= PIXEL_ASPECTS[1] else 1.0


class Canvas:
    """Draws decoded pictures upright, with square pixels, all in the size of the first.

    A later picture of another size is fitted in whole, with black bars, so that faces keep their shape.

    Args:
        aspect: Width of a stored pixel over its height.
        max_side: Larger pictures are made smaller, so that their longer side has this many pixels.
    """

    def __init__(self, aspect: float, max_side: int):
        self._aspect = aspect
        self._max_side = max_side
        self._reformatter = VideoReformatter()
        self._first: tuple[int, int, Turn] | None = None  # stored width, height and turn of the first picture
        self._size = (0, 0)  # width, height of what is drawn
        self._num_fitted = 0

    def draw(self, picture: av.VideoFrame) -> np.ndarray:
        """The picture as (H, W, 3) uint8 RGB; read-only, since it may be handed out more than once."""
        turn = Turn.of(picture)
        kind = (picture.width, picture.height, turn)
        width, height = shown_size(picture, self._aspect, turn)
        if self._first is None:
            self._first = kind
            self._size = _fit(width, height, (self._max_side, self._max_side), enlarge=False)
        size = self._size if kind == self._first else _fit(width, height, self._size)
        stored = size[::-1] if turn.swap else size
        rgb = self._reformatter.reformat(picture, width=stored[0], height=stored[1], format="rgb24").to_ndarray()
        drawn = turn.apply(rgb)
        if size != self._size:
            drawn = self._pad(drawn)
        drawn = np.ascontiguousarray(drawn)
        drawn.flags.writeable = False
        self._num_fitted += kind != self._first
        return drawn

    def _pad(self, picture: np.ndarray) -> np.ndarray:
        (width, height), (h, w, _) = self._size, picture.shape
        top, left = (height - h) // 2, (width - w) // 2
        return np.pad(picture, ((top, height - h - top), (left, width - w - left), (0, 0)))

    def warnings(self) -> list[str]:
        """What was changed that a viewer might miss, in words."""
        if not self._num_fitted:
            return []
        size = "x".join(map(str, self._size))
        return [f"the size of the picture changes: {self._num_fitted} pictures were fitted into the first's {size}"]


def shown_size(picture: av.VideoFrame, aspect: float, turn: Turn) -> tuple[int, int]:
    """Width and height in square pixels, as a player shows the picture."""
    width, height = max(1, round(picture.width * aspect)), picture.height
    return (height, width) if turn.swap else (width, height)


def _fit(width: int, height: int, box: tuple[int, int], *, enlarge: bool = True) -> tuple[int, int]:
    """The largest size of this shape that fits into the box (width, height)."""
    scale = min(box[0] / width, box[1] / height)
    if not enlarge:
        scale = min(scale, 1.0)
    return max(1, min(box[0], round(width * scale))), max(1, min(box[1], round(height * scale)))
