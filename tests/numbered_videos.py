"""Test videos: each picture carries its own number, so that the frames that come out can be named."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipscribe.video import Video

HEIGHT, WIDTH = 64, 96


def picture_of(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """RGB picture whose 2 x 4 black or white blocks are the eight bits of the number: lossy coding can't hide them."""
    bits = np.array([number >> bit & 1 for bit in range(8)], np.uint8).reshape(2, 4)
    blocks = np.kron(bits, np.ones((height // 2, width // 4), np.uint8)) * 255
    return np.repeat(blocks[..., None], 3, axis=2)


def number_in(frame: np.ndarray) -> int:
    """The number that `picture_of` drew, read in the middle of each block."""
    height, width, _ = frame.shape
    rows, columns = (np.arange(2) * 2 + 1) * height // 4, (np.arange(4) * 2 + 1) * width // 8
    return sum(1 << bit for bit, value in enumerate(frame[np.ix_(rows, columns)].mean(axis=2).flat) if value > 127)


def numbers_in(video: Video) -> list[int]:
    return [number_in(frame) for frame in video]


def write_source(
    path: Path,
    pictures: Sequence[np.ndarray],
    fps: float | Fraction = 25,
    *,
    stamps_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    turn: tuple | None = None,
    aspect: Fraction | None = None,
    **options: str,
) -> Path:
    """A video of the pictures, at a steady rate or at the given times; H.264 has B-frames by default."""
    container_options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        if stamps_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn is not None:
            stream.set_display_rotation(*turn)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for idx, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if stamps_ms is not None:
                frame.pts, frame.time_base = stamps_ms[idx], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbered(count: int) -> list[np.ndarray]:
    return [picture_of(number) for number in range(count)]


def write_sound(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    for start in range(0, int(seconds * 44100), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024 * 2), np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 44100, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_with_sound(
    path: Path,
    pictures: Sequence[np.ndarray],
    late: Fraction,
    *,
    codec: str = "libx264",
    sound: str = "aac",
    gap: tuple[int, Fraction] | None = None,
) -> Path:
    """A video at 25 pictures a second whose pictures begin later than its sound.

    Args:
        late: Seconds.
        gap: A picture and the seconds for which the one before it stays.
    """
    with av.open(str(path), "w") as container:
        voice = container.add_stream(sound, rate=48000)
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        packets = []
        for idx, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            start = late + Fraction(idx, 25) + (gap[1] if gap and idx >= gap[0] else 0)
            frame.pts, frame.time_base = int(start * 25), Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for start in range(0, int((late + Fraction(len(pictures), 25) + (gap[1] if gap else 0)) * 48000), 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152 * 2), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48000, start
            packets += voice.encode(frame)
        packets += voice.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path
