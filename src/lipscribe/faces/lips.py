"""The lips between two frames that the mesh has read, told from small pictures of the mouth.

The mesh costs 1.5 ms a face and frame. A mouth looks much the same again and again, so its landmarks follow from its
picture by regression on the frames read before: a Gaussian process (Rasmussen and Williams, "Gaussian Processes for
Machine Learning", 2006, chapter 2), whose variance also tells which pictures are unlike all of those.
"""

from typing import NamedTuple

import cv2
import numpy as np

from lipscribe.faces import landmarks as lm

CAPACITY = 24  # pictures kept of a mouth; with many more the regression costs as much as the mesh
NEW_ABOVE = 0.01  # variance: pictures below it add nothing to those kept
LENGTH_SCALE = 1.0  # of the kernel, in standard deviations of the grey levels: nearly linear over a mouth's movement
NOISE = 0.01  # variance of the noise, where a lip's prior variance is 1

_SIDE = 16  # px of the picture
_REACH = 0.6  # eye distances from the picture's middle to its edge
_BELOW_EYES = 1.15  # eye distances from the eyes to the picture's middle
_FLAT = 3.0  # grey levels: a picture with less contrast than this is not blown up to full contrast
_LIPS = slice(lm.LIPS_OUTER.start, lm.LIPS_INNER.stop)
_NUM_LIPS = _LIPS.stop - _LIPS.start


class Pose(NamedTuple):
    """Where a head is, px as complex numbers.

    Attributes:
        centre: The middle between the eyes.
        across: The way from the right eye to the left.
    """

    centre: complex
    across: complex

    @classmethod
    def of(cls, face: np.ndarray) -> "Pose":
        """The pose of a face's landmarks (L, 2) float32 px."""
        a, b, c, d = (complex(x, y) for x, y in face[lm.EYE_CORNERS].tolist())
        right, left = (a + b) / 2, (c + d) / 2
        return cls((right + left) / 2, (left - right) or 1 + 0j)

    def towards(self, other: "Pose", weight: float) -> "Pose":
        """The pose on the way to another one, 0 this and 1 the other."""
        return Pose(
            (1 - weight) * self.centre + weight * other.centre, (1 - weight) * self.across + weight * other.across
        )

    def distance(self, other: "Pose") -> float:
        """How far this pose's eyes are from another's, in eye distances."""
        off = abs(self.centre - other.centre) + abs(self.across - other.across) / 2
        return off / max(abs(self.across), 1e-6)


class LipRegression:
    """Predicts the lips of one person in one shot."""

    def __init__(self) -> None:
        self._num = 0  # learned so far; the first `CAPACITY` places are filled, then the oldest is replaced
        self._room = np.empty((CAPACITY, 3 * _SIDE**2), np.float32)
        self._squared = np.empty(CAPACITY, np.float32)
        self._shapes = np.empty((CAPACITY, _NUM_LIPS), np.complex64)
        self._covariance = np.empty((CAPACITY, CAPACITY), np.float32)
        self._inverse = np.empty((0, 0), np.float32)
        self._contrast = 0.0  # of the first picture, grey levels

    def picture(self, frame: np.ndarray, pose: Pose) -> np.ndarray:
        """The mouth in small, upright, its place told by the eyes.

        Args:
            frame: (H, W, 3) uint8 RGB.
            pose: Of the head in it.

        Returns:
            (768,) float32 in standard deviations of the first picture.
        """
        step = pose.across * _REACH / _SIDE  # of a picture twice as large, whose pixels are then averaged
        corner = pose.centre + _BELOW_EYES * 1j * pose.across - step * (_SIDE - 0.5) * (1 + 1j)
        matrix = np.array([[step.real, -step.imag, corner.real], [step.imag, step.real, corner.imag]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (2 * _SIDE, 2 * _SIDE)
        large = cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(large, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        self._contrast = self._contrast or max(float(cv2.meanStdDev(small)[1].mean()), _FLAT)
        return np.multiply(small, np.float32(1 / self._contrast), dtype=np.float32).ravel()

    def add(self, picture: np.ndarray, face: np.ndarray) -> None:
        """Learns how the lips of a `picture` lie in the landmarks (L, 2) float32 px that the mesh has read."""
        likeness = self._likeness(picture[None])[0]
        if self._num and 1 - likeness @ self._inverse @ likeness < NEW_ABOVE:
            return
        at, self._num = self._num % CAPACITY, self._num + 1
        stop = min(self._num, CAPACITY)
        self._room[at], self._shapes[at] = picture, _shape(face)
        self._squared[at] = picture @ picture
        self._covariance[at, : len(likeness)] = self._covariance[: len(likeness), at] = likeness
        self._covariance[at, at] = 1 + NOISE
        self._inverse = np.linalg.inv(self._covariance[:stop, :stop])

    def variances(self, pictures: np.ndarray) -> np.ndarray:
        """How little is known of the lips in pictures (N, 768): (N,) float32 from 0 to 1, 1 nothing."""
        likeness = self._likeness(pictures)
        return 1 - (likeness @ self._inverse * likeness).sum(1)

    def shapes(self, pictures: np.ndarray) -> np.ndarray:
        """Lips predicted from pictures (N, 768): (N, 40) complex64, see `_shape`."""
        known = self._shapes[: self._num]
        mean = known.mean(0)
        return mean + self._likeness(pictures) @ self._inverse @ (known - mean)

    def _likeness(self, pictures: np.ndarray) -> np.ndarray:
        """Squared exponential kernel of pictures (N, 768) with the M kept: (N, M) float32."""
        known = self._room[: self._num]
        squared = np.einsum("np,np->n", pictures, pictures)[:, None] + self._squared[: self._num]
        squared -= 2 * pictures @ known.T
        squared *= -0.5 / (LENGTH_SCALE**2 * pictures.shape[1])
        return np.exp(squared, out=squared)


def move_lips(faces: np.ndarray, changes: np.ndarray) -> None:
    """Moves the lips of faces (N, L, 2) px, in place, by (N, 40) complex in the faces' own frame, see `_shape`."""
    right = faces[:, lm.EYE_CORNERS_RIGHT].mean(1)
    across = faces[:, lm.EYE_CORNERS_LEFT].mean(1) - right  # (N, 2)
    moved = changes * (across[:, :1] + 1j * across[:, 1:])
    faces[:, _LIPS, 0] += moved.real
    faces[:, _LIPS, 1] += moved.imag


def _shape(face: np.ndarray) -> np.ndarray:
    """The lips in the face's own frame: (40,) complex64, from the middle of the eyes, in ways from eye to eye."""
    pose = Pose.of(face)
    lips = face[_LIPS].astype(np.float32)
    return ((lips[:, 0] + 1j * lips[:, 1] - pose.centre) / pose.across).astype(np.complex64)
