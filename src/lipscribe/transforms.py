"""Mouth crops -> model input, and data augmentation.

Needs only torch and numpy, as training from prepared crops does.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lipscribe.model_input import FIXED_DEVIATION, FIXED_MEAN, Normalisation, crops_to_array
from lipscribe.schema import within

FIELD_SIZE = 4, 5  # random values down and across a picture, between which a smooth field is interpolated
NOISE_SIZE = 2**22  # values in the table of noise, 16 MB


def crops_to_video(
    crops: np.ndarray, height: int, width: int, normalisation: Normalisation = "frame", lower: int = 0
) -> Tensor:
    """`crops_to_array` as a tensor: (T, 96, 96) uint8 -> (T, 1, height, width) float32."""
    return torch.from_numpy(crops_to_array(crops, height, width, normalisation, lower))


def normalise_frames(video: Tensor) -> Tensor:
    """(T, 1, H, W) -> the same with mean 0 and deviation 1 in each frame; an even grey frame gives zeros."""
    centred = video - video.mean((-2, -1), keepdim=True)
    # A norm takes a tenth of the time of `std`, which finds the mean again.
    deviation = torch.linalg.vector_norm(centred, dim=(-2, -1), keepdim=True) / math.sqrt(math.prod(video.shape[-2:]))
    return centred / deviation.clamp(min=1.0)


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
        warp: Standard deviation of a smooth distortion in pixels, the same in all frames: another face's proportions.
        shade: Standard deviation of a smooth pattern of light and shadow, the same in all frames, as a share of the
            brightness: another light, skin or beard.
        blur: Maximum factor by which the resolution is reduced, less one.
        cut_short: Probability of ending a clip in the middle of its sentence (see `data.cut_short`), for reading live;
            needs word times.
        unspoken: Probability of keeping only the silence beside the sentence (see `data.unspoken`), so that a model
            reads nothing where nobody speaks; needs word times.
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
    warp: float = within(0.0, 0, 10)
    shade: float = within(0.0, 0, 2)
    blur: float = within(0.0, 0, 7)
    cut_short: float = within(0.0, 0, 1)
    unspoken: float = within(0.0, 0, 1)
    splice: float = within(0.0, 0, 1)
    splice_from: int = within(1, 1)
    splice_until: int | None = within(None, 1)

    def splice_chance(self, epoch: int) -> float:
        """Probability of exchanging a word in an epoch (from 0)."""
        last = math.inf if self.splice_until is None else self.splice_until
        return self.splice if self.splice_from <= epoch + 1 <= last else 0.0


@functools.cache
def _noise_table() -> Tensor:
    return torch.randn(NOISE_SIZE, generator=torch.Generator().manual_seed(0))


def add_noise(video: Tensor, start: int, deviation: float) -> None:
    """Adds normal noise in place.

    It is cut from a table of four million drawn values, which takes a thirtieth of the time of drawing them.

    Args:
        video: Contiguous.
        start: Where in the table the noise begins; it ends with the beginning of the table again.
    """
    table, flat = _noise_table(), video.view(-1)
    for first in range(-start, len(flat), len(table)):
        piece = flat[max(first, 0) : first + len(table)]
        offset = max(-first, 0)
        piece.add_(table[offset : offset + len(piece)], alpha=deviation)


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
        light = self._light(rng)
        (top, bottom), (left, right), grid = self._grid(self._view(rng), crops.shape[1:])
        grid = self._warp(grid, (bottom - top, right - left), rng)
        seen = np.take(light, crops[:, top:bottom, left:right][nearest])  # (T', h, w): what the view covers
        # One grid for all frames as channels of one picture: half the time of one grid for each frame.
        video = functional.grid_sample(torch.from_numpy(seen)[None], grid, padding_mode="border", align_corners=False)
        video = self.normalise(self._shade(self._blur(video, rng), rng).transpose(0, 1))  # (T', 1, height, width)
        add_noise(video, int(rng.integers(2**62)) % NOISE_SIZE, rng.uniform(0, self.config.noise))
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

    def _view(self, rng: np.random.Generator) -> np.ndarray:
        """Rotation, scale, mirroring and shift: (2, 3) float64, input (x, y, 1) -> place in the crop.

        Both are in pixels from the middle of their picture.
        """
        config = self.config
        angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
        zoom = np.exp(rng.uniform(-1, 1, size=2) * np.log1p(config.scale) * [1, 0.4])  # size, and a little aspect
        scale_x, scale_y = zoom[0] * zoom[1], zoom[0] / zoom[1]
        mirror = -1 if rng.random() < config.flip else 1
        shift_x, shift_y = rng.uniform(-config.shift, config.shift, size=2)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.array(
            [[cos * scale_x * mirror, -sin * scale_y, shift_x], [sin * scale_x * mirror, cos * scale_y, shift_y]]
        )

    def _grid(self, view: np.ndarray, size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int], Tensor]:
        """The rows and columns of a crop that a view covers, and the sampling grid (1, height, width, 2) on these."""
        reach = np.array([self.width, self.height]) / 2
        extent = abs(view[:, :2]) @ reach  # of the view, to either side of its middle
        sizes = np.array([size[1], size[0]])
        middle = (sizes - 1) / 2 + view[:, 2]
        first = np.clip(np.floor(middle - extent) - 1, 0, sizes - 1).astype(int)
        stop = np.clip(np.ceil(middle + extent) + 2, first + 1, sizes).astype(int)
        # From pixels to the units of `grid_sample`, in which a picture reaches from -1 to 1.
        half = (stop - first) / 2
        scaled, moved = view[:, :2] / half[:, None], (middle + 0.5 - first) / half - 1
        xs = np.arange(self.width) - (self.width - 1) / 2
        ys = np.arange(self.height)[:, None] - (self.height - 1) / 2
        grid = np.empty((1, self.height, self.width, 2), np.float32)
        for axis in range(2):
            np.add(
                scaled[axis, 0] * xs + moved[axis], scaled[axis, 1] * ys, out=grid[0, :, :, axis], casting="same_kind"
            )
        (left, top), (right, bottom) = first.tolist(), stop.tolist()
        return (top, bottom), (left, right), torch.from_numpy(grid)

    def _warp(self, grid: Tensor, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
        """A smoothly distorted sampling grid (1, height, width, 2), in halves of `size`, (height, width) pixels."""
        if not self.config.warp:
            return grid
        unit = self.config.warp * 2 / np.array([size[1], size[0]])
        field = self._smooth_field(rng, 2) * torch.from_numpy(unit.astype(np.float32))[None, :, None, None]
        return grid + field.permute(0, 2, 3, 1)

    def _blur(self, video: Tensor, rng: np.random.Generator) -> Tensor:
        """(1, T', height, width) greys at a random lower resolution, enlarged again."""
        if not self.config.blur:
            return video
        factor = 1 + rng.uniform(0, self.config.blur)
        small = functional.interpolate(video, scale_factor=1 / factor, mode="bilinear", antialias=True)
        return functional.interpolate(small, size=video.shape[-2:], mode="bilinear")

    def _shade(self, video: Tensor, rng: np.random.Generator) -> Tensor:
        """(1, T', height, width) greys under a smooth random light."""
        if not self.config.shade:
            return video
        return video * torch.exp(self.config.shade * self._smooth_field(rng, 1))

    def _smooth_field(self, rng: np.random.Generator, channels: int) -> Tensor:
        """(1, channels, height, width) float32: standard deviation about 1, changing slowly over the picture."""
        coarse = torch.from_numpy(rng.standard_normal((1, channels, *FIELD_SIZE), dtype=np.float32))
        size = (self.height, self.width)
        return functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)

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
