"""Square parts of a picture, rotated like the face in them: cut out for a network, and its points put back."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

_FEW = 4  # pictures of less than so many times a region's area are taken whole


@dataclass(frozen=True)
class Region:
    """A square in a picture.

    Attributes:
        x: Column of its centre in px.
        y: Row of its centre in px.
        side: px.
        angle: Radians by which it is rotated, clockwise as seen.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, box: np.ndarray, scale: float, angle: float = 0.0) -> "Region":
        """The square on the longer side of a box (2, 2) px, upper left and lower right corner, enlarged by `scale`."""
        (left, top), (right, bottom) = box.tolist()
        return cls((left + right) / 2, (top + bottom) / 2, scale * max(right - left, bottom - top, 1.0), angle)

    @classmethod
    def of_picture(cls, frame: np.ndarray) -> "Region":
        """The smallest square around a whole picture (H, W, ...)."""
        height, width = frame.shape[:2]
        return cls(width / 2, height / 2, max(height, width))

    def rotated(self, angle: float) -> "Region":
        """The same place, rotated by so many radians more."""
        return replace(self, angle=self.angle + angle)

    def difference(self, other: "Region") -> float:
        """How far apart the middles of two regions are and how unlike their sides, in sides of the larger, together."""
        apart = math.hypot(self.x - other.x, self.y - other.y) + abs(self.side - other.side)
        return apart / max(self.side, other.side)

    def cut(self, frame: np.ndarray, size: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """What lies in the region, sampled to (size, size, 3) uint8, upright.

        Args:
            frame: (H, W, 3) uint8 RGB.
            size: px.
            border: What OpenCV is to put where the region reaches beyond the picture.
        """
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = self._matrix(size)
        # OpenCV warps four channels in a third of the time of three.
        part, left, top = self._part(frame)
        matrix[:, 2] -= left, top
        rgba = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)
        warped = cv2.warpAffine(rgba, matrix, (size, size), flags=flags, borderMode=border)
        return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)

    def _part(self, frame: np.ndarray) -> tuple[np.ndarray, int, int]:
        """The part of a large frame that the region lies in, with a margin of 2 px, and its left and top."""
        reach = self.side * (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / 2 + 2
        height, width = frame.shape[:2]
        left, right = max(0, math.floor(self.x - reach)), min(width, math.ceil(self.x + reach) + 1)
        top, bottom = max(0, math.floor(self.y - reach)), min(height, math.ceil(self.y + reach) + 1)
        if left >= right or top >= bottom or height * width < 4 * reach**2 * _FEW:  # beside it, or most of it
            return frame, 0, 0
        return frame[top:bottom, left:right], left, top

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points (N, 2) px of a cut of this size -> (N, 2) float32 px of the picture."""
        matrix = self._matrix(size)
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def _matrix(self, size: int) -> np.ndarray:
        """(2, 3) float64, px of the cut -> px of the picture."""
        # As MediaPipe has it, pixel 0 of the cut lies on the region's edge, not half a pixel inside.
        cos, sin = np.cos(self.angle) * self.side / size, np.sin(self.angle) * self.side / size
        half = size / 2
        return np.array(
            [[cos, -sin, self.x - half * (cos - sin)], [sin, cos, self.y - half * (sin + cos)]], dtype=np.float64
        )


def box_around(points: np.ndarray) -> np.ndarray:
    """Upper left and lower right corner (2, 2) of the box around points (N, 2)."""
    by_axis = np.ascontiguousarray(points.T)  # along rows of two numpy takes six times as long
    return np.stack([by_axis.min(1), by_axis.max(1)])
