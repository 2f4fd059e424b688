"""Lipscribe's own crops: the face is laid on a reference face, and the mouth is cut out.

Rotation and size come from the points that speech does not move (eye corners, nose); the place of the crop comes from
the mouth itself, smoothed so slowly that it follows the head and not the speech. So the crop stays upright whatever
the head's roll and size, and inside it only the mouth moves.
"""

import numpy as np

from lipscribe.faces import landmarks as lm
from lipscribe.mouth.sampling import CROP_SIZE, FEW_PIXELS, averaged, in_grey, scale_of

EYE_DISTANCE = 60.0  # px between the eyes' centres in the aligned picture; a mouth at rest is then about 50 px wide

STABLE_POINTS = [
    *(lm.RIGHT_EYE_OUTER, lm.RIGHT_EYE_INNER, lm.LEFT_EYE_INNER, lm.LEFT_EYE_OUTER),
    *(lm.NOSE_BRIDGE, lm.NOSE_BASE, lm.NOSTRIL_RIGHT, lm.NOSTRIL_LEFT),
]
# Where the stable points lie on the reference face, in eye distances from the point between the eyes (x right, y down):
# our mean over GRID speaker s1, made symmetric.
REFERENCE_FACE = EYE_DISTANCE * np.array(
    [
        *([-0.72, -0.012], [-0.28, 0.012], [0.28, 0.012], [0.72, -0.012]),
        *([0.0, -0.074], [0.0, 0.83], [-0.28, 0.796], [0.28, 0.796]),
    ]
)

ALIGN_SIGMA = 2.0  # frames: takes out the detector's jitter and keeps the head's own movement
MOUTH_SIGMA = 10.0  # frames: slower than any word
SMOOTH_REACH = 3  # sigmas to either side
REACH = int(SMOOTH_REACH * max(ALIGN_SIGMA, MOUTH_SIGMA))  # frames to either side that a frame's crop depends on
BLOCK = 3000  # frames aligned at once, since an hour at once would need 100 MB for a moment


def alignment(landmarks: np.ndarray) -> np.ndarray:
    """The similarity that takes each frame's picture to its crop.

    Args:
        landmarks: (T, L, 2) float pixels without NaN.

    Returns:
        (T, 2, 3) float64 matrices, picture pixels -> crop pixels.
    """
    transforms = np.empty((len(landmarks), 2, 3))
    for start in range(0, len(landmarks), BLOCK):
        first = max(start - REACH, 0)
        block = _align(landmarks[first : start + BLOCK + REACH])
        transforms[start : start + BLOCK] = block[start - first :][:BLOCK]
    return transforms


def _align(landmarks: np.ndarray) -> np.ndarray:
    points = _smooth(landmarks[:, STABLE_POINTS].astype(np.float64), ALIGN_SIGMA)  # (T, 8, 2)
    mouth = _smooth(landmarks[:, lm.LIPS_OUTER].mean(1, dtype=np.float64), MOUTH_SIGMA)  # (T, 2)
    linear = rotation_and_scale(points)
    centre = (CROP_SIZE - 1) / 2
    offset = centre - np.einsum("tij,tj->ti", linear, mouth)
    return np.concatenate([linear, offset[..., None]], -1)


def rotation_and_scale(points: np.ndarray) -> np.ndarray:
    """What lays faces on the reference face, but for their places.

    Least squares for scale and rotation (Umeyama, 1991) are one complex quotient in the plane: the reference face as
    complex numbers, divided by the face found.

    Args:
        points: (T, 8, 2) float64 px, the `STABLE_POINTS` of each face.

    Returns:
        (T, 2, 2) float64 matrices.
    """
    source = points[..., 0] + 1j * points[..., 1]  # (T, 8)
    target = REFERENCE_FACE[:, 0] + 1j * REFERENCE_FACE[:, 1]
    source = source - source.mean(1, keepdims=True)
    target = target - target.mean()
    turn = (source.conj() * target).sum(1) / np.maximum((abs(source) ** 2).sum(1), 1e-9)  # (T,) scale * e^(i angle)
    return np.stack([turn.real, -turn.imag, turn.imag, turn.real], -1).reshape(-1, 2, 2)


def warp_mouth(frame: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Applies one matrix of `alignment` to a frame (H, W, 3) uint8 RGB or (H, W) grey -> crop (96, 96) uint8."""
    import cv2

    if scale_of(transform) < FEW_PIXELS:  # only the part of the picture that is needed is averaged
        frame, transform = _cut_around_crop(frame, transform)
    grey, transform = averaged(in_grey(frame), transform)
    # Beyond the picture its edge goes on: with a fifth of the crop black, half the words are lost (docs/results.md).
    return cv2.warpAffine(grey, transform, (CROP_SIZE, CROP_SIZE), borderMode=cv2.BORDER_REPLICATE)


def _cut_around_crop(frame: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the frame that the crop is made of, with a margin, and the matrix for that part."""
    linear, offset = transform[:, :2], transform[:, 2]
    margin = 16
    corners = np.array([[x, y] for x in (-margin, CROP_SIZE + margin) for y in (-margin, CROP_SIZE + margin)])
    corners = (corners - offset) @ np.linalg.inv(linear).T
    low = np.clip(np.floor(corners.min(0)), 0, None).astype(int)
    high = np.clip(np.ceil(corners.max(0)), low + 1, None).astype(int)
    part = frame[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:  # the mouth lies outside the picture altogether
        return frame, transform
    return part, np.concatenate([linear, (offset + linear @ low)[:, None]], -1)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean over time, (T, ...) -> (T, ...); near the ends the window shrinks on both sides alike.

    A window cut off on one side only would drag the first and last frames towards the middle of the clip.
    """
    num_frames = len(values)
    total = np.zeros_like(values)
    weight = np.zeros(num_frames)
    radius = min(int(SMOOTH_REACH * sigma), (num_frames - 1) // 2)
    for shift in range(-radius, radius + 1):
        start, stop = abs(shift), num_frames - abs(shift)  # as far from the ends, or further
        kernel = np.exp(-0.5 * (shift / sigma) ** 2)
        total[start:stop] += kernel * values[start + shift : stop + shift]
        weight[start:stop] += kernel
    return total / weight.reshape(-1, *[1] * (values.ndim - 1))
