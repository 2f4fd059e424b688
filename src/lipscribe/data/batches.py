"""Batches: clips padded to one length, and which clips go together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lipscribe.data.manifest import Clip
from lipscribe.models.device import moved

ON_DEVICE = ("video", "targets", "frame_tokens")
SIMILAR = 1.1  # the longest clip of a class of similar length, in terms of the shortest


@dataclass(frozen=True)
class BatchSizes:
    """How many clips make a batch, the clips of one optimizer step.

    Attributes:
        clips: Their number, of any length; fewer at the end of an epoch.
        frames: Instead, the number of frames of the batch, padding included; clips of similar length go together then.
            A longer clip is a batch of its own.
    """

    clips: int
    frames: int | None = None

    def of_share(self, number: int) -> "BatchSizes":
        """The size of each of `number` parts of a batch."""
        return BatchSizes(-(-self.clips // number), self.frames and -(-self.frames // number))


@dataclass(frozen=True)
class Shares:
    """How the clips of a step are dealt to processes.

    The shares of a step do not depend on who computes them: one process computes all of them in turn, and of two
    processes each every other one.

    Attributes:
        number: Of shares, a multiple of `world_size`.
        rank, world_size: This process, and how many there are.
    """

    number: int = 1
    rank: int = 0
    world_size: int = 1

    @property
    def own(self) -> range:
        """The shares that this process computes."""
        return range(self.rank, self.number, self.world_size)

    def of(self, numbers: list[int]) -> list[list[int]]:
        """The clips of the own shares of a step.

        A share that has none, in a step of fewer clips than shares, gets the step's first clip as a stand-in, which is
        not to count (`counts`): a process without a batch would let the others wait for its gradient.
        """
        return [numbers[share :: self.number] or numbers[:1] for share in self.own]

    def counts(self, numbers: list[int]) -> list[bool]:
        """Whether each of the own shares of a step has clips of its own."""
        return [share < len(numbers) for share in self.own]


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
        """The same batch with its tensors on `device`, without waiting for a copy from pinned memory.

        The lengths stay on the CPU: shapes depend on them, and asking a GPU for them would wait until it is done.
        """
        return replace(self, **{name: moved(getattr(self, name), device) for name in ON_DEVICE})

    def pin_memory(self) -> "Batch":
        """The same batch in pinned memory, from which a GPU copies by itself; a DataLoader calls it."""
        pinned: dict[str, Any] = {k: v.pin_memory() if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(**pinned)


@dataclass(frozen=True)
class Sample:
    """One clip of a batch, before padding; the fields are those of `Batch` without B."""

    video: Tensor
    targets: list[int]
    frame_tokens: np.ndarray
    clip: Clip


def collate(samples: list[Sample], memory: Tensor | None = None) -> Batch:
    """Pads clips to one batch.

    Args:
        memory: (N,) float32 for the video, if that fits into it.
    """
    batch, longest = len(samples), max(len(s.video) for s in samples)
    shape = (batch, longest, *samples[0].video.shape[1:])
    if memory is None or math.prod(shape) > len(memory):
        memory = torch.empty(math.prod(shape))
    video = memory[: math.prod(shape)].view(shape)
    targets = torch.zeros(batch, max(len(s.targets) for s in samples), dtype=torch.int64)
    tokens = torch.full((batch, longest), -1, dtype=torch.int64)
    for row, sample in enumerate(samples):
        video[row, : len(sample.video)] = sample.video
        video[row, len(sample.video) :] = 0
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


def batches_of_similar_length(lengths: Sequence[int] | np.ndarray, max_frames: int) -> list[list[int]]:
    """Indices of clips in batches of at most `max_frames` frames, padding included; short clips come first.

    Lengths count as the upper end of their class (steps of a tenth), within which clips keep their order. So the number
    of batches is the same for any order of the clips.
    """
    classes = np.ceil(np.log(np.maximum(lengths, 1)) / math.log(SIMILAR)).astype(int)
    batches: list[list[int]] = [[]]
    for i in np.argsort(classes, kind="stable").tolist():
        longest = SIMILAR ** int(classes[i])
        if batches[-1] and (len(batches[-1]) + 1) * longest > max_frames:
            batches.append([])
        batches[-1].append(i)
    return batches
