"""Opens a file or an address, picks the stream to read, and says what the container knows of its time."""

import contextlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.container
import av.error
import av.format
from av.stream import Disposition

from lipscribe.errors import ConfigError, VideoError
from lipscribe.storage import is_url
from lipscribe.units import Seconds
from lipscribe.video.formats import open_options
from lipscribe.video.movement import moving_streams
from lipscribe.video.webp import is_animated_webp, transcode_webp, webp_pixels

CONVERT = "or convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`"
TIMEOUT: Seconds = 20.0  # of a server that doesn't answer
MAX_PIXELS = 8192 * 4320  # of a picture, 8K; a file of a few bytes may hold larger ones, of a gigabyte each
THREADED_PIXELS = 200_000  # of a picture, 640x360 and more; smaller ones are decoded by one thread, in 0.2 to 0.5 ms
NAMED_STREAMS = 8  # of a file, in a message
_HEAD = 512  # bytes: enough to tell an animated WebP, and a text from a video
# A title in some old encoding is no reason to stop; from 19 on PyAV sees it so, and knows no such option.
_OPEN_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


@contextlib.contextmanager
def open_video(
    path: str | os.PathLike[str], stream: int | None = None
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """The open container and its best video stream; the file is closed at the end of the `with` block.

    Args:
        path: A file, or an address such as `https://...` as a `str`.
        stream: Index of the stream to take among all of the file's, as `ffprobe` counts them; None takes the default
            one of those that move, else the largest of them.

    Raises:
        VideoError: the file is missing, unreadable, or has no video stream that can be decoded.
        ConfigError: it has no video stream of this index.
    """
    with _open(path) as container:
        candidates = _candidates(path, container)
        if stream is not None:
            yield container, _asked_for(path, candidates, stream)
            return
        if len(candidates) > 1:
            with _open(path) as other:  # looking at the pictures takes them out of the container
                _candidates(path, other)  # which limits their pictures
                moving = moving_streams(other, [candidate.index for candidate in candidates])
            candidates = [candidate for candidate in candidates if candidate.index in moving] or candidates
        yield container, max(candidates, key=lambda s: (Disposition.default in s.disposition, s.width * s.height))


@contextlib.contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[av.container.InputContainer]:
    head = b""
    try:
        if is_url(path):
            container = av.open(path, timeout=TIMEOUT, options=open_options(path), **_OPEN_OPTIONS)
        else:
            head = _read_head(path)
            name = f"file:{os.fspath(path)}"  # the prefix: a name such as `12:30.mp4` is no protocol
            file = _copied_webp(path, head) if is_animated_webp(head) else name
            container = av.open(file, options=open_options(path), **_OPEN_OPTIONS)
    except av.FFmpegError as error:
        raise VideoError(f"{path}: {_why_unreadable(path, head, error)}") from error
    with container:
        # PyAV has libav guess the stamps that a file lacks; for B-frames in AVI it guesses them in the wrong order.
        container.flags &= ~av.container.Flags.gen_pts.value
        yield container


def _copied_webp(path: str | os.PathLike[str], head: bytes) -> io.BytesIO:
    if webp_pixels(head) > MAX_PIXELS:
        raise VideoError(f"{path}: its pictures are over 8192x4320 pixels; make them smaller, {CONVERT}")
    return transcode_webp(path)


@contextlib.contextmanager
def open_sound(
    path: str | os.PathLike[str],
) -> Iterator[tuple[av.container.InputContainer, av.AudioStream, Seconds] | None]:
    """The open container, its first sound that can be decoded, and the time stamp that `Clock` counts from.

    None where there is no such sound.

    Raises:
        VideoError: the file is missing or unreadable.
    """
    with _open(path) as container:
        streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
        origin = (container.start_time or 0) / av.time_base
        yield (container, streams[0], origin) if streams else None


def file_state(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced; None of an address.

    Raises:
        VideoError: the file is missing or unreadable.
    """
    if is_url(path):
        return None
    _read_head(path)
    stat_now = Path(path).stat()
    return stat_now.st_ino, stat_now.st_size, stat_now.st_mtime_ns


def _read_head(path: str | os.PathLike[str]) -> bytes:
    """First bytes of the file, read so that each thing a user can get wrong has its own message."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise VideoError(f"{path}: a directory, not a video file; name a file in it")
        if not stat.S_ISREG(mode):
            raise VideoError(f"{path}: a pipe or device, not a file; save the video to a file first")
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise VideoError(f"{path}: no such file; check its name and folder") from error
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read it; allow it with `chmod +r`") from error
    except (OSError, ValueError) as error:  # a disk that fails, a name that the system refuses
        raise VideoError(f"{path}: can't be read ({error}); check the name and the disk") from error
    if not head:
        raise VideoError(f"{path}: empty (0 bytes), not a video; copy or record it again")
    return head


def _why_unreadable(path: str | os.PathLike[str], head: bytes, error: av.FFmpegError) -> str:
    if isinstance(error, av.error.ArgumentError) and b"\0" not in head:  # of a format that `open_options` leaves out
        return "a playlist, or another text that names files: none of them is opened; give the video file itself"
    if is_url(path):
        return f"can't be fetched ({error.strerror}); check the address and the network, or download it first"
    if head[4:8] == b"ftyp" and isinstance(error, av.error.InvalidDataError):
        return (
            "an MP4 without its index, so it was cut off while it was recorded or copied; "
            "copy it again, or rebuild the index with a tool such as untrunc"
        )
    return f"not a video that FFmpeg can read ({error.strerror}); check that it plays, {CONVERT}"


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams that can be decoded; cover art of music is no video."""
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    return [s for s in streams if s.codec_context is not None]


def _candidates(path: str | os.PathLike[str], container: av.container.InputContainer) -> list[av.VideoStream]:
    """`video_streams`, of which there is at least one."""
    name = container.format.name
    if name == "tty" or name.startswith("image2") or name.endswith("_pipe"):
        raise VideoError(f"{path}: a still picture or a text (read as {name}), not a video; give a video file")
    if all(Disposition.attached_pic in s.disposition for s in container.streams.video):
        what = "sound but no pictures" if container.streams.audio else f"no pictures (read as {name})"
        raise VideoError(f"{path}: holds {what}; give a video that shows the speaker's face")
    streams = video_streams(container)
    if not streams:
        raise VideoError(
            f"{path}: this build of FFmpeg has no decoder for its pictures; check that it plays, {CONVERT}"
        )
    if not (small := [stream for stream in streams if stream.width * stream.height <= MAX_PIXELS]):
        size = f"{streams[0].width}x{streams[0].height}"
        raise VideoError(f"{path}: its pictures are {size}, want up to 8192x4320 pixels; make them smaller, {CONVERT}")
    streams = small
    for stream in streams:
        # Larger ones that turn up within the stream are damage to the decoder.
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    for stream in streams:  # small pictures are decoded faster than they are used: more threads would only cost time
        stream.thread_type = "AUTO" if stream.width * stream.height >= THREADED_PIXELS else "NONE"
    return streams


def _asked_for(path: str | os.PathLike[str], streams: list[av.VideoStream], index: int) -> av.VideoStream:
    for stream in streams:
        if stream.index == index:
            return stream
    there = describe_streams(streams)
    raise ConfigError(f"{path}: there is no video stream {index}; those that can be read are: {there}")


def describe_stream(stream: av.VideoStream) -> str:
    """Its number, codec and size, in words."""
    return f"{stream.index} ({stream.codec_context.codec.canonical_name}, {stream.width}x{stream.height})"


def describe_streams(streams: Iterable[av.VideoStream]) -> str:
    """The first of them in words, and how many more there are: a file may hold a thousand."""
    listed = list(streams)
    more = [f"{len(listed) - NAMED_STREAMS} more"] if len(listed) > NAMED_STREAMS else []
    return ", ".join([*map(describe_stream, listed[:NAMED_STREAMS]), *more])


class Clock(NamedTuple):
    """What a container says of time: seconds from its start, which is that of its earliest stream, sound included.

    Players count from there, and so do transcripts.

    Attributes:
        origin: The time stamp that stands for the start; None is that of the first picture.
        first: When the first picture is shown.
        end: When the last one ends by the headers; None if they don't say.
        promised: Whether a file that ends before was cut off. Formats without a header of that kind (MPEG, raw streams)
            have their end estimated by libav from what is there; and where only the whole file has a length, the sound
            may simply be longer than the pictures.
        until: When the file ends, sound included, by headers or by the estimate; None if nothing says.
    """

    origin: Seconds | None
    first: Seconds
    end: Seconds | None
    promised: bool
    until: Seconds | None

    @classmethod
    def of(cls, container: av.container.InputContainer, stream: av.VideoStream) -> "Clock":
        """The clock of a stream, as the headers have it."""
        origin = None if container.start_time is None else container.start_time / av.time_base
        first = 0.0
        if origin is not None and stream.start_time is not None and stream.time_base:
            first = max(0.0, float(stream.start_time * stream.time_base) - origin)
        unpromised = av.format.Flags.ts_discont.value | av.format.Flags.no_timestamps.value
        promised = not container.format.flags & unpromised
        whole = container.duration / av.time_base if container.duration and container.duration > 0 else None
        end = _stream_end(stream, first, origin or 0.0)
        if end is None and whole is not None:
            end, promised = whole, promised and not container.streams.audio
        until = max((seconds for seconds in (end, whole) if seconds is not None), default=None)
        return cls(origin, first, end, promised and end is not None, until)


def _stream_end(stream: av.VideoStream, first: Seconds, origin: Seconds) -> Seconds | None:
    """When the stream ends by its own header, from the start of the container."""
    if stream.duration and stream.time_base:
        return first + float(stream.duration * stream.time_base)
    with contextlib.suppress(KeyError, ValueError):  # Matroska: "00:00:03.000000000", the stamp at which it ends
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return max(0.0, int(hours) * 3600 + int(minutes) * 60 + float(seconds) - max(origin, 0.0))
    return None
