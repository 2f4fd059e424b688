"""Shards -> training batches, streamed in an order that depends on the seed and the epoch alone."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, find_shards, read_shard
from lipscribe.data.splice import splice
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.tokenizer import Tokenizer
from lipscribe.transforms import Augment, Normalisation, crops_to_video
from lipscribe.units import MODEL_FPS

DONORS = 300  # number of previous clips that a spliced clip may take words from


@dataclass(frozen=True)
class Batch:
    """Clips padded to one length.

    Attributes:
        video: (B, T, 1, H, W) float32, zeros beyond each clip's length.
        video_lengths: (B,) int64 frames.
        targets: (B, U) int64 token ids, zeros beyond each clip's length.
        target_lengths: (B,) int64 tokens.
        frame_tokens: (B, T) int64, the token that is being said in each frame, 0 in silence, -1 where nobody knows
            and beyond each clip's length.
        clips: The records of the clips.
    """

    video: Tensor
    video_lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    frame_tokens: Tensor
    clips: tuple[Clip, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its tensors on `device`."""
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(**moved)


@dataclass(frozen=True)
class ClipLength:
    """One clip of an epoch, without its pictures."""

    clip: Clip
    num_frames: int


@dataclass(frozen=True)
class Sample:
    """One clip of a batch, before padding; the fields are those of `Batch` without B."""

    video: Tensor
    targets: list[int]
    frame_tokens: np.ndarray
    clip: Clip


class ShardDataset:
    """The prepared clips of one split, of one corpus or several.

    Args:
        folders: Prepared folders, each with the number of clips to use (sampled by the seed, for learning curves);
            None is all. A folder alone means all of it.
        split: "train", "dev" or "test".
        tokenizer: Turns text into targets.
        height, width, normalisation: Of the model's input (`augment` has its own).
        augment: Augmentation; None yields unmodified clips in order.
        cache: Keep the decoded crops in memory after the first epoch; GRID's 800 clips take 550 MB.
        shuffle_buffer: Number of clips to shuffle among; shards are read sequentially.

    Attributes:
        margin: See `frame_tokens`; 0 if nobody sets it.
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
        self.augment = augment
        self.cache: dict[Path, list[PreparedClip]] | None = {} if cache else None
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.margin = 0.0
        self._length: int | None = None
        self._kept: set[tuple[Path, str]] = set()  # folder and id of the clips that limits leave, once they are known
        self.word_times: dict[tuple[str, str], tuple[WordTime, ...]] = {}

    def __len__(self) -> int:
        """Clips in an epoch; counting them reads every shard once."""
        if self._length is None:
            self._length = len(self.scan())
        return self._length

    def scan(self) -> list[ClipLength]:
        """Reads every shard once: the clips of an epoch, in the order in which they are stored.

        Raises:
            ManifestError: Shards cannot be read (all are named), hold no clip, or fewer than a limit wants.
        """
        found: list[tuple[Path, ClipLength]] = []
        damaged: list[str] = []
        for shard in self.shards:
            try:
                clips = [ClipLength(prepared.clip, len(prepared.crops)) for prepared in self._read(shard)]
            except ManifestError as error:
                damaged.append(str(error))
                continue
            found += [(shard.parent, clip) for clip in clips]
        if damaged:
            raise ManifestError("; ".join(damaged))
        if not found:
            raise ManifestError(f"{self.shards[0]} and its like hold no clip: status.jsonl beside them says why")
        for folder, limit in self.limits.items():
            ids = sorted(found_clip.clip.id for parent, found_clip in found if parent == folder)
            if limit > len(ids):
                raise ManifestError(f"limit is {limit} clips, the split has {len(ids)} in {folder}")
            chosen = np.random.default_rng(self.seed).permutation(ids)[:limit]
            self._kept |= {(folder, str(clip_id)) for clip_id in chosen}
        clips = [clip for folder, clip in found if self._keeps(folder, clip.clip)]
        self._length = len(clips)
        return clips

    def _keeps(self, folder: Path, clip: Clip) -> bool:
        return folder not in self.limits or (folder, clip.id) in self._kept

    def clips(self) -> Iterator[tuple[tuple[str, str], PreparedClip]]:
        """The clips of an epoch as they were prepared, in the order of the shards, each with its folder and id."""
        return self._keyed(self.shards)

    def batches(self, batch_size: int, epoch: int = 0, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """One epoch. With several processes each gets every `world_size`-th clip.

        Clips that do not divide evenly at the end are dropped in this epoch: a process with one batch more than the
        others would wait for them forever.
        """
        samples: list[Sample] = []
        donors: deque[PreparedClip] = deque(maxlen=DONORS)  # the same for every process
        numbered = enumerate(self._order(epoch))
        while len(share := list(islice(numbered, world_size))) == world_size:
            number, prepared = share[rank]
            samples.append(self._sample(prepared, donors, epoch, np.random.default_rng([self.seed, epoch, number])))
            donors.extend(clip for _, clip in share)
            if len(samples) == batch_size:
                yield collate(samples)
                samples = []
        if samples:
            yield collate(samples)

    def _order(self, epoch: int) -> Iterator[PreparedClip]:
        """All clips once: in order without augmentation, else shards shuffled and clips shuffled within the buffer."""
        if self.augment is None:
            yield from self._chosen(self.shards)
            return
        rng = np.random.default_rng([self.seed, epoch])
        held: list[PreparedClip] = []
        for prepared in self._chosen([self.shards[i] for i in rng.permutation(len(self.shards))]):
            held.append(prepared)
            if len(held) >= self.shuffle_buffer:
                yield held.pop(rng.integers(len(held)))
        for i in rng.permutation(len(held)):
            yield held[i]

    def _chosen(self, shards: list[Path]) -> Iterator[PreparedClip]:
        for key, prepared in self._keyed(shards):
            words = self.word_times.get(key)
            yield PreparedClip(replace(prepared.clip, words=words), prepared.crops) if words else prepared

    def _keyed(self, shards: list[Path]) -> Iterator[tuple[tuple[str, str], PreparedClip]]:
        if self.limits and not self._kept:
            self.scan()
        empty = True
        for shard in shards:
            for prepared in self._read(shard):
                empty = False
                if self._keeps(shard.parent, prepared.clip):
                    yield (str(shard.parent), prepared.clip.id), prepared
        if empty:
            raise ManifestError(f"{self.shards[0]} and its like hold no clip: status.jsonl beside them says why")

    def _read(self, shard: Path) -> Iterator[PreparedClip]:
        if self.cache is None:
            yield from read_shard(shard)
            return
        if shard not in self.cache:
            self.cache[shard] = list(read_shard(shard))
        yield from self.cache[shard]

    def _sample(
        self, prepared: PreparedClip, donors: Sequence[PreparedClip], epoch: int, rng: np.random.Generator
    ) -> Sample:
        if self.augment and (chance := self.augment.config.splice_chance(epoch)):
            prepared = splice(prepared, donors, chance, rng)
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


def collate(samples: list[Sample]) -> Batch:
    """Pads clips to one batch."""
    batch, longest = len(samples), max(len(s.video) for s in samples)
    video = torch.zeros(batch, longest, *samples[0].video.shape[1:])
    targets = torch.zeros(batch, max(len(s.targets) for s in samples), dtype=torch.int64)
    tokens = torch.full((batch, longest), -1, dtype=torch.int64)
    for row, sample in enumerate(samples):
        video[row, : len(sample.video)] = sample.video
        targets[row, : len(sample.targets)] = torch.tensor(sample.targets)
        tokens[row, : len(sample.video)] = torch.from_numpy(sample.frame_tokens)
    return Batch(
        video=video,
        video_lengths=torch.tensor([len(s.video) for s in samples]),
        targets=targets,
        target_lengths=torch.tensor([len(s.targets) for s in samples]),
        frame_tokens=tokens,
        clips=tuple(s.clip for s in samples),
    )
