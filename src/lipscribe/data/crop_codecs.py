"""How the crops of a clip are encoded in a shard: lossless arrays, or grey H.264."""

import io
import tarfile
import tempfile
import tokenize
import zipfile
import zlib
from itertools import pairwise
from math import prod
from typing import IO, Literal

import numpy as np

from lipscribe.errors import MissingExtraError
from lipscribe.h264 import repeatable

Codec = Literal["lossless", "compact"]
# Exceptions of tarfile, zipfile, zlib, json, numpy and PyAV for damaged bytes (see _from_mp4).
DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError)
DAMAGE += (tarfile.TarError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)
CROP_PX = 96  # `mouth.CROP_SIZE`, whose package imports PyAV and OpenCV: training does without
MAX_DEFLATED = 1040  # bytes that a byte of zlib's can become
DEFLATE_LEVEL = 4  # a fifth of the time of zlib's default, 6, for 4 % more bytes
COMPACT_CRF = 15  # H.264 quality; does not change the WER (docs/results.md)
COMPACT_PRESET = "fast"  # half the time of "slow", for 3 % more bytes at 0.03 dB less


def encode(crops: np.ndarray, codec: Codec) -> tuple[bytes, str]:
    """Encodes crops (T, 96, 96) uint8, and gives the suffix of their file in a shard."""
    return (_to_npz(crops), ".crops.npz") if codec == "lossless" else (_to_mp4(crops), ".crops.mp4")


def num_frames(file: IO[bytes], suffix: str) -> int:
    """The number of frames of encoded crops, from their header where it has it.

    Raises:
        One of the exceptions in `DAMAGE`.
    """
    if suffix == ".crops.npz":
        return _num_frames_of_npz(file)
    content = file.read()
    try:
        import av

        with av.open(io.BytesIO(content), "r", format="mp4") as container:
            number = container.streams.video[0].frames
            if 0 < number <= len(content):  # a header may say anything
                return int(number)
    except (ImportError, IndexError, OSError, ValueError):  # decoding says what is wrong
        pass
    return len(DECODERS[suffix](content))


def _to_npz(crops: np.ndarray) -> bytes:
    # Neighbouring frames are similar: their differences compress better.
    delta = np.diff(crops, axis=0, prepend=np.zeros_like(crops[:1]))
    buffer = io.BytesIO()
    # As `np.savez_compressed` writes it, whose level is always 6.
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=DEFLATE_LEVEL) as archive,
        archive.open("delta.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, delta, allow_pickle=False)
    return buffer.getvalue()


def _num_frames_of_npz(file: IO[bytes]) -> int:
    """The number of frames, by the array's header; numpy would allocate what that asks for."""
    with zipfile.ZipFile(file) as archive, archive.open("delta.npy") as array:
        version = np.lib.format.read_magic(array)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(array)
        if dtype != np.uint8 or len(shape) != 3 or shape[1:] != (CROP_PX, CROP_PX):
            raise ValueError(f"crops are {dtype} {shape}, wanted uint8 (T, {CROP_PX}, {CROP_PX})")
        if not 0 <= prod(shape) <= MAX_DEFLATED * file.seek(0, io.SEEK_END):
            raise ValueError(f"crops are {shape}, more than the file can hold")
    return int(shape[0])


def _from_npz(content: bytes) -> np.ndarray:
    _num_frames_of_npz(io.BytesIO(content))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        crops = arrays["delta.npy"]  # the member that was looked at: a file may have another one called "delta"
    for before, crop in pairwise(crops):  # a fortieth of the time of `np.cumsum`
        np.add(crop, before, out=crop)
    return crops


def _to_mp4(crops: np.ndarray) -> bytes:
    import av
    from av.video.reformatter import ColorRange

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"crf": str(COMPACT_CRF), "preset": COMPACT_PRESET, **repeatable()}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.codec_context.thread_count = 1  # with more, the bytes depend on their number
        stream.height, stream.width = crops.shape[1:]
        stream.pix_fmt = "gray"
        stream.codec_context.color_range = ColorRange.JPEG  # else readers take 16 for black and 235 for white
        for crop in crops:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(crop, format="gray")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _from_mp4(content: bytes) -> np.ndarray:
    try:
        import av
    except ImportError:
        return _from_mp4_by_cv2(content)
    try:
        with av.open(io.BytesIO(content), "r", format="mp4") as container:
            stream = container.streams.video[0]
            if (stream.height, stream.width) != (CROP_PX, CROP_PX):  # others may not fit into memory
                raise ValueError(f"crops are {stream.width} x {stream.height} pixels, wanted {CROP_PX} x {CROP_PX}")
            return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(stream)])
    except (av.FFmpegError, IndexError, AttributeError) as error:  # the last two: no video stream any more
        raise ValueError(str(error)) from None


def _from_mp4_by_cv2(content: bytes) -> np.ndarray:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("compact shards hold video: pip install av (or opencv-python-headless)") from None
    if content[4:8] != b"ftyp":  # a playlist would make FFmpeg open other files
        raise ValueError("not an MP4")
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(content)
        file.flush()
        capture, frames = cv2.VideoCapture(file.name), []
        while (read := capture.read())[0]:
            frames.append(read[1][..., 0])
        capture.release()
    return np.stack(frames)


DECODERS = {".crops.npz": _from_npz, ".crops.mp4": _from_mp4}
