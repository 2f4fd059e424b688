"""Shards -> training batches, in an order that depends on the seed and the epoch alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lipscribe.data.batches import Batch, BatchSizes, Sample, batches_of_similar_length, collate
from lipscribe.data.clip_store import ClipStore, StoredClip
from lipscribe.data.cut_short import cut_short
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, find_shards
from lipscribe.data.splice import splice
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.tokenizer import Tokenizer
from lipscribe.transforms import Augment, Normalisation, crops_to_video
from lipscribe.units import MODEL_FPS

DONORS = 300  # number of previous clips that a spliced clip may take words from


@dataclass(frozen=True)
class ClipLength:
    """One clip of an epoch, without its pictures."""

    clip: Clip
    num_frames: int


class ShardDataset:
    """The prepared clips of one split, of one corpus or several.

    A batch is made from the seed, the epoch and the numbers of its clips in the epoch's order alone, so any process can
    make any batch.

    Args:
        folders: Prepared folders, each with the number of clips to use (sampled by the seed, for learning curves);
            None is all. A folder alone means all of it.
        split: "train", "dev" or "test".
        tokenizer: Turns text into targets.
        height, width, normalisation: Of the model's input (`augment` has its own).
        augment: Augmentation; None yields unmodified clips in order.
        cache: Keep the decoded crops in memory; GRID's 800 clips take 550 MB. Otherwise a clip is read from its shard
            and decoded each time.
        shuffle_buffer: Number of clips to shuffle among, so that neighbours are read from the same few shards.

    Attributes:
        margin: See `frame_tokens`; 0 if nobody sets it.
        repeat: How often an epoch of augmented clips has those of a folder; once if nobody sets it.
        word_times: Those of clips that have none of their own, by folder and id (see `clips`).
    """

    def __init__(
        self,
        folders: Path | str | Mapping[str, int | None],
        split: str,
        tokenizer: Tokenizer,
        height: int,
        width: int,
        augment: Augment | None = None,
        cache: bool = True,
        shuffle_buffer: int = 2000,
        seed: int = 0,
        normalisation: Normalisation = "frame",
    ):
        limits = folders if isinstance(folders, Mapping) else {str(folders): None}
        self.limits = {Path(folder): limit for folder, limit in limits.items() if limit is not None}
        self.shards = [shard for folder in limits for shard in find_shards(folder, split)]
        self.split = split
        self.tokenizer = tokenizer
        self.height, self.width = height, width
        self.normalisation: Normalisation = normalisation
        self.repeat: dict[Path, int] = {}
        self.augment = augment
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.margin = 0.0
        self.word_times: dict[tuple[str, str], tuple[WordTime, ...]] = {}
        self._store = ClipStore(self.shards, cache)
        self._chosen: list[StoredClip] | None = None  # the clips that limits leave, once they are known
        self._ordered: tuple[int, list[int]] | None = None  # the last epoch asked for, and its order

    def __len__(self) -> int:
        """Clips in an epoch; counting them reads every shard once."""
        return len(self._stored())

    def scan(self) -> list[ClipLength]:
        """Reads every shard once: the clips of an epoch, in the order in which they are stored.

        Raises:
            ManifestError: Shards cannot be read (all are named), hold no clip, or fewer than a limit wants.
        """
        return [ClipLength(stored.clip, stored.shape[0]) for stored in self._stored()]

    def share(self) -> None:
        """Moves cached crops to shared memory, for processes that are not forked."""
        self._stored()
        self._store.share()

    def clips(self) -> Iterator[tuple[tuple[str, str], PreparedClip]]:
        """The clips of an epoch as they were prepared, in the order of the shards, each with its folder and id."""
        for stored in self._stored():
            yield _key(stored), PreparedClip(stored.clip, self._store.crops(stored))

    def batches(self, sizes: BatchSizes | int, epoch: int = 0, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """One epoch, in the order of `plan`; an int is the number of clips of a batch."""
        sizes = BatchSizes(sizes) if isinstance(sizes, int) else sizes
        for numbers in self.plan(sizes, epoch, rank, world_size):
            yield self.batch(epoch, numbers, world_size)

    def plan(self, sizes: BatchSizes, epoch: int = 0, rank: int = 0, world_size: int = 1) -> list[list[int]]:
        """The clips of each batch of an epoch, as numbers in the epoch's order; there are as many in every epoch.

        With several processes each gets every `world_size`-th clip, or batch where these are of similar length. What
        does not divide evenly at the end is dropped in this epoch: a process with one batch more than the others would
        wait for them forever.
        """
        order = self._order(epoch)
        if sizes.frames is None:
            share = list(range(rank, len(order) // world_size * world_size, world_size))
            return [share[first : first + sizes.clips] for first in range(0, len(share), sizes.clips)]
        stored = self._stored()
        batches = batches_of_similar_length([stored[i].shape[0] for i in order], sizes.frames)
        if self.augment is not None:
            mixed = np.random.default_rng([self.seed, epoch, len(order)]).permutation(len(batches))
            batches = [batches[i] for i in mixed]
        return batches[rank : len(batches) // world_size * world_size : world_size]

    def batch(self, epoch: int, numbers: Sequence[int], world_size: int = 1, memory: Tensor | None = None) -> Batch:
        """A batch of an epoch.

        Args:
            numbers: Its clips (see `plan`).
            memory: See `collate`.

        Raises:
            ManifestError: A clip cannot be read, or its text is outside the vocabulary.
        """
        return collate([self._sample(epoch, number, world_size) for number in numbers], memory)

    def _stored(self) -> list[StoredClip]:
        if self._chosen is not None:
            return self._chosen
        found = self._store.clips()
        for folder, limit in self.limits.items():
            ids = sorted(stored.clip.id for stored in found if stored.folder == folder)
            if limit > len(ids):
                raise ManifestError(f"limit is {limit} clips, the split has {len(ids)} in {folder}")
            kept = set(np.random.default_rng(self.seed).permutation(ids)[:limit].tolist())
            found = [stored for stored in found if stored.folder != folder or stored.clip.id in kept]
        self._chosen = found
        return found

    def _order(self, epoch: int) -> list[int]:
        """All clips once: in order without augmentation, else shards shuffled and clips shuffled within the buffer."""
        if self.augment is None:
            return list(range(len(self)))
        if self._ordered is None or self._ordered[0] != epoch:
            self._ordered = epoch, self._shuffled(np.random.default_rng([self.seed, epoch]))
        return self._ordered[1]

    def _shuffled(self, rng: np.random.Generator) -> list[int]:
        of_shard: dict[Path, list[int]] = {shard: [] for shard in self.shards}
        for i, stored in enumerate(self._stored()):
            of_shard[stored.place.shard].append(i)
        order: list[int] = []
        held: list[int] = []
        for shard in rng.permutation(len(self.shards)):
            for i in of_shard[self.shards[shard]]:
                for _ in range(self.repeat.get(self._stored()[i].folder, 1)):
                    held.append(i)
                    if len(held) >= self.shuffle_buffer:
                        order.append(held.pop(rng.integers(len(held))))
        return order + [held[i] for i in rng.permutation(len(held))]

    def _prepared(self, i: int) -> PreparedClip:
        stored = self._stored()[i]
        words = self.word_times.get(_key(stored))
        clip = replace(stored.clip, words=words) if words else stored.clip
        return PreparedClip(clip, self._store.crops(stored))

    def _sample(self, epoch: int, number: int, world_size: int) -> Sample:
        order, rng = self._order(epoch), np.random.default_rng([self.seed, epoch, number])
        prepared = self._prepared(order[number])
        if self.augment and (chance := self.augment.config.splice_chance(epoch)):
            before = number // world_size * world_size  # the same for every process
            prepared = splice(prepared, _Clips(self._prepared, order[max(0, before - DONORS) : before]), chance, rng)
        if self.augment and self.augment.config.cut_short:
            prepared = cut_short(prepared, self.augment.config.cut_short, rng)
        clip = prepared.clip
        if self.augment is None:
            video = crops_to_video(prepared.crops, self.height, self.width, self.normalisation)
            times = np.arange(len(video), dtype=float)
        else:
            words = clip.words
            speech = (words[0].start * MODEL_FPS, words[-1].end * MODEL_FPS) if words else (0, len(prepared.crops))
            video, times = self.augment(prepared.crops, speech, rng)
        try:
            spoken = frame_tokens(clip, times, self.tokenizer, self.margin)
            return Sample(video, self.tokenizer.encode(clip.text), spoken, clip)
        except LipscribeError as error:
            raise ManifestError(f"clip {clip.id}: {error}") from None


class _Clips(Sequence[PreparedClip]):
    """Clips that are read when they are asked for."""

    def __init__(self, read: Callable[[int], PreparedClip], indices: list[int]):
        self._read = read
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: Any) -> Any:
        return self._read(self._indices[place])


def _key(stored: StoredClip) -> tuple[str, str]:
    return str(stored.folder), stored.clip.id


def frame_tokens(clip: Clip, times: np.ndarray, tokenizer: Tokenizer, margin: float = 0.0) -> np.ndarray:
    """Frame targets: the token spoken at each of `times` (frames of the clip), 0 in silence, -1 where unknown.

    Only words of one token have known times; the characters within a word have none.

    Args:
        margin: Frames on either side of a word boundary that count as unknown.
    """
    known = bool(clip.words)
    tokens = np.full(len(times), 0 if known else -1, np.int64)
    seconds = (times + 0.5) / MODEL_FPS  # the middle of a frame
    for word in clip.words:
        ids = tokenizer.encode(word.text)
        tokens[(seconds >= word.start) & (seconds < word.end)] = ids[0] if len(ids) == 1 else -1
    for word in clip.words if margin else ():
        for bound in (word.start, word.end):
            tokens[abs(seconds - bound) < margin / MODEL_FPS] = -1
    return tokens
