"""Telling people apart by how they look: in one shot, and from shot to shot.

A look is colours and edges. Colours of face and hair tell most people apart, and not those of one complexion in one
light; the directions of edges (Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005)
tell those, and are less steady. docs/results.md has how often the two together are wrong.
"""

import cv2
import numpy as np

from lipscribe.faces.lab import rgb_to_lab
from lipscribe.faces.landmarks import EYE_CORNERS_LEFT, EYE_CORNERS_RIGHT

SAME_PERSON = 0.8  # likeness; chosen on four of GRID's speakers, of whom no two are as much alike

_EDGE_SHARE = 0.6  # of the likeness; the rest is colour
_SHARPER = 3  # colours are first cut out this many times larger, so that reducing them averages all pixels

_COLOUR_SIZE = 16  # px
_COLOUR_REACH = 2.0  # eye distances from the middle of the picture to its edge
_COLOUR_MIDDLE = 0.5  # eye distances below the eyes: about the tip of the nose
_CHROMA_WEIGHT = 2.0

_EDGE_SIZE = 64  # px
_EDGE_REACH = 1.3  # eye distances: the face without hair and background
_EDGE_MIDDLE = 0.45
_CELL = 8  # px
_NUM_DIRECTIONS = 8
_FAINT = 0.2  # of the mean: cells with weaker edges than that count for less
_NUM_BINS = (_EDGE_SIZE // _CELL) ** 2 * _NUM_DIRECTIONS
_AT = np.arange(_EDGE_SIZE) // _CELL
_CELLS = (_AT[:, None] * (_EDGE_SIZE // _CELL) + _AT) * _NUM_DIRECTIONS  # (64, 64): each pixel's first bin


def _ellipse() -> np.ndarray:
    """Mask (S, S, 1) float32: 1 on the face and the hair, 0 on what is behind them."""
    at = (np.arange(_COLOUR_SIZE) - (_COLOUR_SIZE - 1) / 2) * 2 * _COLOUR_REACH / _COLOUR_SIZE
    inside = (at[None] / 1.25) ** 2 + ((at[:, None] + 0.1) / 1.7) ** 2 < 1
    return inside[..., None].astype(np.float32)


_MASK = _ellipse()


def signature(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """How a face looks, upright and of one size, without regard to how bright the picture is.

    Args:
        frame: (H, W, 3) uint8 RGB.
        landmarks: (L, 2) float32 px.

    Returns:
        (1280,) float32 of length 1; the scalar product of two signatures is their likeness, 1 for the same picture.
    """
    colours = _unit(_colours(_cut_out(frame, landmarks, _COLOUR_SIZE, _SHARPER, _COLOUR_REACH, _COLOUR_MIDDLE)))
    edges = _unit(_edges(_cut_out(frame, landmarks, _EDGE_SIZE, 2, _EDGE_REACH, _EDGE_MIDDLE)))
    return _unit(np.concatenate([(1 - _EDGE_SHARE) ** 0.5 * colours, _EDGE_SHARE**0.5 * edges]))


def _cut_out(
    frame: np.ndarray, landmarks: np.ndarray, size: int, sharper: int, reach: float, middle: float
) -> np.ndarray:
    """The face upright: (size, size, 3) uint8, its edges `reach` eye distances away, the eyes `middle` above it."""
    right, left = landmarks[EYE_CORNERS_RIGHT].mean(0), landmarks[EYE_CORNERS_LEFT].mean(0)
    across = (left - right).astype(float)
    length = max(float(np.hypot(*across)), 1.0)
    large = size * sharper
    scale = large / (2 * reach) / length
    cos, sin = across * scale / length
    rotation = np.array([[cos, sin], [-sin, cos]])
    eyes_at = np.array([large / 2, large / 2 - middle * length * scale])
    transform = np.column_stack([rotation, eyes_at - rotation @ ((left + right) / 2)])
    face = cv2.warpAffine(frame, transform, (large, large), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)


def _colours(face: np.ndarray) -> np.ndarray:
    """Colours of face and hair against their mean: (16, 16, 3) uint8 RGB -> (768,) float32."""
    lab = rgb_to_lab(face).astype(np.float32)
    lab -= (lab * _MASK).sum((0, 1)) / _MASK.sum()
    lab[..., 1:] *= _CHROMA_WEIGHT
    return (lab * _MASK).ravel()


def _edges(face: np.ndarray) -> np.ndarray:
    """Directions of edges in cells of 8x8 px, against their mean: (64, 64, 3) uint8 RGB -> (512,) float32."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    along_x, along_y = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    strength, angle = cv2.cartToPolar(along_x, along_y)
    direction = angle % np.float32(np.pi) * np.float32(_NUM_DIRECTIONS / np.pi)
    below = direction.astype(int)
    above_share = direction - below
    # Each edge belongs to the two directions next to its own.
    first = np.bincount((_CELLS + below % _NUM_DIRECTIONS).ravel(), (strength * (1 - above_share)).ravel(), _NUM_BINS)
    second = np.bincount((_CELLS + (below + 1) % _NUM_DIRECTIONS).ravel(), (strength * above_share).ravel(), _NUM_BINS)
    histograms = (first + second).reshape(-1, _NUM_DIRECTIONS).astype(np.float32)  # (64, 8)
    size = np.linalg.norm(histograms, axis=-1, keepdims=True) + _FAINT * histograms.sum(-1).mean()
    histograms = np.sqrt(histograms / np.maximum(size, 1e-6))
    return (histograms - histograms.mean(0)).ravel()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


class Gallery:
    """The looks of one person: a few signatures, each unlike the others, so that turning the head adds one."""

    CAPACITY = 12
    NEW_BELOW = 0.95  # likeness

    def __init__(self) -> None:
        self._looks: list[np.ndarray] = []

    def likeness(self, look: np.ndarray) -> float:
        """Likeness of a signature to the nearest in the gallery: -1 to 1."""
        return max((float(look @ own) for own in self._looks), default=-1.0)

    def likeness_to(self, other: "Gallery") -> float:
        """Likeness of the two looks of two galleries that are most alike: -1 to 1."""
        if not self._looks or not other._looks:
            return -1.0
        return float((np.stack(self._looks) @ np.stack(other._looks).T).max())

    @property
    def looks(self) -> np.ndarray:
        """The signatures, (N, 1280) float32."""
        return np.array(self._looks, np.float32).reshape(len(self._looks), -1)

    def merge(self, other: "Gallery") -> None:
        """Takes in what is new in another gallery."""
        for look in other._looks:
            self.add(look)

    def add(self, look: np.ndarray) -> bool:
        """Takes a signature in, unless it tells nothing new or the gallery is full; says whether it did."""
        is_new = len(self._looks) < self.CAPACITY and self.likeness(look) < self.NEW_BELOW
        if is_new:
            self._looks.append(look)
        return is_new


class People:
    """The people of a video, identified across its shots; keeps the last 100, which takes at most 6 MB."""

    CAPACITY = 100

    def __init__(self) -> None:
        self._known: dict[int, Gallery] = {}  # who was seen last stands last
        self._num_people = 0

    def gallery(self, number: int) -> Gallery:
        """What is known of a person; nothing of one who is forgotten."""
        return self._known.get(number, Gallery())

    def identify(self, galleries: list[Gallery]) -> list[int]:
        """Who the people of one shot are: those seen before get the number they had, the most alike first.

        Args:
            galleries: One for each person of the shot, in order of appearance.

        Returns:
            Their numbers, from 0 in order of appearance; no two are the same.
        """
        pairs = [
            (known.likeness_to(gallery), idx, number)
            for idx, gallery in enumerate(galleries)
            for number, known in self._known.items()
        ]
        numbers: dict[int, int] = {}
        for likeness, idx, number in sorted(pairs, key=lambda pair: -pair[0]):
            if likeness >= SAME_PERSON and idx not in numbers and number not in numbers.values():
                numbers[idx] = number
        for idx, gallery in enumerate(galleries):
            if idx not in numbers:
                numbers[idx] = self._num_people
                self._num_people += 1
            known = self._known.pop(numbers[idx], Gallery())
            known.merge(gallery)
            self._known[numbers[idx]] = known
        for number in list(self._known)[: -self.CAPACITY]:
            del self._known[number]
        return [numbers[idx] for idx in range(len(galleries))]
