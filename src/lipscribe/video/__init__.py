"""A video file as frames (T, H, W, 3) uint8 RGB at a steady rate, and back.

`source` decodes, `timeline` says which picture is on screen when, `write` saves; this is the way in.
"""

import itertools
import os
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import av
import av.container
import numpy as np

from lipscribe.errors import ConfigError, VideoError
from lipscribe.units import MODEL_FPS, Seconds
from lipscribe.video.read_ahead import read_ahead
from lipscribe.video.source import (
    Canvas,
    Damage,
    Turn,
    header_duration,
    open_video,
    pictures_in,
    pixel_aspect,
    read_packets,
    read_pictures,
    shown_size,
)
from lipscribe.video.timeline import MAX_GAP, Timeline, resample
from lipscribe.video.write import save_video

__all__ = ["Video", "VideoInfo", "probe_video", "save_video"]

LOOK_PACKETS = 250  # a probe reads so many pictures' packets, 10 s at 25 fps, and decodes the first few.
LOOK_PICTURES = 3
KEEP_BYTES = 128_000_000  # a clip that is smaller than this when decoded is kept, so that it is decoded once.


@dataclass(frozen=True)
class VideoInfo:
    """What a video file is, as far as its headers and first pictures tell.

    Attributes:
        path: The file.
        width: Pixels across as displayed: after rotation, and with square pixels.
        height: Pixels down as displayed.
        fps: Pictures a second, on average, in the file.
        variable_fps: Whether pictures stay for different times.
        duration: Length of the pictures (not of the sound), measured if the file is short, else by its headers.
        num_frames: Pictures in the file; counted if the file is short, else `duration * fps`.
        codec: FFmpeg's name of the codec, such as `h264`.
        pixel_format: FFmpeg's name of the pixel format, such as `yuv420p`.
        rotation: Degrees clockwise, 0, 90, 180 or 270, by which a player turns the stored picture.
        pixel_aspect: Width of a stored pixel over its height.
        interlaced: Whether the first pictures are made of two half pictures.
        has_audio: Whether there is sound.
    """

    path: str
    width: int
    height: int
    fps: float
    variable_fps: bool
    duration: Seconds
    num_frames: int
    codec: str
    pixel_format: str
    rotation: int
    pixel_aspect: float
    interlaced: bool
    has_audio: bool


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """What the file is, from its headers, the times of its first 250 pictures and a look at the first three.

    Raises:
        VideoError: the file is missing, no video, or none of its pictures can be decoded.
    """
    return _probe(path)[0]


def _probe(path: str | os.PathLike[str]) -> tuple[VideoInfo, Seconds]:
    """What the file is, and the usual time between two of its pictures."""
    with open_video(path) as (container, stream):
        look = _Look.at(container, stream)
        if not look.pictures:
            reason = look.damage.reason or "it has none"
            raise VideoError(f"{path}: no picture of it can be decoded ({reason}); copy it again, or re-encode it")
        pace = _Pace.of(container, stream, look)
        first = look.pictures[0]
        aspect, turn = pixel_aspect(stream), Turn.of(first)
        width, height = shown_size(first, aspect, turn)
        info = VideoInfo(
            path=os.fspath(path),
            width=width,
            height=height,
            fps=pace.fps,
            variable_fps=pace.variable,
            duration=pace.duration,
            num_frames=look.num_packets if look.whole else round(pace.duration * pace.fps),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=first.format.name,
            rotation=turn.degrees,
            pixel_aspect=aspect,
            interlaced=any(picture.interlaced_frame for picture in look.pictures),
            has_audio=bool(container.streams.audio),
        )
    return info, pace.interval


@dataclass
class _Look:
    """The first packets of a stream; all of them where the file is short or its headers don't give its length."""

    pictures: list[av.VideoFrame] = field(default_factory=list)
    stamps: list[Seconds] = field(default_factory=list)
    num_packets: int = 0
    whole: bool = True
    damage: Damage = field(default_factory=Damage)

    @classmethod
    def at(cls, container: av.container.InputContainer, stream: av.VideoStream) -> "_Look":
        look = cls()
        has_header = header_duration(container, stream)[0] is not None
        for packet in read_packets(container, stream, look.damage):
            if look.num_packets >= LOOK_PACKETS and look.pictures and has_header:
                look.whole = False
                break
            stamp = packet.dts if packet.pts is None else packet.pts
            if not packet.is_discard:
                look.num_packets += 1
                if stamp is not None:
                    look.stamps.append(float(stamp * packet.time_base))
            if len(look.pictures) < LOOK_PICTURES:
                look.pictures += pictures_in(stream, packet, look.damage)
        if len(look.pictures) < LOOK_PICTURES:
            look.pictures += pictures_in(stream, None, look.damage)
        return look


class _Pace(NamedTuple):
    """How fast the pictures of a file follow each other."""

    fps: float  # on average
    interval: Seconds  # usually between two of them
    variable: bool
    duration: Seconds  # of all

    @classmethod
    def of(cls, container: av.container.InputContainer, stream: av.VideoStream, look: _Look) -> "_Pace":
        stated = [float(rate) for rate in (stream.guessed_rate, stream.average_rate) if rate] or [MODEL_FPS]
        stamps = sorted(set(look.stamps))
        steps = [later - earlier for earlier, later in itertools.pairwise(stamps)]
        steps = [step for step in steps if step <= MAX_GAP] or [1 / stated[0]]
        usual, mean = statistics.median(steps), statistics.fmean(steps)
        # 2 ms: what rounding to the millisecond, as Matroska does, makes of steady pictures.
        variable = any(abs(step - usual) > max(0.25 * usual, 0.002) for step in steps)
        header, _ = header_duration(container, stream)
        if not look.whole and stream.frames and header / stream.frames > 1.02 * mean:  # slower further on
            variable, mean = True, header / stream.frames
        # Stated rates are exact (30000/1001), measured ones are true: take a stated one that agrees.
        fps = next((rate for rate in stated if abs(rate * mean - 1) < 0.01), 1 / mean)
        measured = sum(steps) + mean if variable else look.num_packets / fps
        return cls(fps, usual, variable, measured if look.whole else header)


class Video:
    """The pictures of a video file at a steady rate, upright and with square pixels, read as they are asked for.

    Iterating gives frames (H, W, 3) uint8 RGB, all of one size; frame i is the picture nearest in time to `i / fps`
    seconds after the first. They are read-only, since a picture that stays is given out repeatedly: copy one to draw on
    it. Each iteration starts anew; memory doesn't grow with the length, and a clip under 128 MB is decoded only once.

    Args:
        path: The file; any container and codec that FFmpeg reads.
        fps: Rate of the frames, in Hz.
        max_side: Larger pictures are made smaller, so that their longer side has this many pixels.

    Attributes:
        info: What the file is.
        fps: As given.
        warnings: What the user should know about how this file is read, a line each; complete when it has been read.
        rate_warning: That of them which says that the file's rate is below `fps`; None where it is not.

    Raises:
        VideoError: the file is missing, no video, or none of its pictures can be decoded.
        ConfigError: `fps` or `max_side` is out of range.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float = MODEL_FPS, max_side: int = 1920):
        if not 0 < fps <= 1000:
            raise ConfigError(f"fps is {fps}; give a rate over 0 and up to 1000")
        if max_side < 1:
            raise ConfigError(f"max_side is {max_side}; give the pixels of the longer side, at least 1")
        self.info, self._interval = _probe(path)
        self.fps = fps
        self.warnings: list[str] = []
        self.rate_warning: str | None = None
        self._max_side = max_side
        self._kept: list[np.ndarray] | None = None
        self._may_be_kept = True
        self._check_rate()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._kept) if self._kept is not None else self._read_and_keep()

    def read(self) -> np.ndarray:
        """All frames at once, (T, H, W, 3) uint8 RGB; for clips, since an hour of video has no room in memory."""
        return np.stack(list(self))

    def _read_and_keep(self) -> Iterator[np.ndarray]:
        kept: list[np.ndarray] = []
        num_bytes = 0
        for frame in read_ahead(self._read()):
            if self._may_be_kept:
                num_bytes += 0 if kept and frame is kept[-1] else frame.nbytes
                kept.append(frame)
                if num_bytes > KEEP_BYTES:
                    kept.clear()
                    self._may_be_kept = False  # nor tried again when it is read a second time
            yield frame
        if self._may_be_kept:
            self._kept = kept

    def _read(self) -> Iterator[np.ndarray]:
        damage, timeline = Damage(), Timeline(self._interval)
        canvas = Canvas(self.info.pixel_aspect, self._max_side)
        last = frame = None
        try:
            with open_video(self.info.path) as (container, stream):
                pictures = self._place(read_pictures(container, stream, damage), timeline)
                for picture in resample(pictures, self.fps):
                    if picture is not last:
                        last, frame = picture, canvas.draw(picture)
                    yield frame
                self._check_length(timeline, *header_duration(container, stream))
        except av.FFmpegError as error:
            raise VideoError(f"{self.info.path}: decoding failed ({error.strerror}); re-encode the file") from error
        if frame is None:
            raise VideoError(f"{self.info.path}: no picture of it can be decoded any more; was it changed meanwhile?")
        for text in damage.warnings() + timeline.warnings() + canvas.warnings():
            self._warn(text)

    def _place(
        self, pictures: Iterable[av.VideoFrame], timeline: Timeline
    ) -> Iterator[tuple[Seconds, Seconds, av.VideoFrame]]:
        for picture in pictures:
            stamp = None if picture.pts is None else float(picture.pts * picture.time_base)
            # A steady rate is more to be believed than the stated durations, which may count half pictures.
            duration = float(picture.duration * picture.time_base) if self.info.variable_fps else None
            yield *timeline.place(stamp, duration), picture

    def _check_rate(self) -> None:
        if self.info.fps >= 0.99 * self.fps:
            return
        rate, wanted = f"{self.info.fps:.4g} pictures a second", f"where {self.fps:g} are wanted"
        if 1 / self._interval < 0.99 * self.fps:
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

    def _check_length(self, timeline: Timeline, header: Seconds | None, promised: bool) -> None:
        read = timeline.end + timeline.skipped
        if promised and header - read > 0.2 + 2 / self.info.fps:  # less is headers' loose rounding
            self._warn(f"cut off or damaged: {read:.2f} s were read of the {header:.2f} s that its header promises")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
