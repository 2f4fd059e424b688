"""Prepared clips in shards: tar files in the WebDataset layout, read from front to end.

A clip is two neighbouring members: `<key>.json` (its manifest record) and its crops, either `<key>.crops.npz`
(lossless) or `<key>.crops.mp4` (grey H.264, about a tenth of the size). The key is the clip's id, with the dots of its
last part written as %2E: WebDataset ends a key at the first dot there. Writing and reading use the standard library's
tarfile, so that a bare GPU box needs nothing more; the `webdataset` package reads the same files.
"""

import io
import json
import tarfile
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from lipscribe.atomic import writing
from lipscribe.data.manifest import Clip, clip_record
from lipscribe.errors import ConfigError, ManifestError, MissingExtraError
from lipscribe.schema import from_dict

Codec = Literal["lossless", "compact"]
# Exceptions of tarfile, zipfile, zlib, json, numpy and PyAV for damaged bytes (see _from_mp4).
_DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError)
_DAMAGE += (tarfile.TarError, zipfile.BadZipFile, zlib.error, tokenize.TokenError)
PREPARE_FILE = "prepare.json"  # in a prepared folder: its inputs and options
DEFLATE_LEVEL = 4  # a fifth of the time of zlib's default, 6, for 4 % more bytes
COMPACT_CRF = 15  # H.264 quality; does not change the WER (docs/results.md)
COMPACT_PRESET = "fast"  # half the time of "slow", for 3 % more bytes at 0.03 dB less


Member = tuple[str, bytes]  # name and content of a file in a shard


@dataclass(frozen=True)
class PreparedClip:
    """A clip and its mouth crops (T, 96, 96) uint8 at the rate of the model."""

    clip: Clip
    crops: np.ndarray


@dataclass(frozen=True)
class CropsPlace:
    """Where the encoded crops of a clip lie: offset and size in bytes, and the suffix of their member."""

    shard: Path
    offset: int
    size: int
    suffix: str


def write_shard(path: Path | str, clips: Iterable[PreparedClip], codec: Codec = "lossless") -> None:
    """Writes a shard atomically."""
    write_members(path, (member for clip in clips for member in clip_members(clip, codec)))


def clip_members(prepared: PreparedClip, codec: Codec) -> list[Member]:
    """Name and content of the files that hold one clip in a shard."""
    encode, suffix = (_to_npz, ".crops.npz") if codec == "lossless" else (_to_mp4, ".crops.mp4")
    return _members(prepared.clip, suffix, encode(prepared.crops))


def _members(clip: Clip, suffix: str, content: bytes) -> list[Member]:
    key = _key(clip.id)
    return [(f"{key}.json", json.dumps(clip_record(clip)).encode()), (key + suffix, content)]


def _key(clip_id: str) -> str:
    folder, slash, name = clip_id.rpartition("/")
    return folder + slash + name.replace("%", "%25").replace(".", "%2E")


def write_members(path: Path | str, members: Iterable[Member]) -> None:
    """Writes a shard of encoded clips (see `clip_members`) atomically."""
    with writing(path) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def read_shard(path: Path | str) -> Iterator[PreparedClip]:
    """Reads a shard from front to end.

    Raises:
        ManifestError: It is missing, cut off or no shard.
        MissingExtraError: It holds video, and neither av nor cv2 is installed.
    """
    return (prepared for prepared, _ in locate_clips(path))


def locate_clips(path: Path | str) -> Iterator[tuple[PreparedClip, CropsPlace]]:
    """As `read_shard`, each clip with the place of its crops, from which `read_crops` reads them again."""
    path = Path(path)
    try:
        for clip, suffix, content, offset in _read_encoded(path):
            yield PreparedClip(clip, _DECODERS[suffix](content)), CropsPlace(path, offset, len(content), suffix)
    except _DAMAGE as error:
        raise _damaged(path, error) from None


def read_crops(place: CropsPlace) -> np.ndarray:
    """The crops (T, 96, 96) uint8 of one clip; raises what `read_shard` raises."""
    try:
        with place.shard.open("rb") as file:
            file.seek(place.offset)
            return _DECODERS[place.suffix](file.read(place.size))
    except _DAMAGE as error:
        raise _damaged(place.shard, error) from None


def read_members(path: Path | str) -> Iterator[tuple[Clip, list[Member]]]:
    """Reads the clips of a shard without decoding their crops, for another shard (see `write_members`).

    Raises:
        ManifestError: It is missing, cut off or no shard.
    """
    try:
        for clip, suffix, content, _ in _read_encoded(Path(path)):
            yield clip, _members(clip, suffix, content)
    except _DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path | str, error: Exception) -> ManifestError:
    return ManifestError(f"shard {path} cannot be read ({error}): prepare it again")


def _read_encoded(path: Path) -> Iterator[tuple[Clip, str, bytes, int]]:
    """Yields record, suffix, encoded crops and their offset of each clip; raises the exceptions in `_DAMAGE`."""
    _check_end(path)
    with tarfile.open(path, "r|") as tar:
        members = (
            (member.name, file.read(), member.offset_data) for member in tar if (file := tar.extractfile(member))
        )
        for name, record, _ in members:
            clip = from_dict(Clip, json.loads(record), f"{path}: {name}", ManifestError)
            name, content, offset = next(members, ("", b"", 0))
            # Shards of earlier versions have the id itself for a key.
            suffixes = [suffix for suffix in _DECODERS if name in (_key(clip.id) + suffix, clip.id + suffix)]
            if not suffixes:
                raise ValueError(f"after the record of {clip.id} comes {name or 'nothing'}, wanted its crops")
            yield clip, suffixes[0], content, offset


def _check_end(path: Path) -> None:
    """Checks for the 1024 zeros at the end of a tar file: truncation between two members is otherwise not detected."""
    with path.open("rb") as file:
        file.seek(-1024, io.SEEK_END)
        if any(file.read()):
            raise ValueError("it is cut off")


def find_shards(folder: Path | str, split: str) -> list[Path]:
    """The shards of one split in a prepared folder, in order.

    Raises:
        ManifestError: There are none; the message lists the splits of the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ManifestError(f"{folder} is not a folder: run `lipscribe prepare` first, or give another")
    found = sorted(folder.glob("*-*.tar"))
    shards = [path for path in found if path.name.rsplit("-", 1)[0] == split]
    if not shards:
        there = sorted({path.name.rsplit("-", 1)[0] for path in found})
        have = f"it has {', '.join(there)}" if there else "it holds no shards: run `lipscribe prepare` first"
        raise ManifestError(f"{folder} has no split {split!r}: {have}")
    return shards


def check_crop(folder: Path | str, wanted: str) -> None:
    """Checks that a prepared folder holds the kind of crops that a model reads, `spec.input.crop`.

    A folder without this field has Lipscribe's own: it is of an earlier version.

    Raises:
        ConfigError: The folder has another kind.
        ManifestError: Its record is damaged.
    """
    path = Path(folder) / PREPARE_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found = record.get("crop", "lipscribe")
    except (OSError, ValueError, AttributeError) as error:
        raise ManifestError(f"{path} is damaged ({error}): prepare the clips again") from None
    if found != wanted:
        raise ConfigError(
            f"{folder} holds {found} crops, but the model reads {wanted} crops (input.crop of its spec): "
            f"want a folder made by `lipscribe prepare --crop {wanted}`"
        )


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


def _from_npz(content: bytes) -> np.ndarray:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        crops = arrays["delta"]
    if crops.dtype != np.uint8:
        raise ValueError(f"crops are {crops.dtype}, wanted uint8")
    for before, crop in pairwise(crops):  # a fortieth of the time of `np.cumsum`
        np.add(crop, before, out=crop)
    return crops


def _to_mp4(crops: np.ndarray) -> bytes:
    import av
    from av.video.reformatter import ColorRange

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(COMPACT_CRF), "preset": COMPACT_PRESET})
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
        with av.open(io.BytesIO(content), "r") as container:
            return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
    except (av.FFmpegError, IndexError) as error:  # IndexError: so damaged that it has no video stream any more
        raise ValueError(str(error)) from None


def _from_mp4_by_cv2(content: bytes) -> np.ndarray:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("compact shards hold video: pip install av (or opencv-python-headless)") from None
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(content)
        file.flush()
        capture, frames = cv2.VideoCapture(file.name), []
        while (read := capture.read())[0]:
            frames.append(read[1][..., 0])
        capture.release()
    return np.stack(frames)


_DECODERS = {".crops.npz": _from_npz, ".crops.mp4": _from_mp4}
