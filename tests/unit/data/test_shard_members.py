"""Members of a shard that are no plain files: links, devices, and files that say they are huge."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.manifest import Clip
from lipscribe.data.shard_index import entries_on_disk
from lipscribe.data.shards import PreparedClip, clip_members, read_members, read_shard, read_whole
from lipscribe.errors import ManifestError

MEMBERS = clip_members(PreparedClip(Clip("a", "a.mp4", "red"), np.zeros((2, 96, 96), np.uint8)), "lossless")
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]


def shard(path: Path, odd: int, kind: bytes, link: str = "", pax: dict[str, str] | None = None) -> Path:
    """A shard whose member of that number is of another kind."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for number, (name, content) in enumerate(MEMBERS):
            member = tarfile.TarInfo(name)
            if number == odd:
                member.type, member.linkname = kind, link
                member.pax_headers = pax or {}
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return path


def refused(path: Path) -> None:
    for read in (read_shard, read_members, entries_on_disk, read_whole):
        with pytest.raises(ManifestError, match="cannot be read"):
            list(read(path))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.decode())
@pytest.mark.parametrize("odd", [0, 1])
def test_links_and_devices(tmp_path: Path, kind: bytes, odd: int):
    for link in (MEMBERS[odd][0], "/etc/passwd", MEMBERS[1 - odd][0]):
        refused(shard(tmp_path / "odd.tar", odd, kind, link))


@pytest.mark.parametrize("odd", [0, 1])
def test_a_file_that_says_it_is_a_terabyte(tmp_path: Path, odd: int):
    """Sparse: a few bytes on disk, and zeros without end in memory."""
    terabyte = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(10**12),
    }
    refused(shard(tmp_path / "odd.tar", odd, tarfile.REGTYPE, pax=terabyte))


def test_a_shard_that_is_compressed(tmp_path: Path):
    plain = shard(tmp_path / "plain.tar", -1, tarfile.REGTYPE)
    assert len(read_whole(plain)) == len(list(read_shard(plain))) * 2 == 2
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress(plain.read_bytes()) + bytes(1024))
    refused(packed)
