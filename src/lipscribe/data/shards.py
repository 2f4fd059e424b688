"""Prepared clips in shards: tar files in the WebDataset layout, read from front to end.

A clip is two neighbouring members: `<key>.json` (its manifest record) and its crops, either `<key>.crops.npz`
(lossless) or `<key>.crops.mp4` (grey H.264, about a tenth of the size). The key is the clip's id, with the dots of its
last part written as %2E: WebDataset ends a key at the first dot there. Writing and reading use the standard library's
tarfile, so that a bare GPU box needs nothing more; the `webdataset` package reads the same files.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lipscribe.data.crop_codecs import DAMAGE, DECODERS, Codec, encode
from lipscribe.data.manifest import Clip, clip_record
from lipscribe.data.shard_index import (
    END_BYTES,
    IndexWriter,
    check_end,
    check_zeros,
    crops_suffix,
    damaged,
    key_of,
    opened,
)
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.plain_data import check_format, parse_json
from lipscribe.resumable import FORMAT_VERSION
from lipscribe.schema import from_dict
from lipscribe.storage import AnyPath, location, writing

PREPARE_FILE = "prepare.json"  # in a prepared folder: its inputs and options

Member = tuple[str, bytes]  # name and content of a file in a shard


@dataclass(frozen=True)
class PreparedClip:
    """A clip and its mouth crops (T, 96, 96) uint8 at the rate of the model."""

    clip: Clip
    crops: np.ndarray


def write_shard(path: AnyPath | str, clips: Iterable[PreparedClip], codec: Codec = "lossless") -> None:
    """Writes a shard atomically, and its index."""
    write_members(path, (member for clip in clips for member in clip_members(clip, codec)), index=True)


def clip_members(prepared: PreparedClip, codec: Codec) -> list[Member]:
    """Name and content of the files that hold one clip in a shard."""
    content, suffix = encode(prepared.crops, codec)
    return _members(prepared.clip, suffix, content)


def _members(clip: Clip, suffix: str, content: bytes) -> list[Member]:
    key = key_of(clip.id)
    return [(f"{key}.json", json.dumps(clip_record(clip)).encode()), (key + suffix, content)]


def write_members(path: AnyPath | str, members: Iterable[Member], index: bool = False) -> None:
    """Writes a shard of encoded clips (see `clip_members`) atomically, and then its index if wanted."""
    writer = IndexWriter(location(path)) if index else None
    with writing(path) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            if writer:
                writer.add(name, content, tar.offset)
    if writer:
        writer.write()


def read_shard(path: AnyPath | str) -> Iterator[PreparedClip]:
    """Reads a shard from front to end.

    Raises:
        ManifestError: It is missing, cut off or no shard.
        MissingExtraError: It holds video, and neither av nor cv2 is installed.
    """
    path = location(path)
    try:
        for clip, suffix, content in _read_encoded(path):
            yield PreparedClip(clip, DECODERS[suffix](content))
    except DAMAGE as error:
        raise damaged(path, error) from None


def read_members(path: AnyPath | str) -> Iterator[tuple[Clip, list[Member]]]:
    """Reads the clips of a shard without decoding their crops, for another shard (see `write_members`).

    Raises:
        ManifestError: It is missing, cut off or no shard.
    """
    try:
        for clip, suffix, content in _read_encoded(location(path)):
            yield clip, _members(clip, suffix, content)
    except DAMAGE as error:
        raise damaged(path, error) from None


def read_whole(path: AnyPath) -> list[Member]:
    """All files of a small tar, as they are; raises what `read_shard` raises."""
    try:
        content = path.read_bytes()
        check_zeros(content[-END_BYTES:])
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            return [(member.name, opened(tar, member).read()) for member in tar]
    except DAMAGE as error:
        raise damaged(path, error) from None


def _read_encoded(path: AnyPath) -> Iterator[tuple[Clip, str, bytes]]:
    """Yields record, suffix and encoded crops of each clip; raises the exceptions in `DAMAGE`."""
    check_end(path)
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
        members = ((member.name, opened(tar, member).read()) for member in tar)
        for name, record in members:
            clip = from_dict(Clip, parse_json(record), f"{path}: {name}", ManifestError)
            name, content = next(members, ("", b""))
            yield clip, crops_suffix(clip.id, name), content


def find_shards(folder: AnyPath | str, split: str) -> list[AnyPath]:
    """The shards of one split in a prepared folder, on disk or in an object store, in order.

    Raises:
        ManifestError: There are none; the message lists the splits of the folder.
    """
    folder = location(folder)
    if not folder.is_dir():
        raise ManifestError(f"{folder} is not a folder: run `lipscribe prepare` first, or give another")
    found = sorted(folder.glob("*-*.tar"))
    shards = [path for path in found if path.name.rsplit("-", 1)[0] == split]
    if not shards:
        there = sorted({path.name.rsplit("-", 1)[0] for path in found})
        have = f"it has {', '.join(there)}" if there else "it holds no shards: run `lipscribe prepare` first"
        raise ManifestError(f"{folder} has no split {split!r}: {have}")
    return shards


def check_crop(folder: AnyPath | str, wanted: str) -> None:
    """Checks that a prepared folder holds the kind of crops that a model reads, `spec.input.crop`.

    A folder without this field has Lipscribe's own: it is of an earlier version.

    Raises:
        ConfigError: The folder has another kind.
        ManifestError: Its record is damaged.
    """
    path = location(folder) / PREPARE_FILE
    try:
        record = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
        check_format(record, FORMAT_VERSION, str(path), ManifestError)
        found = record.get("crop", "lipscribe")
    except (OSError, ValueError, AttributeError) as error:
        raise ManifestError(f"{path} is damaged ({error}): prepare the clips again") from None
    if found != wanted:
        raise ConfigError(
            f"{folder} holds {found} crops, but the model reads {wanted} crops (input.crop of its spec): "
            f"want a folder made by `lipscribe prepare --crop {wanted}`"
        )
