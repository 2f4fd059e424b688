"""Shards as files on disk: those of an object store are copied when they are needed, to a folder of bounded size."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock

from lipscribe.atomic import writing
from lipscribe.data.shard_index import Entry, entries_on_disk, read_index
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.storage import AnyPath, RemotePath

REQUESTS = 16  # indices that are read at once
LOCKS = 64  # lock files: so many copies can be made at once
COPY_BYTES = 4_000_000  # that are copied at a time


class ShardFiles:
    """Where the shards of a dataset are on disk.

    Processes on a machine share the copies: each is made by one of them, whole or not at all, and the one that was used
    least recently is the first to go.

    Args:
        shards: On disk, or in an object store.
        folder: Of the copies; None is one in the system's temporary folder.
        limit: Bytes that the copies may take. With less than the shards of a shuffle buffer they are fetched again and
            again.
    """

    def __init__(self, shards: Sequence[AnyPath], folder: Path | None = None, limit: int = 20 * 10**9):
        user = os.getuid() if hasattr(os, "getuid") else 0
        self.folder = folder or Path(tempfile.gettempdir()) / f"lipscribe-shards-{user}"
        self.limit = limit
        self._versions: dict[RemotePath, str] = {}  # size and more: another version is another copy
        for parent in dict.fromkeys(shard.parent for shard in shards if isinstance(shard, RemotePath)):
            assert isinstance(parent, RemotePath)
            found = parent.fingerprints()
            self._versions |= {
                shard: found[shard.name]
                for shard in shards
                if isinstance(shard, RemotePath) and shard.parent == parent and shard.name in found
            }

    def entries(self, shards: Sequence[AnyPath]) -> "Iterator[list[Entry] | ManifestError]":
        """The clips of each shard, or what is wrong with it. An object store is asked for several at once."""
        with ThreadPoolExecutor(REQUESTS) as pool:
            ahead = any(isinstance(shard, RemotePath) for shard in shards)
            yield from (pool.map if ahead else map)(self._entries, shards)

    def on_disk(self, shard: AnyPath) -> Path:
        """A file with the shard's content. It may be gone by the time that it is opened: then ask again.

        Raises:
            StorageError: The store refuses.
            ManifestError: The shard is gone.
            ConfigError: There is no room for the copy.
        """
        if isinstance(shard, Path):
            return shard
        name = hashlib.sha256(f"{shard} {self._versions.get(shard)}".encode()).hexdigest()[:20] + ".tar"
        copy = self.folder / name
        try:
            os.utime(copy)  # it was used now
        except OSError:  # it is not there, or nobody can know
            self._fetch(shard, copy)
        return copy

    def _entries(self, shard: AnyPath) -> list[Entry] | ManifestError:
        try:
            if isinstance(shard, RemotePath) and shard in self._versions:
                found = read_index(shard, int(self._versions[shard].partition("-")[0]))
                if found is not None:
                    return found
            return entries_on_disk(self.on_disk(shard))
        except ManifestError as error:
            return error

    def _fetch(self, shard: RemotePath, copy: Path) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / f".{int(copy.stem, 16) % LOCKS}.lock"):
                if not copy.exists():  # another process was first
                    self._make_room(shard)
                    with shard.open() as source, writing(copy) as target:
                        shutil.copyfileobj(source, target, COPY_BYTES)
        except FileNotFoundError as error:
            raise ManifestError(f"shard {shard} is gone ({error}): start again, with --resume to continue") from None
        except OSError as error:
            raise ConfigError(
                f"{self.folder} cannot keep copies of shards ({error.strerror or error}): give another "
                "data.shard_cache, or a smaller data.shard_cache_gb"
            ) from None

    def _make_room(self, shard: RemotePath) -> None:
        """Removes copies until there is room for another one within the limit."""
        size = int(self._versions.get(shard, "0").partition("-")[0])
        with filelock.FileLock(self.folder / ".room.lock"):
            found = []
            for path in self.folder.glob("*.tar"):
                try:
                    found.append((path.stat(), path))
                except FileNotFoundError:  # removed by hand
                    continue
            taken = sum(stat.st_size for stat, _ in found) + size
            for stat, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
                if taken <= self.limit:
                    break
                path.unlink(missing_ok=True)
                taken -= stat.st_size
