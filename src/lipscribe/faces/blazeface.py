"""MediaPipe's face detectors: where in a picture the faces are.

Bazarevsky, Kartynnik, Vakunov, Raveendran and Grundmann, "BlazeFace: sub-millisecond neural face detection on mobile
GPUs", CVPR Workshop on Computer Vision for Augmented and Virtual Reality 2019.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lipscribe.faces.networks import Network
from lipscribe.faces.regions import Region

MIN_SCORE = 0.5
MAX_OVERLAP = 0.3  # intersection over union: boxes that overlap by more are of one face
SCALE = 1.5  # the mesh's region over the box around a face
# Per anchor the network gives 16 numbers: the box's centre, width and height, then x and y of six points.
_NUM_VALUES = 16
_CENTRE, _SIZE, _RIGHT_EYE, _LEFT_EYE = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)


@dataclass(frozen=True)
class Detection:
    """A face that a detector found.

    Attributes:
        box: (2, 2) float32 px: its upper left and lower right corner.
        region: Where to read its landmarks.
        score: The detector's probability that it is a face.
    """

    box: np.ndarray
    region: Region
    score: float


class BlazeFace:
    """Finds the faces in a part of a picture.

    Args:
        network: `face_detection_short_range` or `face_detection_full_range_sparse`.
        size: Side of the network's input in px.
        grids: Cells a side of the grids that its anchors lie on, and how many lie in each cell.
    """

    def __init__(self, network: Network, size: int, grids: tuple[tuple[int, int], ...]):
        self._network, self._size = network, size
        self._anchors = np.concatenate([_anchors(cells, repeats) for cells, repeats in grids])  # (N, 2), 0 to 1

    @classmethod
    def short_range(cls, network: Network) -> "BlazeFace":
        """For faces wider than an eighth of the region."""
        return cls(network, 128, ((16, 2), (8, 6)))

    @classmethod
    def full_range(cls, network: Network) -> "BlazeFace":
        """For faces wider than a fifteenth of the region."""
        return cls(network, 192, ((48, 1),))

    def find(self, frame: np.ndarray, region: Region | None = None) -> list[Detection]:
        """The faces in a region of a frame (H, W, 3) uint8 RGB, by default in all of it, the surest first."""
        region = region or Region.of_picture(frame)
        values, logits = self._network.run(region.cut(frame, self._size, cv2.BORDER_CONSTANT))
        likely = np.flatnonzero(logits >= -math.log(1 / MIN_SCORE - 1))
        if not len(likely):
            return []
        scores = 1 / (1 + np.exp(-np.clip(logits[likely], None, 100.0)))
        values = values.reshape(-1, _NUM_VALUES)[likely] / self._size
        offset = self._anchors[likely]
        centre, half = values[:, _CENTRE] + offset, values[:, _SIZE] / 2
        corners = np.concatenate(
            [centre - half, centre + half, values[:, _RIGHT_EYE] + offset, values[:, _LEFT_EYE] + offset], axis=1
        )  # (N, 8)
        found = []
        for points, score in _merge(corners, scores):
            points = region.to_picture(points.reshape(4, 2) * self._size, self._size)
            box = np.stack([points[:2].min(0), points[:2].max(0)])  # a rotated region swaps its corners
            (x0, y0), (x1, y1) = points[2:].tolist()
            found.append(Detection(box, Region.around(box, SCALE, math.atan2(y1 - y0, x1 - x0)), score))
        return found


def _anchors(cells: int, repeats: int) -> np.ndarray:
    """Centres (cells * cells * repeats, 2) float32 of the cells, row by row, each `repeats` times."""
    at = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    y, x = np.meshgrid(at, at, indexing="ij")
    return np.repeat(np.stack([x.ravel(), y.ravel()], 1), repeats, axis=0)


def _merge(corners: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """One for each face: the mean of all boxes that overlap its surest one, weighted by their scores."""
    merged = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        best = order[0]
        same = _overlap(corners[best, :4], corners[order, :4]) > MAX_OVERLAP
        same[0] = True  # also where the box is empty
        weights = scores[order[same]]
        merged.append((weights @ corners[order[same]] / weights.sum(), float(scores[best])))
        order = order[~same]
    return merged


def _overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with each of (N, 4): (N,) float."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)
    union = max(float((box[2:] - box[:2]).prod()), 0.0) + areas - shared
    return np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)
