"""Frames to a video file."""

import itertools
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipscribe.atomic import writing_path
from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.h264 import repeatable


def save_video(
    path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: float, *, crf: int = 18, preset: str = "medium"
) -> None:
    """Writes frames as an H.264 MP4 that any player opens; the file takes its name only when it is whole.

    Args:
        path: Where to; an older file of that name is replaced.
        frames: (T, H, W, 3) uint8 RGB or (T, H, W) uint8 grey: an array, or its frames one by one. Players want even
            sizes, so the last row or column of an odd one is doubled.
        fps: Rate, in Hz.
        crf: Quality, from 0 (best) over 18 (can't be told from the source) to 51.
        preset: x264's trade of time for size, from "ultrafast" to "veryslow"; the quality stays about the same.

    Raises:
        ConfigError: `fps` or `crf` is out of range.
        LipscribeError: there is no frame, one is of another kind than wanted, or the file can't be written.
    """
    if not 0 < fps <= 1000:
        raise ConfigError(f"fps is {fps}; give a rate over 0 and up to 1000")
    if not 0 <= crf <= 51:
        raise ConfigError(f"crf is {crf}; give a quality from 0 (best) to 51")
    path = Path(path)
    if path.is_dir():
        raise LipscribeError(f"{path}: a directory; name the video file to write in it")
    try:
        with writing_path(path) as partial:
            partial.touch()  # fails now, and not after the first second of frames, which the encoder holds back
            rate = Fraction(fps).limit_denominator(1001)
            _write(partial, _checked(frames), rate, {"crf": str(crf), "preset": preset, **repeatable()})
    except (OSError, av.FFmpegError) as error:
        raise LipscribeError(
            f"{path}: can't be written ({error.strerror}); check that its folder exists, has room and may be written to"
        ) from error


def _checked(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    if isinstance(frames, np.ndarray) and (frames.ndim not in (3, 4) or (frames.shape[-1] == 3 and frames.ndim == 3)):
        raise LipscribeError(f"frames are {frames.shape}; give (T, H, W, 3) RGB or (T, H, W) grey")
    first = None
    for frame in frames:
        first = frame if first is None else first
        if frame.dtype != np.uint8:
            raise LipscribeError(f"frames are {frame.dtype}; convert them to uint8, 0 to 255")
        if frame.size == 0 or not (frame.ndim == 2 or (frame.ndim == 3 and frame.shape[-1] == 3)):
            raise LipscribeError(f"a frame is {frame.shape}; give (H, W, 3) RGB or (H, W) grey")
        if frame.shape != first.shape:
            raise LipscribeError(f"a frame is {frame.shape}, the first is {first.shape}; give all of them one size")
        yield frame
    if first is None:
        raise LipscribeError("there are no frames; give at least one to write a video of")


def _write(path: Path, frames: Iterator[np.ndarray], rate: Fraction, options: dict[str, str]) -> None:
    first = next(frames)  # `_checked` raises where there is none
    height, width = first.shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))[: first.ndim]
    with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        for frame_idx, frame in enumerate(itertools.chain([first], frames)):
            even = np.pad(frame, odd, mode="edge")
            picture = av.VideoFrame.from_ndarray(even, format="gray" if frame.ndim == 2 else "rgb24")
            picture.pts, picture.time_base = frame_idx, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
