"""MediaPipe's face mesh: 468 landmarks of the face in a region.

Kartynnik, Ablavatski, Grishchenko and Grundmann, "Real-time facial surface geometry from monocular video on mobile
GPUs", CVPR Workshop on Computer Vision for Augmented and Virtual Reality 2019.
"""

import math
from typing import NamedTuple

import numpy as np

from lipscribe.faces.networks import Network
from lipscribe.faces.regions import Region, box_around

INPUT_SIZE = 192  # px
NUM_POINTS = 468
MIN_PRESENCE = 0.0  # logit, a probability of one half; faces seen well have 15 to 30
SCALE = 1.5  # the region's side over the longer side of the box around the points
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners


class Face(NamedTuple):
    """What the mesh reads.

    Attributes:
        points: (468, 2) float32 px of the picture.
        presence: Logit of the probability that these are the landmarks of a face.
    """

    points: np.ndarray
    presence: float


class FaceMesh:
    """Reads the landmarks of one face at a time.

    Args:
        network: `face_landmark`.
    """

    def __init__(self, network: Network):
        self._network = network

    def read(self, frame: np.ndarray, region: Region) -> Face | None:
        """Landmarks of the face in a region.

        Args:
            frame: (H, W, 3) uint8 RGB.
            region: Where the face is; `face_region` of its landmarks in the frame before is near enough.

        Returns:
            None where there is no face in the region.
        """
        points, presence = self._network.run(region.cut(frame, INPUT_SIZE))
        if presence[0] < MIN_PRESENCE or not np.isfinite(points).all():
            return None
        return Face(region.to_picture(points.reshape(NUM_POINTS, 3)[:, :2], INPUT_SIZE), float(presence[0]))


def face_region(points: np.ndarray) -> Region:
    """The region in which the mesh wants a face: (468, 2) px -> 1.5 times the box around it, the eyes level."""
    (x0, y0), (x1, y1) = points[RIGHT_EYE].tolist(), points[LEFT_EYE].tolist()
    return Region.around(box_around(points), SCALE, math.atan2(y1 - y0, x1 - x0))
