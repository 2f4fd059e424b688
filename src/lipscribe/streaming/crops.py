"""Frames of a camera -> mouth crops, each cut as soon as its frame is there.

In a file, a crop's place is smoothed over a second to both sides (`mouth/upright.py`). Here nothing later is known:
rotation and size are extrapolated from the frames before, and the mouth's place within the face is the mean of the
frames so far, so that the crop follows the head at once and speech not at all.
"""

from collections import deque

import cv2
import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceDetector
from lipscribe.faces import landmarks as lm
from lipscribe.faces.tracking import MAX_STEP, NEARBY
from lipscribe.mouth import CROP_SIZE, STABLE_POINTS, rotation_and_scale, warp_mouth
from lipscribe.units import Seconds, seconds_to_frame

MEMORY: Seconds = 2.0  # of the mouth's place within the face
JITTER: Seconds = 0.2  # frames of so long tell where the head is now


class FaceFollower:
    """Follows one face: the largest at first, then the one that is nearest to where it was.

    Args:
        detector: Finds the faces; it is reset.
        fps: Of the frames.

    Attributes:
        is_new: Whether the face of the last frame is another one than before, or the first.
    """

    def __init__(self, detector: FaceDetector, fps: float):
        self._detector, self._max_lost = detector, seconds_to_frame(NEARBY, fps)  # one gone for longer has left
        self.reset()

    def reset(self) -> None:
        """Forgets the face."""
        self._detector.reset()
        self._last: np.ndarray | None = None
        self._num_lost = 0
        self.is_new = False

    @property
    def is_there(self) -> bool:
        """Whether a face is followed; it may be lost for some frames."""
        return self._last is not None

    def find(self, frame: np.ndarray) -> np.ndarray | None:
        """Landmarks (L, 2) float32 px of the face in the next frame (H, W, 3) uint8 RGB; None where it is not."""
        faces = self._detector.detect(frame)
        face = self._same(faces) if self._last is not None else None
        self.is_new = False
        if face is None:
            self._num_lost += 1
            if self._last is not None and self._num_lost <= self._max_lost:
                return None
            face = max(faces, key=lambda points: float(lm.eye_distance(points)), default=None)
            self.is_new = face is not None
        if face is not None:
            self._num_lost = 0
        self._last = face
        return face

    def _same(self, faces: list[np.ndarray]) -> np.ndarray | None:
        assert self._last is not None
        reach = MAX_STEP * float(lm.eye_distance(self._last)) * (1 + self._num_lost / 4)
        place = self._last.mean(0)
        near = [(float(np.linalg.norm(points.mean(0) - place)), i) for i, points in enumerate(faces)]
        distance, i = min(near, default=(np.inf, -1))
        return faces[i] if distance < reach else None


class CropCutter:
    """Cuts the mouth of one face out of its frames as they come.

    Args:
        fps: Of the frames.
    """

    def __init__(self, fps: float):
        self._points: deque[np.ndarray] = deque(maxlen=max(seconds_to_frame(JITTER, fps), 2))
        self._mouths: deque[np.ndarray] = deque(maxlen=seconds_to_frame(MEMORY, fps))

    def cut(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The crop (96, 96) uint8 of a frame (H, W, 3) uint8 RGB with its landmarks (L, 2) px."""
        return warp_mouth(frame, self._transform(landmarks))

    def _transform(self, landmarks: np.ndarray) -> np.ndarray:
        """The similarity (2, 3) float64, picture -> crop."""
        self._points.append(landmarks[STABLE_POINTS].astype(np.float64))
        points = _now(np.stack(self._points))  # (8, 2)
        linear, origin = rotation_and_scale(points[None])[0], points.mean(0)
        self._mouths.append(linear @ (landmarks[lm.LIPS_OUTER].mean(0, dtype=np.float64) - origin))
        mouth = np.mean(self._mouths, axis=0) + linear @ origin
        return np.concatenate([linear, ((CROP_SIZE - 1) / 2 - mouth)[:, None]], -1)


def _now(points: np.ndarray) -> np.ndarray:
    """Where the newest of some consecutive points (T, ...) lies, by the line through all of them: (...)."""
    num_frames = len(points)
    if num_frames < 3:
        return points[-1]
    at = np.arange(num_frames) - (num_frames - 1) / 2
    weights = 1 / num_frames + at[-1] * at / (at @ at)
    return np.tensordot(weights, points, 1)


def check_frame(frame: np.ndarray) -> np.ndarray:
    """Checks a caller's frame.

    Raises:
        ConfigError: It is not (H, W, 3) uint8.
    """
    shape, dtype = tuple(getattr(frame, "shape", ())), str(getattr(frame, "dtype", ""))
    if len(shape) != 3 or shape[2] != 3 or dtype != "uint8" or 0 in shape:
        raise ConfigError(f"the frame is {shape} {dtype}, wanted one picture (H, W, 3) uint8 RGB")
    return np.ascontiguousarray(frame)


def grey_crop(crop: np.ndarray) -> np.ndarray:
    """A crop as `cv2.imdecode` or a browser gives it, (96, 96) or (96, 96, 3) uint8 -> (96, 96) uint8 grey."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
    if grey.shape != (CROP_SIZE, CROP_SIZE) or grey.dtype != np.uint8:
        raise ConfigError(f"the crop is {crop.shape} {crop.dtype}, wanted ({CROP_SIZE}, {CROP_SIZE}) uint8 grey")
    return grey
