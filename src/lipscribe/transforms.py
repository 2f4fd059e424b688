"""Mouth crops -> model input, and data augmentation.

Needs only torch and numpy, as training from prepared crops does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lipscribe.model_input import FIXED_DEVIATION, FIXED_MEAN, Normalisation, crops_to_array
from lipscribe.schema import within


def crops_to_video(
    crops: np.ndarray, height: int, width: int, normalisation: Normalisation = "frame", lower: int = 0
) -> Tensor:
    """`crops_to_array` as a tensor: (T, 96, 96) uint8 -> (T, 1, height, width) float32."""
    return torch.from_numpy(crops_to_array(crops, height, width, normalisation, lower))


def normalise_frames(video: Tensor) -> Tensor:
    """(T, 1, H, W) -> the same with mean 0 and deviation 1 in each frame; an even grey frame gives zeros."""
    mean = video.mean((-2, -1), keepdim=True)
    deviation = video.std((-2, -1), keepdim=True, unbiased=False)
    return (video - mean) / deviation.clamp(min=1.0)


def normalise_fixed(video: Tensor) -> Tensor:
    """(T, 1, H, W) greys 0 to 255 -> the same with mean 0 and deviation 1 over Auto-AVSR's training clips."""
    return (video / 255 - FIXED_MEAN) / FIXED_DEVIATION


NORMALISE: dict[Normalisation, Callable[[Tensor], Tensor]] = {"frame": normalise_frames, "fixed": normalise_fixed}


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the augmentation; amounts are drawn for each clip and epoch.

    Attributes:
        rotation: Maximum rotation, degrees.
        scale: Maximum relative change of size.
        shift: Maximum translation, pixels of the crop.
        flip: Probability of horizontal mirroring.
        trim: Maximum share of the silence before the first and after the last word that is cut off.
        time_warp: Maximum relative change of speed; it varies along the clip.
        time_masks, time_mask_frames: Maximum number of masked stretches, and maximum frames of each.
        cutout: Probability of masking a rectangle of up to half the height and width throughout the clip.
        brightness: Maximum relative change of gamma; contrast changes with it.
        noise: Maximum standard deviation of added noise, in units of the normalised picture.
        splice: Probability of exchanging each word with one of another clip (see `data.splice`); needs word times.
        splice_from, splice_until: First and last epoch of splicing, from 1; None is the last. Splicing slows training
            before a model reads, and the last epochs need natural word boundaries.
    """

    rotation: float = within(7.0, 0, 180)
    scale: float = within(0.12, 0, 0.9)
    shift: float = within(5.0, 0, 48)
    flip: float = within(0.5, 0, 1)
    trim: float = within(1.0, 0, 1)
    time_warp: float = within(0.3, 0, 0.9)
    time_masks: int = within(3, 0)
    time_mask_frames: int = within(9, 1)
    cutout: float = within(0.5, 0, 1)
    brightness: float = within(0.3, 0, 0.9)
    noise: float = within(0.1, 0, 10)
    splice: float = within(0.0, 0, 1)
    splice_from: int = within(1, 1)
    splice_until: int | None = within(None, 1)

    def splice_chance(self, epoch: int) -> float:
        """Probability of exchanging a word in an epoch (from 0)."""
        last = math.inf if self.splice_until is None else self.splice_until
        return self.splice if self.splice_from <= epoch + 1 <= last else 0.0


class Augment:
    """Crops -> augmented model input, with the positions of its frames."""

    def __init__(self, config: AugmentConfig, height: int, width: int, normalisation: Normalisation = "frame"):
        self.config = config
        self.normalise = NORMALISE[normalisation]
        self.height = height
        self.width = width

    def __call__(
        self, crops: np.ndarray, speech: tuple[float, float], rng: np.random.Generator
    ) -> tuple[Tensor, np.ndarray]:
        """Augments one clip.

        Args:
            crops: (T, 96, 96) uint8.
            speech: First and last frame of the words; frames outside may be cut off.
            rng: Source of all randomness.

        Returns:
            (T', 1, height, width) float32, and for each of its frames the position in the clip, (T',) float64 frames.
        """
        start = rng.uniform(0, self.config.trim) * max(0.0, speech[0] - 1)
        stop = len(crops) - rng.uniform(0, self.config.trim) * max(0.0, len(crops) - speech[1] - 1)
        times = self._warped_times(start, stop, rng)
        nearest = np.clip(np.rint(times).astype(int), 0, len(crops) - 1)
        video = torch.from_numpy(self._light(rng)[crops[nearest]])[:, None]  # (T', 1, 96, 96)
        video = torch.nn.functional.grid_sample(
            video,
            self._view(crops.shape[1:], rng).expand(len(video), -1, -1, -1),
            padding_mode="border",
            align_corners=False,
        )
        video = self.normalise(video)
        noise = torch.randn(video.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
        video = video.add(noise, alpha=rng.uniform(0, self.config.noise))
        self._cover(video, rng)
        return video, times

    def _warped_times(self, start: float, stop: float, rng: np.random.Generator) -> np.ndarray:
        """Position in the clip of each output frame; the speed changes every 5 to 20 frames."""
        limit = np.log1p(self.config.time_warp)
        times, now = [], start
        while now < stop - 0.5 or not times:
            speed = np.exp(rng.uniform(-limit, limit))
            for _ in range(rng.integers(5, 21)):
                if now < stop - 0.5 or not times:
                    times.append(now)
                now += speed
        return np.array(times)

    def _light(self, rng: np.random.Generator) -> np.ndarray:
        """Lookup table of grey values for a random gamma, (256,) float32."""
        limit = np.log1p(self.config.brightness)
        return ((np.arange(256, dtype=np.float32) / 255) ** np.float32(np.exp(rng.uniform(-limit, limit)))) * 255

    def _view(self, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
        """Sampling grid (1, h, w, 2): rotated, scaled, shifted and possibly mirrored."""
        config = self.config
        angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
        zoom = np.exp(rng.uniform(-1, 1, size=2) * np.log1p(config.scale) * [1, 0.4])  # size, and a little aspect
        scale_x, scale_y = zoom[0] * zoom[1], zoom[0] / zoom[1]
        mirror = -1 if rng.random() < config.flip else 1
        shift_x, shift_y = rng.uniform(-config.shift, config.shift, size=2)
        ys = torch.arange(self.height, dtype=torch.float32) - (self.height - 1) / 2
        xs = torch.arange(self.width, dtype=torch.float32) - (self.width - 1) / 2
        y, x = torch.meshgrid(ys * scale_y, xs * scale_x * mirror, indexing="ij")
        turned_x = np.cos(angle) * x - np.sin(angle) * y + shift_x
        turned_y = np.sin(angle) * x + np.cos(angle) * y + shift_y
        return torch.stack([turned_x / (size[1] / 2), turned_y / (size[0] / 2)], -1)[None].float()

    def _cover(self, video: Tensor, rng: np.random.Generator) -> None:
        """Masks stretches of time and a rectangle of the picture, in place; 0 is the mean grey."""
        config = self.config
        for _ in range(rng.integers(0, config.time_masks + 1)):
            length = int(rng.integers(1, config.time_mask_frames + 1))
            start = int(rng.integers(0, max(1, len(video) - length + 1)))
            video[start : start + length] = 0
        if rng.random() < config.cutout:
            height = int(rng.integers(4, self.height // 2 + 1))
            width = int(rng.integers(4, self.width // 2 + 1))
            top, left = int(rng.integers(0, self.height - height + 1)), int(rng.integers(0, self.width - width + 1))
            video[:, :, top : top + height, left : left + width] = 0
