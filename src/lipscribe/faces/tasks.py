"""Faces by `mediapipe.tasks` (MediaPipe 0.10.30 and later), which reads its networks from a `face_landmarker.task`."""

import numpy as np
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode

from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.quiet import quiet_stderr
from lipscribe.faces.scouting import Box, ScoutingDetector

_KEPT = MESH_INDICES.tolist()
_FRAME_MS = 100_000


def open_tasks_detector(max_faces: int, model_path) -> ScoutingDetector:
    return ScoutingDetector(lambda: TasksMesh(model_path), TasksScout(model_path, max_faces), max_faces)


class TasksMesh:
    MODE = RunningMode.VIDEO

    def __init__(self, model_path) -> None:
        self._time_ms = 0
        with quiet_stderr():
            self._landmarker = _open(model_path, self.MODE, 1)

    def read(self, frame):
        image = Image(image_format=ImageFormat.SRGB, data=frame)
        with quiet_stderr():
            if self.MODE is RunningMode.VIDEO:
                found = self._landmarker.detect_for_video(image, self._time_ms).face_landmarks
            else:
                found = self._landmarker.detect(image).face_landmarks
        self._time_ms += _FRAME_MS
        return _to_pixels(found[0], frame) if found else None

    def close(self):
        self._landmarker.close()


class TasksScout:
    def __init__(self, model_path, max_faces) -> None:
        self._landmarker = _open(model_path, RunningMode.IMAGE, max_faces)

    def find(self, frame: np.ndarray) -> list[Box]:
        with quiet_stderr():
            found = self._landmarker.detect(Image(image_format=ImageFormat.SRGB, data=frame)).face_landmarks
        boxes = []
        for face in found:
            points = _to_pixels(face, frame)
            boxes.append((*points.min(0).tolist(), *points.max(0).tolist()))
        return boxes

    def close(self):
        self._landmarker.close()


def _open(model_path, mode, num_faces: int) -> FaceLandmarker:
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model_path)), running_mode=mode, num_faces=num_faces
    )
    return FaceLandmarker.create_from_options(options)


def _to_pixels(face, frame: np.ndarray) -> np.ndarray:
    size = np.array(frame.shape[1::-1], np.float32)
    return np.array([(face[i].x, face[i].y) for i in _KEPT], np.float32) * size
