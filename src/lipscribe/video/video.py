"""A video file as frames at a steady rate."""

import contextlib
import copy
import itertools
import math
import os
from collections.abc import Generator, Iterable, Iterator
from numbers import Real
from typing import Any, NamedTuple

import av
import av.container
import numpy as np

from lipscribe.errors import ConfigError, VideoError
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds
from lipscribe.video.blocks import Blocks
from lipscribe.video.canvas import Canvas
from lipscribe.video.decode import Damage, read_pictures
from lipscribe.video.drawn import Drawing, DrawnPicture
from lipscribe.video.probe import VideoInfo, probe
from lipscribe.video.read_ahead import read_ahead
from lipscribe.video.source import file_state, open_video
from lipscribe.video.timeline import MAX_HOLD, Timeline, resample

KEEP_BYTES = 128_000_000  # a clip that is smaller than this when decoded is kept, so that it is decoded once.
SEEK_FROM: Seconds = 10.0  # a range that begins earlier is reached by decoding what lies before
SEEK_MARGIN: Seconds = 2.0  # so much is decoded before the range, beside what the nearest key picture asks for


Picture = av.VideoFrame | DrawnPicture


class _Shown(NamedTuple):
    """A decoded picture and when it is shown first."""

    start: Seconds
    picture: Picture


class Video:
    """The pictures of a video file at a steady rate, upright and with square pixels, read as they are asked for.

    Iterating gives frames (H, W, 3) uint8 RGB, all of one size; frame i is the picture nearest in time to
    `(first_frame + i) / fps` seconds after the file's start, where its sound may begin before its pictures. They are
    read-only, since a picture that stays is given out repeatedly: copy one to draw on it. Where there is no new picture
    for over 5 s (the camera was off), black frames follow. Each iteration starts again; memory doesn't grow with the
    length, and a clip under 128 MB is decoded only once: one of up to 100 pictures when it is opened, others when they
    are first read.

    Args:
        path: The file; any container and codec that FFmpeg reads. Or an address (`https://...`), as a `str`.
        fps: Rate of the frames, in Hz.
        max_side: Larger pictures are made smaller, so that their longer side has this many pixels.
        stream: Index of the video stream among all streams of the file, as `ffprobe` counts them; None takes the
            default one of those that move, else the largest of them.
        start: Frames before this time of the file are left out; None is 0.
        end: Frames from this time of the file on are left out; None is its end.

    Attributes:
        info: What the file is.
        fps: As given.
        first_frame: Index, counted from the file's start, of the first frame that is given out: 0 without `start`.
        warnings: What the user should know about how this file is read, a line each; complete when it has been read.
        rate_warning: That of them which says that the file's rate is below `fps`; None where it is not.
        lost: Seconds at the end that its header promises and that could not be read; known when it has been read.
        lost_warning: The warning that says so; None where nothing is lost.

    Raises:
        VideoError: the file is missing, no video, or none of its pictures can be decoded.
        ConfigError: `fps` or `max_side` is out of range, `start` and `end` are no range of the file, or there is no
            video stream of this index.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float = MODEL_FPS,
        max_side: int = 1920,
        *,
        stream: int | None = None,
        start: Seconds | None = None,
        end: Seconds | None = None,
    ):
        _check_types(path, {"fps": fps, "max_side": max_side, "stream": stream, "start": start, "end": end})
        if not 0 < fps <= 1000:
            raise ConfigError(f"fps is {fps}; give a rate over 0 and up to 1000")
        if max_side < 1:
            raise ConfigError(f"max_side is {max_side}; give the pixels of the longer side, at least 1")
        start, end = start or 0.0, math.inf if end is None else end
        if not 0 <= start < end or math.isinf(start):
            raise ConfigError(f"start is {start:g} s and end {end:g} s; give a start from 0 and an end after it")
        self._file_state = file_state(path)
        self._probe = probe(path, stream, Drawing(max_side, KEEP_BYTES))
        self.info: VideoInfo = self._probe.info
        if start >= self.info.duration:
            raise ConfigError(f"{path}: start is {start:g} s, but its pictures end at {self.info.duration:.2f} s")
        self.fps = fps
        self.first_frame = math.ceil(start * fps - 1e-6)
        self.warnings: list[str] = list(self._probe.warnings)
        self.rate_warning: str | None = None
        self.lost: Seconds = 0.0
        self.lost_warning: str | None = None
        self._end = end
        self._max_side = max_side
        self._kept: list[np.ndarray] | None = None
        self._may_be_kept = True
        self._check_rate()

    def part(self, start: Seconds, end: Seconds) -> "Video":
        """Another range of the same file, which is not probed again.

        Raises:
            ConfigError: `start` and `end` are no range of the file.
        """
        if not 0 <= start < min(end, self.info.duration):
            raise ConfigError(
                f"start is {start:g} s and end {end:g} s of {self.info.duration:.2f} s: give a range of it"
            )
        other = copy.copy(self)
        other.first_frame = math.ceil(start * self.fps - 1e-6)
        other.warnings = list(self.warnings)
        other._end, other._kept, other._may_be_kept = end, None, True
        return other

    @property
    def duration(self) -> Seconds:
        """Length of what is read, in s; by the headers, where the file is long."""
        return min(self._end, self.info.duration) - frame_to_seconds(self.first_frame, self.fps)

    @property
    def is_long(self) -> bool:
        """Whether it is decoded again each time it is read, by its headers."""
        if self._kept is not None:
            return False
        scale = min(self._max_side / max(self.info.width, self.info.height), 1.0)
        num_bytes = 3 * scale**2 * self.info.width * self.info.height * self.duration * self.fps
        return not self._may_be_kept or num_bytes > KEEP_BYTES

    @property
    def promised_duration(self) -> Seconds | None:
        """When the pictures end by the headers, from the file's start; None if they don't say."""
        return self._probe.clock.end

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._kept) if self._kept is not None else self._read_and_keep()

    def read(self) -> np.ndarray:
        """All frames at once, (T, H, W, 3) uint8 RGB; for clips, since an hour of video has no room in memory."""
        return np.stack(list(self))

    def _read_and_keep(self) -> Iterator[np.ndarray]:
        kept: list[np.ndarray] = []
        num_bytes = 0
        for frame in self._read() if self._drawn_still_stands() else read_ahead(self._read()):
            if self._may_be_kept:
                num_bytes += 0 if kept and frame is kept[-1] else frame.nbytes
                kept.append(frame)
                if num_bytes > KEEP_BYTES:
                    kept.clear()
                    self._may_be_kept = False  # nor tried again when it is read a second time
            yield frame
        if self._may_be_kept:
            self._kept = kept
            self._probe = self._probe._replace(drawn=None)

    def _drawn_still_stands(self) -> bool:
        """Whether its pictures are there since it was probed; a file that has changed since is read as it is now."""
        if self._probe.drawn is not None and file_state(self.info.path) != self._file_state:
            self._probe = self._probe._replace(drawn=None)
        return self._probe.drawn is not None

    def _read(self) -> Iterator[np.ndarray]:
        timeline = self._probe.pace.timeline(self._probe.clock, frame_to_seconds(self.first_frame, self.fps))
        canvas = Canvas(self.info.pixel_aspect, (self.info.width, self.info.height), self._max_side, Blocks())
        damage, num_frames, path, cut = Damage(), 0, self.info.path, False
        try:
            with contextlib.closing(self._pictures(damage)) as pictures:
                for frame in self._frames(self._placed(pictures, timeline), canvas):
                    if frame_to_seconds(self.first_frame + num_frames, self.fps) >= self._end - 1e-6:
                        cut = True
                        break
                    yield frame
                    num_frames += 1
        except av.FFmpegError as error:
            raise VideoError(f"{path}: decoding failed ({error.strerror}); re-encode the file") from error
        if not num_frames:
            raise VideoError(f"{path}: no picture of it can be decoded any more; was it changed meanwhile?")
        if not cut:
            self._check_length(timeline)
        stamps = timeline.warnings() if self._probe.pace.absurd is None else []
        for text in damage.warnings() + stamps + canvas.warnings():
            self._warn(text)

    def _pictures(self, damage: Damage) -> Generator[Picture]:
        """In the order of display: those that were drawn when the file was probed, else by decoding it."""
        by_dts = self._probe.pace.by_dts
        if self._probe.drawn is not None:
            yield from (picture._replace(pts=picture.dts) if by_dts else picture for picture in self._probe.drawn)
            return
        with open_video(self.info.path, self.info.stream) as (container, stream):
            self._seek(container)
            yield from read_pictures(container, stream, damage, by_dts=by_dts, woven=self._probe.woven)

    def _seek(self, container: av.container.InputContainer) -> None:
        """Goes near the start of the range, where the time stamps tell on the way back where that is."""
        start, clock, pace = frame_to_seconds(self.first_frame, self.fps), self._probe.clock, self._probe.pace
        if start < SEEK_FROM or not clock.promised or clock.origin is None or pace.by_dts or pace.absurd is not None:
            return
        with contextlib.suppress(av.FFmpegError):  # then it is reached by decoding what lies before
            container.seek(int((start - SEEK_MARGIN + clock.origin) * av.time_base))

    def _placed(self, pictures: Iterable[Picture], timeline: Timeline) -> Iterator[tuple[Seconds, Seconds, _Shown]]:
        trusted = self._probe.pace.absurd is None

        def stamp_of(picture: Picture | None) -> Seconds | None:
            return _ticks_to_seconds(picture, picture.pts) if picture and picture.pts is not None and trusted else None

        for picture, following in itertools.pairwise(itertools.chain(pictures, [None])):
            assert picture is not None  # the one None comes last
            # A steady rate is more to be believed than the stated durations, which may count half pictures.
            duration = _ticks_to_seconds(picture, picture.duration) if self.info.variable_fps else None
            start, end = timeline.place(stamp_of(picture), duration, stamp_of(following))
            yield start, end, _Shown(start, picture)

    def _frames(self, pictures: Iterable[tuple[Seconds, Seconds, _Shown]], canvas: Canvas) -> Iterator[np.ndarray]:
        """A frame a tick: the picture, drawn once, or black where it is over 5 s old or 5 s too early."""
        last: tuple[_Shown, np.ndarray] | None = None
        for idx, shown in enumerate(resample(pictures, self.fps, self.first_frame), start=self.first_frame):
            if abs(frame_to_seconds(idx, self.fps) - shown.start) > MAX_HOLD:
                yield canvas.blank()
                continue
            if last is None or shown is not last[0]:
                if not self._may_be_kept:
                    canvas.blocks = None
                picture = shown.picture
                last = shown, picture.frame if isinstance(picture, DrawnPicture) else canvas.draw(picture)
            yield last[1]

    def _check_rate(self) -> None:
        if self.info.fps >= 0.99 * self.fps:
            return
        rate, wanted = f"{self.info.fps:.4g} pictures a second", f"where {self.fps:g} are wanted"
        if 1 / self._probe.pace.interval < 0.99 * self.fps:
            self.rate_warning = (
                f"{rate}, {wanted}: some are shown repeatedly, and quick movements of the lips are lost; "
                f"record at {self.fps:g} or more"
            )
        else:
            self.rate_warning = (
                f"{rate} on average, {wanted}: some are missing, lost to damage or in recording, "
                "and those before them are shown for longer"
            )
        self._warn(self.rate_warning)

    def _check_length(self, timeline: Timeline) -> None:
        read, clock = timeline.end + timeline.skipped, self._probe.clock
        if not clock.promised or clock.end is None or self._probe.pace.absurd is not None:
            return
        if clock.end - read > 0.2 + 2 / self.info.fps:  # less is headers' loose rounding
            self.lost = clock.end - read
            self.lost_warning = (
                f"cut off or damaged: {read:.2f} s were read of the {clock.end:.2f} s that its header promises"
            )
            self._warn(self.lost_warning)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _ticks_to_seconds(picture: Picture, ticks: int) -> Seconds:
    assert picture.time_base is not None  # `pictures_in` sees to it
    return float(ticks * picture.time_base)


def _check_types(path: Any, numbers: dict[str, Any]) -> None:
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"path is a {type(path).__name__}: give the name of a video file, or its address")
    for name, value in numbers.items():
        if value is not None and not isinstance(value, Real):
            raise ConfigError(f"{name} is {value!r}; give a number")
