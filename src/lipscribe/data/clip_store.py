"""The clips of shards in any order, in memory or on disk, also for other processes."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lipscribe.data.crop_codecs import DECODERS
from lipscribe.data.manifest import Clip
from lipscribe.data.shard_files import ShardFiles
from lipscribe.data.shard_index import Entry, damaged, read_clip
from lipscribe.data.shards import PreparedClip, read_shard
from lipscribe.errors import ManifestError
from lipscribe.storage import AnyPath

SUFFIXES = list(DECODERS)
ATTEMPTS = 5  # to read a copy of a shard that others remove at the same time
# Where a clip is, in so few bytes that a hundred thousand are nothing: its shard and its number there, the frames in
# the shard before it, its own, and the places of an `Entry`.
PLACE = np.dtype(
    [
        *[(name, np.int32) for name in ("shard", "number", "num_frames", "suffix")],
        *[(name, np.int64) for name in ("first_frame", "record", "record_size", "crops", "crops_size")],
    ]
)


class ClipStore:
    """The clips of shards.

    Args:
        shards: On disk, or in an object store.
        cache: Keep clips and decoded crops in memory; otherwise a clip is read from its shard each time, and only where
            it is stays in memory.
        files: Brings shards to the disk.
    """

    def __init__(self, shards: list[AnyPath], cache: bool, files: ShardFiles):
        self.shards = shards
        self._files = files
        self._cache: list[tuple[list[Clip], Tensor]] | None = [] if cache else None
        self._places: np.ndarray | None = None

    def places(self) -> np.ndarray:
        """(N,) of `PLACE`: all clips in the order in which they are stored; the first call asks every shard.

        Raises:
            ManifestError: Shards cannot be read (all are named), or hold no clip.
        """
        if self._places is None:
            rows, faults = [], []
            for number, entries in enumerate(self._files.entries(self.shards)):
                try:
                    rows.append(self._rows(number, entries))
                except ManifestError as error:
                    faults.append(str(error))
            if faults:
                raise ManifestError("; ".join(faults))
            self._places = np.concatenate(rows)
            if not len(self._places):
                raise ManifestError(f"{self.shards[0]} and its like hold no clip: status.jsonl beside them says why")
        return self._places

    def records(self) -> Iterator[tuple[Clip, int]]:
        """Each clip, in the order of `places`, with its number of frames."""
        self.places()
        if self._cache is not None:
            frames = iter(self.places()["num_frames"].tolist())
            yield from ((clip, next(frames)) for clips, _ in self._cache for clip in clips)
            return
        for entries in self._files.entries(self.shards):
            if isinstance(entries, ManifestError):
                raise entries
            yield from ((entry.clip, entry.num_frames) for entry in entries)

    def read(self, place: np.void) -> PreparedClip:
        """A clip, whose crops (T, 96, 96) uint8 are not to be written to.

        Raises:
            ManifestError: Its shard cannot be read any more.
        """
        if self._cache is not None:
            clips, crops = self._cache[place["shard"]]
            first = int(place["first_frame"])
            return PreparedClip(clips[place["number"]], crops[first : first + int(place["num_frames"])].numpy())
        shard = self.shards[place["shard"]]
        record, crops = ((int(place[name]), int(place[f"{name}_size"])) for name in ("record", "crops"))
        for attempt in range(ATTEMPTS):
            try:
                return PreparedClip(*read_clip(self._files.on_disk(shard), record, crops, SUFFIXES[place["suffix"]]))
            except FileNotFoundError as error:
                if attempt + 1 == ATTEMPTS:
                    raise damaged(shard, error) from None
        raise AssertionError("the last attempt returns or raises")

    def share(self) -> None:
        """Moves the cache to shared memory: a process that gets this object pickled reads the same memory."""
        for _, crops in self._cache or []:
            crops.share_memory_()

    def _rows(self, shard: int, entries: list[Entry] | ManifestError) -> np.ndarray:
        if isinstance(entries, ManifestError):
            raise entries
        rows = np.zeros(len(entries), PLACE)
        if not entries:
            self._keep([])
            return rows
        frames = np.array([entry.num_frames for entry in entries])
        rows["shard"], rows["number"], rows["num_frames"] = shard, np.arange(len(entries)), frames
        rows["first_frame"] = np.cumsum(frames) - frames
        rows["suffix"] = [SUFFIXES.index(entry.suffix) for entry in entries]
        for name in ("record", "crops"):
            rows[name], rows[f"{name}_size"] = np.array([getattr(entry, name) for entry in entries]).T
        if self._cache is not None:
            self._keep(list(read_shard(self._files.on_disk(self.shards[shard]))))
        return rows

    def _keep(self, clips: list[PreparedClip]) -> None:
        if self._cache is not None:
            crops = torch.from_numpy(np.concatenate([clip.crops for clip in clips])) if clips else torch.empty(0)
            self._cache.append(([prepared.clip for prepared in clips], crops))
