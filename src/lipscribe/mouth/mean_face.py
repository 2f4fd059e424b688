"""Mouth crops as the Auto-AVSR models learned them: four points of the face are laid on those of a mean face.

Ma, Haliassos, Fernandez-Lopez, Chen, Petridis and Pantic, "Auto-AVSR: audio-visual speech recognition with automatic
labels", ICASSP 2023. In this order the points are right eye, left eye, nose, mouth: the means of the points 36 to 41,
42 to 47, 31 to 35 and 48 to 67 of the 68 that the mean face has. Here they are the means of the same places on
MediaPipe's face mesh (`face_points`).

The published code has two ways to its crops. The weights were trained on crops by RetinaFace and FAN, aligned by eight
of the 68 points. Its MediaPipe way takes BlazeFace's four key points, whose nose is the tip, whose eyes lie lower and
farther apart, and which come in whole pixels. On 900 frames of GRID (eyes 46 px apart) BlazeFace's points lie beside
`face_points`, to the face's left and down: right eye (-1.8, 3.3) px, left eye (1.9, 2.3), nose (2.2, -5.2), mouth
(2.3, -1.6). Against the eight points, taken from the mesh, its crops are 4.7 % larger, rotated by 2.7 degrees, and have
the lips 3 px off the middle; those by `face_points` are 1.1 % larger, rotated by 0.3 degrees, the lips in the middle.
"""

from collections.abc import Iterable

import numpy as np

from lipscribe.errors import NoFaceError
from lipscribe.faces import landmarks as lm
from lipscribe.mouth.sampling import CROP_SIZE, averaged, in_grey

CANVAS = 256  # px: side of the picture that the mean face lies in
MEAN_FACE = np.array(  # px of the canvas
    [
        [102.07394306, 94.27230352],
        [156.36130542, 93.57815605],
        [129.00373787, 135.90343029],
        [129.31337323, 157.82299635],
    ]
)
MOUTH = 3  # of the four points
REACH = 53.0  # px of the canvas between its middle and the crop's, at most
SMOOTH_REACH = 6  # frames to either side

NOSE_ROW = [lm.NOSTRIL_RIGHT, lm.NOSE_BASE, lm.NOSTRIL_LEFT]
LIPS = slice(lm.LIPS_OUTER.start, lm.LIPS_INNER.stop)


class MeanFaceCutter:
    """Cuts the mouth out of the frames of one run, in any order.

    Args:
        points: (T, 4, 2) float px of the picture, NaN where undetected.

    Attributes:
        transforms: (T, 2, 3) float64 similarities, picture pixels -> canvas pixels.
        corners: (T, 2) int64, the canvas pixel (x, y) in which the crop begins.
        held_back: (T,) bool: the mouth is farther than 53 px from the middle of the canvas, which happens where a face
            is turned far away or its points are wrong. The published code gives up there; here the crop goes that far
            towards it and no farther.

    Raises:
        NoFaceError: No frame has points.
    """

    def __init__(self, points: np.ndarray):
        points = smooth_points(fill_gaps(points))
        self.transforms = fit_mean_face(points)
        mouth = np.einsum("tij,tj->ti", self.transforms[..., :2], points[:, MOUTH]) + self.transforms[..., 2]
        centre = mouth.clip(CANVAS / 2 - REACH, CANVAS / 2 + REACH)
        self.held_back = (centre != mouth).any(-1)
        self.corners = np.rint(centre - CROP_SIZE / 2).astype(np.int64)  # half to even, as published

    def cut(self, frame: np.ndarray, t: int) -> np.ndarray:
        """The crop (96, 96) uint8 of the run's frame `t`: (H, W, 3) uint8 RGB or (H, W) grey; black beyond the picture.

        It is grey before it is warped, as the published code reads clips. Where a face is more than twice as large as
        in the crop its pixels are averaged first, which the published code does not do.
        """
        import cv2

        grey, transform = averaged(in_grey(frame), self.transforms[t])
        # The whole canvas, although a third of it is enough: a shifted matrix is rounded otherwise, by up to 6 greys.
        canvas = cv2.warpAffine(grey, transform, (CANVAS, CANVAS))
        x, y = self.corners[t]
        return canvas[y : y + CROP_SIZE, x : x + CROP_SIZE].copy()


def crop_by_points(frames: Iterable[np.ndarray], points: np.ndarray) -> np.ndarray:
    """The crops (T, 96, 96) uint8 of a whole clip, for those who have the four points from elsewhere.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        points: (T, 4, 2) float px of the T frames, NaN where undetected.

    Raises:
        NoFaceError: No frame has points.
    """
    cutter = MeanFaceCutter(points)
    return np.stack([cutter.cut(frame, t) for frame, t in zip(frames, range(len(points)), strict=True)])


def face_points(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, L, 2) float px -> the four points (T, 4, 2) float64 px, NaN where those are."""
    parts = (lm.RIGHT_EYE, lm.LEFT_EYE, NOSE_ROW, LIPS)
    return np.stack([landmarks[:, part].mean(1, dtype=np.float64) for part in parts], 1)


def fill_gaps(points: np.ndarray) -> np.ndarray:
    """Interpolates linearly where points are NaN; before the first and after the last frame found those are kept.

    Args:
        points: (T, 4, 2) float px.

    Returns:
        (T, 4, 2) float64 px without NaN.

    Raises:
        NoFaceError: No frame has points.
    """
    points = np.asarray(points, np.float64)
    found = np.flatnonzero(~np.isnan(points).any((1, 2)))
    if not len(found):
        raise NoFaceError(f"none of the {len(points)} frames has points of a face: want one at least")
    if len(found) == len(points):
        return points
    flat = points.reshape(len(points), -1)
    filled = [np.interp(np.arange(len(points)), found, column[found]) for column in flat.T]
    return np.stack(filled, 1).reshape(points.shape)


def smooth_points(points: np.ndarray) -> np.ndarray:
    """Takes the jitter out of a face's shape, size and turn, and leaves its place as it is: (T, 4, 2) -> the same.

    The mean of up to 6 frames to either side, alike on both, is moved to where the frame's own points lie on average.
    """
    num_frames = len(points)
    reach = np.minimum(np.arange(num_frames), np.arange(num_frames)[::-1]).clip(max=SMOOTH_REACH)
    mean = np.zeros(points.shape)
    for shift in range(-SMOOTH_REACH, SMOOTH_REACH + 1):
        inside = np.flatnonzero(reach >= abs(shift))
        mean[inside] += points[inside + shift]
    mean /= (2 * reach + 1)[:, None, None]
    return mean + (points.mean(1) - mean.mean(1))[:, None]


def fit_mean_face(points: np.ndarray) -> np.ndarray:
    """The similarity that lays each frame's points on the mean face, by least median of squares (Rousseeuw, 1984).

    With four points that is least squares, but for a point that does not fit to the others, which is left out. OpenCV
    draws the pairs that it tries from a fixed seed: the same points give the same matrix.

    Args:
        points: (T, 4, 2) float px without NaN.

    Returns:
        (T, 2, 3) float64, picture pixels -> canvas pixels. Where all points are one, it is moved and not scaled.
    """
    import cv2

    transforms = np.empty((len(points), 2, 3))
    for t, found in enumerate(points):
        transform, _ = cv2.estimateAffinePartial2D(found, MEAN_FACE, method=cv2.LMEDS)
        if transform is None:
            transform = np.column_stack([np.eye(2), MEAN_FACE.mean(0) - found.mean(0)])
        transforms[t] = transform
    return transforms
