"""Which clips a shard holds and where, without decoding them.

`<shard>.index` is written beside each shard: a line of JSON with the shard's size, then one a clip. Without it, or if
it is that of a shard of another size, the headers of the shard's members are read instead. It lets a training on shards
in an object store begin without reading all of them first.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from lipscribe import storage
from lipscribe.data.crop_codecs import DAMAGE, DECODERS, num_frames
from lipscribe.data.manifest import Clip
from lipscribe.errors import ManifestError
from lipscribe.plain_data import check_format, parse_json
from lipscribe.schema import from_dict
from lipscribe.storage import AnyPath

FORMAT_VERSION = 1  # of indices
INDEX_SUFFIX = ".index"
END_BYTES = 1024  # zeros at the end of a tar file


@dataclass(frozen=True)
class Entry:
    """A clip of a shard.

    Attributes:
        record, crops: Offset and size in bytes of its record and of its encoded crops, which follow.
        suffix: Of the crops' file, which says how to decode them.
    """

    clip: Clip
    num_frames: int
    record: tuple[int, int]
    crops: tuple[int, int]
    suffix: str


class IndexWriter:
    """The index of a shard that is being written.

    The former one is removed; of a shard that nobody can read none is made.

    Args:
        shard: Where it is going to be.
    """

    def __init__(self, shard: AnyPath):
        self._path = shard.with_suffix(INDEX_SUFFIX)
        self._path.unlink(missing_ok=True)
        self._lines: list[str] | None = []
        self._record: tuple[bytes, int] | None = None  # that waits for its crops, and where it is
        self._end = 0

    def add(self, name: str, content: bytes, end: int) -> None:
        """Adds a member: a clip's record or its crops.

        Args:
            end: Where the next member begins.
        """
        self._end = end
        start = end - -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        if self._record is None:
            self._record = content, start
            return
        (record, record_start), self._record = self._record, None
        try:
            clip = parse_json(record)
            suffix = crops_suffix(clip["id"], name)
            line = {"clip": clip, "num_frames": num_frames(io.BytesIO(content), suffix), "suffix": suffix}
        except (*DAMAGE, TypeError, AttributeError):
            self._lines = None
            return
        if self._lines is not None:
            line |= {"record": [record_start, len(record)], "crops": [start, len(content)]}
            self._lines.append(json.dumps(line))

    def write(self) -> None:
        """Writes it, after the shard."""
        if self._lines is not None and self._record is None:
            size = -(-(self._end + END_BYTES) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
            storage.write_text(self._path, "\n".join([json.dumps({"size": size}), *self._lines]) + "\n")


def read_index(shard: AnyPath, size: int) -> list[Entry] | None:
    """The clips of a shard by its index; None if there is none, or if it does not fit.

    Args:
        size: Of the shard, in bytes.
    """
    try:
        first, *lines = shard.with_suffix(INDEX_SUFFIX).read_text(encoding="utf-8").splitlines()
        head = parse_json(first)
        check_format(head, FORMAT_VERSION, "the index", ManifestError)  # else the shard itself is looked at
        return [_entry(parse_json(line), str(shard), size) for line in lines] if head["size"] == size else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, ManifestError):
        return None


def entries_on_disk(shard: Path) -> list[Entry]:
    """The clips of a shard on disk, by its index or else by the headers of its members.

    Raises:
        ManifestError: It is missing, cut off or no shard.
    """
    try:
        check_end(shard)
        found = read_index(shard, shard.stat().st_size)
        return list(_by_headers(shard)) if found is None else found
    except DAMAGE as error:
        raise damaged(shard, error) from None


def read_clip(shard: Path, record: tuple[int, int], crops: tuple[int, int], suffix: str) -> tuple[Clip, np.ndarray]:
    """Reads one clip of a shard (see `Entry`), with crops (T, 96, 96) uint8.

    Raises:
        ManifestError: The shard cannot be read any more, or is another one.
        FileNotFoundError: It is gone.
    """
    try:
        with shard.open("rb") as file:
            file.seek(record[0])
            content = file.read(sum(crops) - record[0])
        clip = from_dict(Clip, parse_json(content[: record[1]]), str(shard), ManifestError)
        return clip, DECODERS[suffix](content[crops[0] - record[0] :])
    except FileNotFoundError:
        raise
    except DAMAGE as error:
        raise damaged(shard, error) from None


def damaged(path: AnyPath | str, error: Exception) -> ManifestError:
    """What to tell of a shard that cannot be read."""
    return ManifestError(f"shard {path} cannot be read ({' '.join(str(error).split())}): prepare it again")


def key_of(clip_id: str) -> str:
    """A clip's key in a shard: its id, with the dots of its last part written as %2E."""
    folder, slash, name = clip_id.rpartition("/")
    return folder + slash + name.replace("%", "%25").replace(".", "%2E")


def crops_suffix(clip_id: str, name: str) -> str:
    """The suffix of a clip's crops in a shard, by the name of their file.

    Raises:
        ValueError: They are not this clip's.
    """
    for suffix in DECODERS:
        if name in (key_of(clip_id) + suffix, clip_id + suffix):  # shards of earlier versions have the id for a key
            return suffix
    raise ValueError(f"after the record of {clip_id} comes {name or 'nothing'}, wanted its crops")


def check_end(path: AnyPath) -> None:
    """Checks the end of a tar file (see `check_zeros`)."""
    with path.open("rb") as file:
        file.seek(-END_BYTES, io.SEEK_END)
        check_zeros(file.read())


def check_zeros(end: bytes) -> None:
    """Checks for the zeros at the end of a tar file: truncation between two members is otherwise not detected."""
    if len(end) < END_BYTES or any(end):
        raise ValueError("it is cut off")


def _entry(line: dict[str, Any], where: str, size: int) -> Entry:
    clip = from_dict(Clip, line["clip"], where, ManifestError)
    places = (*line["record"], *line["crops"])
    if line["suffix"] not in DECODERS or not all(isinstance(number, int) for number in (*places, line["num_frames"])):
        raise ValueError(f"{clip.id} has a place that is none")
    record, record_size, crops, crops_size = places
    if not (0 <= record <= record + record_size <= crops <= crops + crops_size <= size and line["num_frames"] >= 0):
        raise ValueError(f"{clip.id} is not in the shard")
    return Entry(clip, line["num_frames"], (record, record_size), (crops, crops_size), line["suffix"])


def _by_headers(shard: Path) -> Iterator[Entry]:
    with tarfile.open(shard, "r:") as tar:
        members = iter(tar)
        for member in members:
            record = opened(tar, member).read()
            clip = from_dict(Clip, parse_json(record), f"{shard}: {member.name}", ManifestError)
            crops = next(members, None)
            suffix = crops_suffix(clip.id, crops.name if crops else "")
            assert crops is not None  # else its name would not be that of the clip's crops
            places = (member.offset_data, member.size), (crops.offset_data, crops.size)
            yield Entry(clip, num_frames(opened(tar, crops), suffix), *places, suffix)


def opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """The content of a member.

    Raises:
        ValueError: It is no plain file: a link, which could lead to itself, a device, or sparse and of any size.
    """
    file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None:
        raise ValueError(f"{member.name[:80]} is no plain file")
    return file
