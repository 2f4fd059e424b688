"""Faces by `mediapipe.tasks` (the only way in MediaPipe 0.10.30 and later), from a `face_landmarker.task` file."""

from pathlib import Path

import numpy as np
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode

from lipscribe.errors import CheckpointError
from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.scouting import Box, ScoutingDetector
from lipscribe.faces.startup import does_not_start

_KEPT = MESH_INDICES.tolist()
# The task smooths the landmarks of a single face over time, which blurs the lips by two frames. It goes by the time
# stamps it is given: with frames this far apart it smooths nothing, and gives what `mediapipe.solutions` gives.
_FRAME_STEP_MS = 100_000


def open_tasks_detector(model_path: Path, max_faces: int) -> ScoutingDetector:
    """A `FaceDetector` by `mediapipe.tasks`."""
    return ScoutingDetector(lambda: TasksMesh(model_path), lambda: TasksScout(model_path, max_faces), max_faces)


class TasksMesh:
    """See `Mesh`."""

    def __init__(self, model_path: Path):
        self._time_ms = 0
        self._landmarker = _open_landmarker(model_path, RunningMode.VIDEO, num_faces=1)

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        """See `Mesh.read`."""
        image = Image(image_format=ImageFormat.SRGB, data=frame)
        found = self._landmarker.detect_for_video(image, self._time_ms).face_landmarks
        self._time_ms += _FRAME_STEP_MS
        return _to_pixels(found[0], frame) if found else None

    def close(self) -> None:
        """See `Mesh.close`."""
        self._landmarker.close()


class TasksScout:
    """See `Scout`. The model file holds no full-range detector: faces under an eighth of the picture are overlooked."""

    def __init__(self, model_path: Path, max_faces: int):
        self._landmarker = _open_landmarker(model_path, RunningMode.IMAGE, max_faces)

    def find(self, frame: np.ndarray) -> list[Box]:
        """See `Scout.find`."""
        image = Image(image_format=ImageFormat.SRGB, data=frame)
        faces = [_to_pixels(face, frame) for face in self._landmarker.detect(image).face_landmarks]
        return [(*face.min(0).tolist(), *face.max(0).tolist()) for face in faces]

    def close(self) -> None:
        """See `Scout.close`."""
        self._landmarker.close()


def _open_landmarker(model_path: Path, mode: RunningMode, num_faces: int) -> FaceLandmarker:
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_path)), running_mode=mode, num_faces=num_faces
    )
    try:
        return FaceLandmarker.create_from_options(options)
    except OSError as error:  # later versions load their library here
        raise does_not_start(error) from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"MediaPipe cannot read its face model {model_path} ({reason}): delete it") from error


def _to_pixels(face: list, frame: np.ndarray) -> np.ndarray:
    size = np.array(frame.shape[1::-1], np.float32)
    return np.array([(face[i].x, face[i].y) for i in _KEPT], np.float32) * size
