"""Mouth crops -> the network's input, for every runtime."""

from collections.abc import Callable
from typing import Literal

import numpy as np

FIXED_MEAN, FIXED_DEVIATION = 0.421, 0.165  # of grey values 0 to 1 in Auto-AVSR's training data

Normalisation = Literal["frame", "fixed"]


def crops_to_array(
    crops: np.ndarray, height: int, width: int, normalisation: Normalisation = "frame", lower: int = 0
) -> np.ndarray:
    """Centre-crops and normalises mouth crops.

    Args:
        crops: (T, 96, 96) uint8.
        normalisation: "frame" gives each frame mean 0 and standard deviation 1, which removes flicker; "fixed" uses the
            mean and standard deviation of Auto-AVSR's training clips.
        lower: Shift of the crop downwards in pixels, limited by the margin; negative is upwards.

    Returns:
        (T, 1, height, width) float32. Frames are independent, so windows of a long video get the same values.
    """
    top, left = (crops.shape[1] - height) // 2 + lower, (crops.shape[2] - width) // 2
    middle = crops[:, top : top + height, left : left + width].astype(np.float32)
    return NORMALISE[normalisation](middle)[:, None]


def normalise_frames(frames: np.ndarray) -> np.ndarray:
    """(T, H, W) float32 -> the same with mean 0 and deviation 1 in each frame; an even grey frame gives zeros."""
    centred = frames - frames.mean((1, 2), keepdims=True)
    variance = np.einsum("thw,thw->t", centred, centred) / max(centred[0].size if len(centred) else 1, 1)
    centred /= np.maximum(np.sqrt(variance), np.float32(1.0))[:, None, None]
    return centred


def normalise_fixed(frames: np.ndarray) -> np.ndarray:
    """(T, H, W) float32 greys 0 to 255 -> the same with mean 0 and deviation 1 over Auto-AVSR's training clips."""
    return (frames / np.float32(255) - np.float32(FIXED_MEAN)) / np.float32(FIXED_DEVIATION)


NORMALISE: dict[Normalisation, Callable[[np.ndarray], np.ndarray]] = {
    "frame": normalise_frames,
    "fixed": normalise_fixed,
}
