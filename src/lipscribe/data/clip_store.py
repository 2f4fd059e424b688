"""The clips of shards in any order, in memory or on disk, also for other processes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import CropsPlace, locate_clips, read_crops
from lipscribe.errors import ManifestError


@dataclass(frozen=True)
class StoredClip:
    """A clip whose crops are read when they are needed.

    Attributes:
        shape: Of its crops, (T, 96, 96).
        place: Its crops in the shard.
        start: Its crops in the cache: the first byte in that of its shard.
    """

    clip: Clip
    shape: tuple[int, ...]
    place: CropsPlace
    start: int

    @property
    def folder(self) -> Path:
        """The prepared folder."""
        return self.place.shard.parent


class ClipStore:
    """The clips of shards.

    Args:
        shards: Their files.
        cache: Keep the decoded crops in memory; otherwise a clip is read from its shard each time.
    """

    def __init__(self, shards: list[Path], cache: bool):
        self.shards = shards
        self._cache: dict[Path, Tensor] | None = {} if cache else None
        self._clips: list[StoredClip] | None = None

    def clips(self) -> list[StoredClip]:
        """All clips in the order in which they are stored; the first call reads every shard.

        Raises:
            ManifestError: Shards cannot be read (all are named), or hold no clip.
        """
        if self._clips is None:
            found: list[StoredClip] = []
            damaged: list[str] = []
            for shard in self.shards:
                try:
                    found += self._read(shard)
                except ManifestError as error:
                    damaged.append(str(error))
            if damaged:
                raise ManifestError("; ".join(damaged))
            if not found:
                raise ManifestError(f"{self.shards[0]} and its like hold no clip: status.jsonl beside them says why")
            self._clips = found
        return self._clips

    def crops(self, stored: StoredClip) -> np.ndarray:
        """The crops (T, 96, 96) uint8 of a clip, not to be written to.

        Raises:
            ManifestError: Its shard cannot be read any more.
        """
        if self._cache is None:
            return read_crops(stored.place)
        cached = self._cache[stored.place.shard]
        return cached[stored.start : stored.start + math.prod(stored.shape)].numpy().reshape(stored.shape)

    def share(self) -> None:
        """Moves the cache to shared memory: a process that gets this object pickled reads the same memory."""
        for cached in (self._cache or {}).values():
            cached.share_memory_()

    def _read(self, shard: Path) -> list[StoredClip]:
        found: list[StoredClip] = []
        pieces: list[np.ndarray] = []
        start = 0
        for prepared, place in locate_clips(shard):
            found.append(StoredClip(prepared.clip, prepared.crops.shape, place, start))
            if self._cache is not None:
                pieces.append(prepared.crops.reshape(-1))
                start += prepared.crops.size
        if self._cache is not None and pieces:
            self._cache[shard] = torch.from_numpy(np.concatenate(pieces))
        return found
