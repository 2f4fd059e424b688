"""Faces by `mediapipe.solutions` (MediaPipe up to 0.10.21), which brings its networks along and needs no download."""

import numpy as np
from mediapipe.python.solutions.face_detection import FaceDetection
from mediapipe.python.solutions.face_mesh import FaceMesh

from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.quiet import quiet_stderr
from lipscribe.faces.scouting import Box, ScoutingDetector

_KEPT = MESH_INDICES.tolist()
_FULL_RANGE = 1  # `model_selection`: faces down to 7 % of the picture's width; the mesh's own detector needs 13 %


def open_solutions_detector(max_faces: int) -> ScoutingDetector:
    """A `FaceDetector` by `mediapipe.solutions`."""
    return ScoutingDetector(SolutionsMesh, SolutionsScout(), max_faces)


class SolutionsMesh:
    """See `Mesh`."""

    def __init__(self) -> None:
        self._is_settled = False
        with quiet_stderr():
            self._mesh = FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=False)

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        """See `Mesh.read`."""
        if self._is_settled:
            found = self._mesh.process(frame).multi_face_landmarks
        else:  # the networks start, and chatter, on the first picture and on the first face
            with quiet_stderr():
                found = self._mesh.process(frame).multi_face_landmarks
            self._is_settled = bool(found)
        if not found:
            return None
        points = found[0].landmark
        size = np.array(frame.shape[1::-1], np.float32)
        return np.array([(points[i].x, points[i].y) for i in _KEPT], np.float32) * size

    def close(self) -> None:
        """Free its threads."""
        self._mesh.close()


class SolutionsScout:
    """See `Scout`: MediaPipe's full-range face detector."""

    def __init__(self) -> None:
        self._is_settled = False
        with quiet_stderr():
            self._detection = FaceDetection(min_detection_confidence=0.5, model_selection=_FULL_RANGE)

    def find(self, frame: np.ndarray) -> list[Box]:
        """See `Scout.find`."""
        if self._is_settled:
            found = self._detection.process(frame).detections
        else:
            with quiet_stderr():
                found = self._detection.process(frame).detections
            self._is_settled = True
        height, width = frame.shape[:2]
        boxes = []
        for face in sorted(found or (), key=lambda face: -face.score[0]):
            box = face.location_data.relative_bounding_box
            left, top = box.xmin * width, box.ymin * height
            boxes.append((left, top, left + box.width * width, top + box.height * height))
        return boxes

    def close(self) -> None:
        """Free its threads."""
        self._detection.close()
