"""Short talkers in every container and codec that this FFmpeg writes: what `fuzz_media` mutates.

python -m trust.media_seeds fuzz/media-seeds
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.format
import numpy as np

from lipscribe.errors import LipscribeError
from lipscribe.talker import Scene, Talker
from lipscribe.video import probe_video

SIZES = (
    (160, 120),
    (176, 144),
    (128, 96),
    (128, 128),
    (256, 128),
    (720, 576),
    (1280, 720),
)  # h261, roq, dv want theirs
LARGE_BYTES = 300_000  # of a seed; larger ones are written again with fewer pictures
FEW_PICTURES = 4
PIXEL_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "rgb24")
# What is written to devices, networks or several files, or holds checksums alone.
NO_FILES = (
    *(
        "alsa",
        "crc",
        "dash",
        "fbdev",
        "fifo",
        "framecrc",
        "framehash",
        "framemd5",
        "hash",
        "hds",
        "hls",
        "image2",
        "md5",
    ),
    *("mkvtimestamp_v2", "null", "oss", "rtp", "rtp_mpegts", "rtsp", "sap", "segment", "smoothstreaming", "streamhash"),
    *("stream_segment,ssegment", "tee", "uncodedframecrc", "video4linux2,v4l2", "webm_chunk", "webm_dash_manifest"),
    "whip",
)
HARDWARE = ("_amf", "_nvenc", "_qsv", "_v4l2m2m", "_vaapi", "vnull", "wrapped_avframe")
CARRIERS = ("nut", "matroska", "avi", "mov", "asf", "ogg", "mxf", "ivf", "gif", "flv", "apng", "webp", "roq", "dv")
CODECS = ("libx264", "mpeg4", "mpeg2video", "mjpeg", "libvpx", "rawvideo", "gif", "h263", "h261", "dnxhd", "dvvideo")
WITH_SOUND = ("mp4", "mov", "matroska", "webm", "avi", "mpegts", "asf", "flv", "ogg", "mpeg", "nut")
INDEX = "seeds.json"
PER_CODEC, PER_CONTAINER = 2, 3


class Seed(NamedTuple):
    """A file that FFmpeg has written, and what of it."""

    file: str
    container: str
    codec: str
    sound: bool


def pictures() -> list[np.ndarray]:
    """A second of a talker, (120, 160, 3) uint8 RGB each."""
    clip = Talker(3).say("bin blue", scene=Scene(width=160, height=120, face=0.28, noise=0))
    return list(clip.frames[5:30])


def load_seeds(folder: Path) -> list[Seed]:
    """All seeds that are read as they are; written to `folder` if they are not there, which takes a minute or two."""
    index = folder / INDEX
    if not index.is_file():  # in a process of its own: encoders that refuse leave files open
        subprocess.run([sys.executable, "-m", "trust.media_seeds", str(folder)], check=True)
    return [Seed(*entry) for entry in json.loads(index.read_text())]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without the pages that x265 and SVT-AV1 print."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _all_seeds(folder: Path, frames: Sequence[np.ndarray]) -> list[Seed]:
    seeds: list[Seed] = []
    for container, codec, sound in _combinations():
        wanted = PER_CODEC if container in CARRIERS else PER_CONTAINER
        of_both = [s for s in seeds if s.codec == codec], [s for s in seeds if s.container == container]
        if not sound and len(of_both[0]) >= PER_CODEC and len(of_both[1]) >= wanted:
            continue
        path = folder / f"{container.split(',')[0]}-{codec}{'-sound' * sound}{_suffix(container)}"
        if _write_some(path, container, codec, frames, sound):
            seeds.append(Seed(path.name, container, codec, sound))
        else:
            path.unlink(missing_ok=True)
    return seeds


def _combinations() -> Iterator[tuple[str, str, bool]]:
    encoders, containers = list(_encoders()), list(_containers())
    for container in WITH_SOUND:
        yield from ((container, codec, True) for codec in ("libx264", "libvpx", "mpeg4"))
    for codec in encoders:
        yield from ((container, codec, False) for container in CARRIERS)
    for container in containers:
        yield from ((container, codec, False) for codec in dict.fromkeys((*_default(container), *CODECS)))


def _encoders() -> Iterator[str]:
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "w")
        except ValueError:  # it is decoded only
            continue
        if codec.type == "video" and not name.endswith(HARDWARE):
            yield name


def _containers() -> Iterator[str]:
    for name in sorted(av.formats_available):
        try:
            av.ContainerFormat(name, "w")
        except ValueError:  # it is read only
            continue
        if name not in NO_FILES:
            yield name


def _default(container: str) -> list[str]:
    try:
        with av.open(io.BytesIO(), "w", format=container) as made:
            return [made.default_video_codec] if made.default_video_codec not in (None, "none") else []
    except (av.FFmpegError, ValueError):
        return []


def _suffix(container: str) -> str:
    known = sorted(extension.strip() for extension in av.ContainerFormat(container, "w").extensions)
    return f".{known[0]}" if known else f".{container}"


def _write_some(path: Path, container: str, codec: str, frames: Sequence[np.ndarray], sound: bool) -> bool:
    """Writes at the first size that the encoder takes; whether it did."""
    for size in SIZES:
        for pixel_format in _pixel_formats(codec):
            try:
                _write(path, container, codec, frames, size, pixel_format, sound)
                if path.stat().st_size > LARGE_BYTES:
                    _write(path, container, codec, frames[:FEW_PICTURES], size, pixel_format, sound)
                return path.stat().st_size > 0
            except (av.FFmpegError, ValueError, OSError, OverflowError, TypeError, AttributeError) as error:
                if "does not support" in str(error):
                    return False
    return False


def _pixel_formats(codec: str) -> list[str]:
    try:
        known = [each.name for each in av.Codec(codec, "w").video_formats or ()]
    except ValueError:  # a container's usual codec, which this FFmpeg only decodes
        return []
    return [name for name in PIXEL_FORMATS if not known or name in known][:1] + known[:1]


def _write(
    path: Path,
    container: str,
    codec: str,
    frames: Sequence[np.ndarray],
    size: tuple[int, int],
    pixel_format: str,
    sound: bool,
) -> None:
    options = {"strict": "-2"}  # experimental encoders too
    with av.open(f"file:{path}", "w", format=container, options=options) as made:
        stream = made.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.thread_count = 1
        heard = made.add_stream(made.default_audio_codec, rate=44100, layout="mono") if sound else None
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(*size, pixel_format)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            made.mux(stream.encode(picture))
        made.mux(stream.encode(None))
        if heard is not None:
            silence = np.zeros((1, 1764 * len(frames)), np.int16)
            samples = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = 44100, 0, Fraction(1, 44100)
            made.mux(heard.encode(samples))
            made.mux(heard.encode(None))


def readable(folder: Path, seeds: Sequence[Seed]) -> list[Seed]:
    """Those that are read as they are."""
    found = []
    for seed in seeds:
        try:
            probe_video(folder / seed.file)
        except LipscribeError:
            continue
        except Exception as error:  # a finding: it stays among the seeds, so that `fuzz_media` tells of it
            print(f"{seed.file}: {error!r}", file=sys.stderr)
        found.append(seed)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with _silence():
        seeds = _all_seeds(folder, pictures())
    read = readable(folder, seeds)
    for name, some in (("written", seeds), ("of them read", read)):
        containers, codecs = {seed.container for seed in some}, {seed.codec for seed in some}
        print(f"{name}: {len(some)} files, {len(containers)} containers, {len(codecs)} codecs", file=sys.stderr)
    (folder / INDEX).write_text(json.dumps(read, indent=0))


if __name__ == "__main__":
    main()
