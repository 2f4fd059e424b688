"""Telling people apart within one shot by how they look."""

import cv2
import numpy as np

from lipscribe.faces.landmarks import EYE_CORNERS_LEFT, EYE_CORNERS_RIGHT

# Measured: one person in one shot is 0.9 or more alike, whatever is behind the head and at half the light; at other
# times in other clothes 0.7 or more; 28 pairs of different people were 0.67 at most, half of them below 0.3.
SAME_PERSON = 0.75

_SIZE = 16  # px
_REACH = 2.0  # eye distances from the middle of the picture to its edge
_MIDDLE_Y = 0.5  # eye distances below the eyes: about the tip of the nose
_CHROMA_WEIGHT = 2.0
_SHARPER = 3  # the face is first cut out this many times larger, so that reducing it averages all its pixels


def _ellipse() -> np.ndarray:
    """Mask (S, S, 1) float32: 1 on the face and the hair, 0 on what is behind them."""
    at = (np.arange(_SIZE) - (_SIZE - 1) / 2) * 2 * _REACH / _SIZE
    inside = (at[None] / 1.25) ** 2 + ((at[:, None] + 0.1) / 1.7) ** 2 < 1
    return inside[..., None].astype(np.float32)


_MASK = _ellipse()


def signature(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """How a face looks, upright and of one size, without regard to how bright the picture is.

    Args:
        frame: (H, W, 3) uint8 RGB.
        landmarks: (L, 2) float32 px.

    Returns:
        (768,) float32 of length 1; the scalar product of two signatures is their likeness, 1 for the same picture.
    """
    right, left = landmarks[EYE_CORNERS_RIGHT].mean(0), landmarks[EYE_CORNERS_LEFT].mean(0)
    across = (left - right).astype(float)
    length = max(float(np.hypot(*across)), 1.0)
    large = _SIZE * _SHARPER
    scale = large / (2 * _REACH) / length
    cos, sin = across * scale / length
    turn = np.array([[cos, sin], [-sin, cos]])
    eyes_at = np.array([large / 2, large / 2 - _MIDDLE_Y * length * scale])
    transform = np.column_stack([turn, eyes_at - turn @ ((left + right) / 2)])
    face = cv2.warpAffine(frame, transform, (large, large), borderMode=cv2.BORDER_REPLICATE)
    face = cv2.resize(face, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab -= (lab * _MASK).sum((0, 1)) / _MASK.sum()
    lab[..., 1:] *= _CHROMA_WEIGHT
    flat = (lab * _MASK).ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-6)


class Gallery:
    """The looks of one person: a few signatures, each unlike the others, so that turning the head adds one."""

    CAPACITY = 12
    NEW_BELOW = 0.92  # likeness

    def __init__(self) -> None:
        self._looks: list[np.ndarray] = []

    def likeness(self, look: np.ndarray) -> float:
        """Likeness of a signature to the nearest in the gallery: -1 to 1."""
        return max((float(look @ own) for own in self._looks), default=-1.0)

    def add(self, look: np.ndarray) -> None:
        """Takes a signature in, unless it tells nothing new or the gallery is full."""
        if len(self._looks) < self.CAPACITY and self.likeness(look) < self.NEW_BELOW:
            self._looks.append(look)
