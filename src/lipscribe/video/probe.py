"""What a video file is, from its headers and its first pictures."""

import itertools
import math
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import av
import av.container
import numpy as np

from lipscribe.errors import VideoError
from lipscribe.units import MODEL_FPS, Seconds
from lipscribe.video import webp
from lipscribe.video.canvas import Turn, pixel_aspect, shown_size, usual_size
from lipscribe.video.decode import Damage, pictures_in, read_packets
from lipscribe.video.drawn import Drawing, DrawnClip, DrawnPicture
from lipscribe.video.interlacing import FieldOrder, WovenDetector
from lipscribe.video.source import Clock, describe_stream, describe_streams, open_video, video_streams
from lipscribe.video.timeline import MAX_HOLD, Timeline

LOOK_PACKETS = 250  # a probe reads so many pictures' packets, 10 s at 25 fps, and decodes the first 2 s of them.
LOOK_PICTURES = 50
KEPT_PICTURES = 3
LOOSE_DTS = 3  # pictures by which guessed times of decoding may differ from a steady rate.
MAX_REORDER = 16  # pictures by which H.264 and its like may put off one that is shown earlier.
SLOWEST, FASTEST = 1 / MAX_HOLD, 1000.0  # Hz: a rate beyond these is a damaged header, not a camera's.
HASTY = 250.0  # Hz: phones film slow motion at 240; what claims more may be a damaged header.


@dataclass(frozen=True)
class VideoInfo:
    """What a video file is, as far as its headers and first pictures tell.

    Attributes:
        path: The file, or its address.
        stream: Index of the stream that is read, among all of the file's.
        width: Pixels across as displayed: after rotation, and with square pixels. Where the size changes, the largest
            that lasts.
        height: Pixels down as displayed.
        fps: Pictures a second, on average, in the file; holes of over 5 s left out.
        variable_fps: Whether pictures stay for different times.
        start: When the first picture is shown, counted from the file's start: the sound may begin earlier.
        duration: From the file's start to the end of the pictures (not of the sound), measured if the file is short,
            else by its headers.
        num_frames: Pictures in the file; counted if the file is short, else by `duration` and `fps`.
        codec: FFmpeg's name of the codec, such as `h264`.
        pixel_format: FFmpeg's name of the pixel format, such as `yuv420p`.
        rotation: Degrees clockwise, 0, 90, 180 or 270, by which a player turns the stored picture.
        pixel_aspect: Width of a stored pixel over its height.
        interlaced: Whether the first pictures are made of two half pictures, be they marked so or not.
        has_audio: Whether there is sound.
    """

    path: str
    stream: int
    width: int
    height: int
    fps: float
    variable_fps: bool
    start: Seconds
    duration: Seconds
    num_frames: int
    codec: str
    pixel_format: str
    rotation: int
    pixel_aspect: float
    interlaced: bool
    has_audio: bool


class Probe(NamedTuple):
    """What it takes to read a file.

    Attributes:
        info: What the file is.
        clock: What its container says of time.
        pace: How fast its pictures follow each other.
        woven: Which field comes first, if its pictures are interlaced and not marked so.
        warnings: What the user should know, a line each.
        drawn: All pictures of a short clip that is in order; None if it was not asked for, or is another.
    """

    info: VideoInfo
    clock: Clock
    pace: "Pace"
    woven: FieldOrder | None
    warnings: tuple[str, ...]
    drawn: list[DrawnPicture] | None


def probe_video(path: str | os.PathLike[str], stream: int | None = None) -> VideoInfo:
    """What the file is, from its headers, the times of its first 250 pictures and a look at the first 50.

    Args:
        path: The file; or an address, as a `str`.
        stream: Index of the stream to look at; None takes the best.

    Raises:
        VideoError: the file is missing, no video, or none of its pictures can be decoded.
        ConfigError: it has no video stream of this index.
    """
    return probe(path, stream).info


def probe(path: str | os.PathLike[str], stream_index: int | None = None, drawing: Drawing | None = None) -> Probe:
    """`probe_video` with what reading needs beside; a short clip is drawn on the way if `drawing` says how."""
    with open_video(path, stream_index) as (container, stream):
        clock, aspect = Clock.of(container, stream), pixel_aspect(stream)
        clip = DrawnClip.of(stream, clock, aspect, drawing) if drawing else None
        look = _Look.at(container, stream, clock, clip)
        look.check(path)
        pace = Pace.of(stream, look, clock)
        first = look.pictures[0]
        drawn = clip.pictures if clip and look.is_in_order else None
        size = clip.size if clip and drawn else usual_size(path, stream.index, aspect, pace.duration)
        width, height = size or shown_size(first, aspect)
        info = VideoInfo(
            path=os.fspath(path),
            stream=stream.index,
            width=width,
            height=height,
            fps=pace.fps,
            variable_fps=pace.variable,
            start=pace.start,
            duration=pace.duration,
            num_frames=look.num_packets if look.whole else round((pace.duration - pace.start) * pace.fps),
            codec="webp" if container.name == webp.NAME else stream.codec_context.codec.canonical_name,
            pixel_format=first.format.name,
            rotation=Turn.of(first).degrees,
            pixel_aspect=aspect,
            interlaced=look.woven is not None or any(picture.interlaced_frame for picture in look.pictures),
            has_audio=bool(container.streams.audio),
        )
        others = describe_streams(other for other in video_streams(container) if other.index != stream.index)
        return Probe(info, clock, pace, look.woven, tuple(_warnings(stream, others, pace, look.woven)), drawn or None)


def _warnings(stream: av.VideoStream, others: str, pace: "Pace", woven: FieldOrder | None) -> Iterator[str]:
    if others:
        chosen = describe_stream(stream)
        yield f"of several video streams {chosen} is read, not {others}; choose with --stream"
    if pace.absurd is not None:
        yield (
            f"{pace.absurd:.4g} pictures a second by its time stamps, which no camera films: {pace.fps:g} were "
            "assumed, so times may be wrong; re-encode the file at its true rate"
        )
    elif pace.fps > HASTY:
        yield (
            f"{pace.fps:.4g} pictures a second by its time stamps, so that it lasts {pace.duration:.2f} s: if it plays "
            "too fast, nothing can be read; re-encode the file at its true rate"
        )
    if woven is not None:
        yield "its pictures are interlaced and not marked as such: they were deinterlaced; film in progressive mode"


@dataclass
class _Look:
    """The first packets of a stream; all of them where the file is short or its headers don't tell enough."""

    pictures: list[av.VideoFrame] = field(default_factory=list)  # the first 3
    pts: list[Seconds | None] = field(default_factory=list)  # of each packet, in the order of decoding
    dts: list[Seconds | None] = field(default_factory=list)
    whole: bool = True
    encrypted: bool = False
    woven: FieldOrder | None = None
    damage: Damage = field(default_factory=Damage)
    _num_seen: int = 0

    @classmethod
    def at(
        cls,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        clock: Clock,
        clip: DrawnClip | None = None,
    ) -> "_Look":
        """Looks at a stream, and draws its pictures if there is a `clip`."""
        look, detector, enough = cls(), WovenDetector(), LOOK_PACKETS
        for packet in read_packets(container, stream, look.damage):
            if look.num_packets >= enough and look.pictures:
                if look.tells_all(stream, clock):
                    look.whole = False
                    break
                enough = sys.maxsize
            look.encrypted |= packet.has_sidedata("encryption_info")
            if not packet.is_discard:
                look.pts.append(None if packet.pts is None else float(packet.pts * packet.time_base))
                look.dts.append(None if packet.dts is None else float(packet.dts * packet.time_base))
            if look._wants_more(clip):
                look._see(pictures_in(stream, packet, look.damage), detector, clip)
        if look._wants_more(clip):
            look._see(pictures_in(stream, None, look.damage), detector, clip)
        look.woven = detector.field_order()
        return look

    @property
    def num_packets(self) -> int:
        return len(self.pts)

    @property
    def by_dts(self) -> bool:
        """Whether only the times of decoding are known, as in AVI with B-frames."""
        return all(pts is None for pts in self.pts) and any(dts is not None for dts in self.dts)

    def stamps(self, whole_groups: bool = True) -> list[Seconds]:
        """Times of the pictures, rising, of one kind: those of display, or where some are missing those of decoding.

        Args:
            whole_groups: Leave out those at the end before which pictures may yet come.
        """
        return self._stamps(leave_out_last=whole_groups and not self.whole)

    def _stamps(self, leave_out_last: bool) -> list[Seconds]:
        known = [dts for dts in self.dts if dts is not None]
        if any(pts is None for pts in self.pts) and len(known) > 1:
            places = [idx for idx, dts in enumerate(self.dts) if dts is not None]
            return _straightened(np.interp(np.arange(places[0], places[-1] + 1), places, known))
        stamps = sorted({pts for pts in self.pts if pts is not None})
        if not leave_out_last:
            return stamps
        return [pts for pts in stamps if pts <= known[-1]] if known else stamps[:-MAX_REORDER]

    def tells_all(self, stream: av.VideoStream, clock: Clock) -> bool:
        """Whether what was read so far stands for the rest: the header gives the length, and no slower rate."""
        steps = _steps(self._stamps(leave_out_last=True))
        if clock.end is None:
            return False
        if not steps:
            return True
        mean = (clock.end - clock.first) / stream.frames if stream.frames else 0.0
        return mean <= 1.02 * statistics.fmean(steps) and SLOWEST <= _rate(statistics.median(steps)) <= FASTEST

    def check(self, path: str | os.PathLike[str]) -> None:
        """Raises a VideoError where no picture can be decoded."""
        if self.encrypted:
            raise VideoError(f"{path}: encrypted: its pictures can't be decoded without the key; decrypt it first")
        if not self.pictures:
            reason = self.damage.reason or "it has none"
            raise VideoError(f"{path}: no picture of it can be decoded ({reason}); copy it again, or re-encode it")

    @property
    def is_in_order(self) -> bool:
        """Whether all pictures were decoded, and nothing is to be mended."""
        return self.whole and self.woven is None and not self.damage.warnings()

    def _wants_more(self, clip: DrawnClip | None) -> bool:
        return self.damage.num_pictures < LOOK_PICTURES or (clip is not None and not clip.gave_up)

    def _see(self, pictures: list[av.VideoFrame], detector: WovenDetector, clip: DrawnClip | None) -> None:
        for picture in pictures:
            if len(self.pictures) < KEPT_PICTURES:
                self.pictures.append(picture)
            if self._num_seen < LOOK_PICTURES:
                detector.push(picture)
            self._num_seen += 1
            if clip:
                clip.add(picture)


def _straightened(times: np.ndarray) -> list[Seconds]:
    """Times of decoding, of which libav guesses some, and now and then a picture too early or too late."""
    usual = float(np.median(np.diff(times)))
    steady = times[0] + usual * np.arange(len(times))
    return (steady if np.ptp(times - steady) <= LOOSE_DTS * usual else np.sort(times)).tolist()


def _steps(stamps: list[Seconds]) -> list[Seconds]:
    return [later - earlier for earlier, later in itertools.pairwise(stamps)]


def _rate(interval: Seconds) -> float:
    """Pictures a second; infinite where the times stand still."""
    return 1 / interval if interval else math.inf


class Pace(NamedTuple):
    """How fast the pictures of a file follow each other.

    Attributes:
        fps: On average, holes left out.
        interval: Usually between two of them.
        variable: Whether they stay for different times.
        start, duration: When the first is shown and the last goes, from the file's start.
        by_dts: Whether they have times of decoding only.
        absurd: The rate by the time stamps, where it is none that can be believed; None where it is.
    """

    fps: float
    interval: Seconds
    variable: bool
    start: Seconds
    duration: Seconds
    by_dts: bool
    absurd: float | None

    @classmethod
    def of(cls, stream: av.VideoStream, look: _Look, clock: Clock) -> "Pace":
        """The pace of a stream by its first packets."""
        stated = [float(rate) for rate in (stream.guessed_rate, stream.average_rate) if rate]
        steps = _steps(look.stamps()) or [1 / rate for rate in stated[:1]] or [1 / MODEL_FPS]
        usual = statistics.median(steps)
        if not SLOWEST <= _rate(usual) <= FASTEST:
            length = look.num_packets / MODEL_FPS
            return cls(MODEL_FPS, 1 / MODEL_FPS, False, 0.0, length, look.by_dts, _rate(usual))
        steps = [step for step in steps if step <= MAX_HOLD]
        mean = statistics.fmean(steps)
        # 2 ms: what rounding to the millisecond, as Matroska does, makes of steady pictures.
        variable = any(abs(step - usual) > max(0.25 * usual, 0.002) for step in steps)
        # Stated rates are exact (30000/1001), measured ones are true: take a stated one that agrees.
        fps = next((rate for rate in stated if abs(rate * mean - 1) < 0.01), 1 / mean)
        pace = cls(fps, usual, variable, clock.first, clock.end or 0.0, look.by_dts, None)
        return pace._measured(look, pace.timeline(clock))

    def _measured(self, look: _Look, timeline: Timeline) -> "Pace":
        """The same with start and duration by the time stamps, as far as they are known."""
        stamps = look.stamps(whole_groups=False)
        starts = [timeline.place(one, None, after)[0] for one, after in itertools.pairwise([*stamps, None])]
        start = starts[0] if starts else self.start
        if not look.whole:
            return self._replace(start=start)
        steady = not self.variable and not timeline.skipped and max(_steps(starts), default=0.0) <= MAX_HOLD
        return self._replace(start=start, duration=start + look.num_packets / self.fps if steady else timeline.end)

    def timeline(self, clock: Clock, since: Seconds = 0.0) -> Timeline:
        """A new one for the pictures of this file, of which those before `since` are not wanted."""
        if self.absurd is not None:  # its stamps are not looked at
            return Timeline(self.interval)
        return Timeline(self.interval, None if self.by_dts else clock.origin, clock.first, clock.until, since)
