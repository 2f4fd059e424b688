"""Shards -> training batches, in an order that depends on the seed and the epoch alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lipscribe.data.batches import Batch, BatchSizes, Sample, Shares, batches_of_similar_length, collate
from lipscribe.data.clip_store import ClipStore
from lipscribe.data.cut_short import cut_short
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shard_files import ShardFiles
from lipscribe.data.shards import PreparedClip, find_shards
from lipscribe.data.splice import splice
from lipscribe.data.unspoken import unspoken
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.storage import location
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
        folders: Prepared folders, on disk or in an object store, each with the number of clips to use (sampled by the
            seed, for learning curves); None is all. A folder alone means all of it.
        split: "train", "dev" or "test".
        tokenizer: Turns text into targets.
        height, width, normalisation: Of the model's input (`augment` has its own).
        augment: Augmentation; None yields unmodified clips in order.
        cache: Keep clips and decoded crops in memory; GRID's 800 clips take 550 MB. Otherwise a clip is read from its
            shard and decoded each time.
        shuffle_buffer: Number of clips to shuffle among, so that neighbours are read from the same few shards.

    Attributes:
        margin: See `frame_tokens`; 0 if nobody sets it.
        repeat: How often an epoch of augmented clips has those of a folder; once if nobody sets it.
        word_times: Those of clips that have none of their own, by folder and id (see `clips`).
        files: Where copies of an object store's shards go.
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
        self.limits = {str(location(folder)): limit for folder, limit in limits.items() if limit is not None}
        self.shards = [shard for folder in limits for shard in find_shards(folder, split)]
        self.split = split
        self.tokenizer = tokenizer
        self.height, self.width = height, width
        self.normalisation: Normalisation = normalisation
        self.repeat: dict[str, int] = {}
        self.augment = augment
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.margin = 0.0
        self.word_times: dict[tuple[str, str], tuple[WordTime, ...]] = {}
        self._folders = [str(shard.parent) for shard in self.shards]
        self.files = ShardFiles(self.shards)
        self._store = ClipStore(self.shards, cache, self.files)
        self._chosen: tuple[np.ndarray, np.ndarray] | None = None  # which clips limits leave, and their places
        self._ordered: tuple[int, np.ndarray] | None = None  # the last epoch asked for, and its order

    def __len__(self) -> int:
        """Clips of the dataset; counting them asks every shard once."""
        return len(self._places())

    @property
    def longest(self) -> int:
        """Frames of the longest clip."""
        return int(self._places()["num_frames"].max())

    def scan(self) -> Iterator[ClipLength]:
        """The clips of the dataset, in the order in which they are stored, without their pictures.

        Raises:
            ManifestError: Shards cannot be read (all are named), hold no clip, or fewer than a limit wants.
        """
        self._places()
        chosen = None if self._chosen is None else set(self._chosen[0].tolist())
        for i, record in enumerate(self._store.records()):
            if chosen is None or i in chosen:
                yield ClipLength(*record)

    def share(self) -> None:
        """Moves cached crops to shared memory, for processes that are not forked."""
        self._places()
        self._store.share()

    def clips(self) -> Iterator[tuple[tuple[str, str], PreparedClip]]:
        """The clips as they were prepared, in the order of the shards, each with its folder and id."""
        for place in self._places():
            prepared = self._store.read(place)
            yield self._key(place, prepared), prepared

    def batches(
        self, sizes: BatchSizes | int, epoch: int = 0, shares: Shares | None = None, first: int = 0
    ) -> Iterator[Batch]:
        """One epoch from the step `first` on, in the order of `plan`, each step by its own shares.

        Args:
            sizes: Of a step; an int is its number of clips.
        """
        sizes = BatchSizes(sizes) if isinstance(sizes, int) else sizes
        for numbers in self.plan(sizes, epoch)[first:]:
            for share in (shares or Shares()).of(numbers):
                yield self.batch(epoch, share)

    def plan(self, sizes: BatchSizes, epoch: int = 0) -> list[list[int]]:
        """The clips of each step of an epoch, as numbers in the epoch's order; there are as many steps in every epoch.

        Every clip is in one step. Batches by frames come in the order in which their last clips do, so that few shards
        are in use at a time.
        """
        order = self._order(epoch)
        if sizes.frames is None:
            return [
                list(range(first, min(first + sizes.clips, len(order)))) for first in range(0, len(order), sizes.clips)
            ]
        batches = batches_of_similar_length(self._places()["num_frames"][order], sizes.frames)
        return batches if self.augment is None else sorted(batches, key=max)

    def batch(self, epoch: int, numbers: Sequence[int], memory: Tensor | None = None) -> Batch:
        """A batch of an epoch.

        Args:
            numbers: Its clips (see `plan`).
            memory: See `collate`.

        Raises:
            ManifestError: A clip cannot be read, or its text is outside the vocabulary.
        """
        return collate([self._sample(epoch, number) for number in numbers], memory)

    def _places(self) -> np.ndarray:
        """Where each clip is (see `PLACE`)."""
        places = self._store.places()
        if not self.limits:
            return places
        if self._chosen is None:
            chosen = self._limited(places)
            self._chosen = chosen, places[chosen]
        return self._chosen[1]

    def _limited(self, places: np.ndarray) -> np.ndarray:
        """The numbers of the clips that limits leave."""
        folders = np.array(self._folders)[places["shard"]]
        kept = ~np.isin(folders, list(self.limits))
        ids = np.array([clip.id for clip, _ in self._store.records()])
        for folder, limit in self.limits.items():
            own = sorted(ids[folders == folder].tolist())
            if limit > len(own):
                raise ManifestError(f"limit is {limit} clips, the split has {len(own)} in {folder}")
            taken = np.random.default_rng(self.seed).permutation(own)[:limit]
            kept |= (folders == folder) & np.isin(ids, taken)
        return np.flatnonzero(kept)

    def _order(self, epoch: int) -> np.ndarray:
        """(N,) numbers of all clips of an epoch: in order without augmentation, else shuffled."""
        if self.augment is None:
            return np.arange(len(self))
        if self._ordered is None or self._ordered[0] != epoch:
            self._ordered = epoch, self._shuffled(np.random.default_rng([self.seed, epoch]))
        return self._ordered[1]

    def _shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """Shards in random order, then clips among those of neighbouring shards that make up the shuffle buffer."""
        bounds = np.searchsorted(self._places()["shard"], np.arange(len(self.shards) + 1))
        order, held, size = [np.empty(0, int)], [np.empty(0, int)], 0
        for shard in rng.permutation(len(self.shards)):
            clips = np.repeat(np.arange(*bounds[shard : shard + 2]), self.repeat.get(self._folders[shard], 1))
            held.append(clips)
            size += len(clips)
            if size >= self.shuffle_buffer:
                order.append(rng.permutation(np.concatenate(held)))
                held, size = [np.empty(0, int)], 0
        return np.concatenate([*order, rng.permutation(np.concatenate(held))])

    def _prepared(self, i: int) -> PreparedClip:
        place = self._places()[i]
        prepared = self._store.read(place)
        words = self.word_times.get(self._key(place, prepared)) if self.word_times else None
        return PreparedClip(replace(prepared.clip, words=words), prepared.crops) if words else prepared

    def _key(self, place: np.void, prepared: PreparedClip) -> tuple[str, str]:
        return self._folders[place["shard"]], prepared.clip.id

    def _sample(self, epoch: int, number: int) -> Sample:
        order, rng = self._order(epoch), np.random.default_rng([self.seed, epoch, number])
        prepared = self._prepared(order[number])
        if self.augment and (chance := self.augment.config.splice_chance(epoch)):
            donors = _Clips(self._prepared, order[max(0, number - DONORS) : number])
            prepared = splice(prepared, donors, chance, rng)
        if self.augment and self.augment.config.cut_short:
            prepared = cut_short(prepared, self.augment.config.cut_short, rng)
        if self.augment and self.augment.config.unspoken:
            prepared = unspoken(prepared, self.augment.config.unspoken, rng)
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

    def __init__(self, read: Callable[[int], PreparedClip], indices: np.ndarray):
        self._read = read
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: Any) -> Any:
        return self._read(int(self._indices[place]))


def frame_tokens(clip: Clip, times: np.ndarray, tokenizer: Tokenizer, margin: float = 0.0) -> np.ndarray:
    """Frame targets: the token spoken at each of `times` (frames of the clip), 0 in silence, -1 where unknown.

    Only words of one token have known times; the characters within a word have none.

    Args:
        margin: Frames on either side of a word boundary that count as unknown.
    """
    known = bool(clip.words) or clip.silent
    tokens = np.full(len(times), 0 if known else -1, np.int64)
    seconds = (times + 0.5) / MODEL_FPS  # the middle of a frame
    for word in clip.words:
        ids = tokenizer.encode(word.text)
        tokens[(seconds >= word.start) & (seconds < word.end)] = ids[0] if len(ids) == 1 else -1
    for word in clip.words if margin else ():
        for bound in (word.start, word.end):
            tokens[abs(seconds - bound) < margin / MODEL_FPS] = -1
    return tokens
