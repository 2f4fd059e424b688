"""Pixels of the picture -> pixels of the crop, as every kind of crop does it."""

import numpy as np

CROP_SIZE = 96  # px
FEW_PIXELS = 0.5  # px of the crop for one of the picture: where fewer come out than this, sampling alone picks at them


def in_grey(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB, or (H, W) grey as it is -> (H, W) uint8."""
    import cv2

    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame


def scale_of(transform: np.ndarray) -> float:
    """How many times larger a similarity (2, 3) makes the picture."""
    return float(np.hypot(transform[0, 0], transform[1, 0]))


def averaged(grey: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Halves a picture (H, W) uint8 until at most half of its pixels a side are lost in sampling.

    Returns:
        The smaller picture, and the similarity (2, 3) for it; both as they were if the scale is 0.5 or more.
    """
    import cv2

    scale = scale_of(transform)
    while scale < FEW_PIXELS and min(grey.shape) > 1:
        grey = cv2.pyrDown(grey)
        transform = transform * [[2, 2, 1]]
        scale *= 2
    return grey, transform
