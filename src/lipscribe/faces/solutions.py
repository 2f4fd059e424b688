"""Faces by `mediapipe.solutions` (MediaPipe up to 0.10.21), which brings its networks along and needs no download.

Importing any part of MediaPipe imports all of it: 0.7 s, of which Matplotlib is half. There is no clean way round it.
"""

import numpy as np
from mediapipe.python.solutions.face_detection import FaceDetection
from mediapipe.python.solutions.face_mesh import FaceMesh

from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.scouting import Box, ScoutingDetector

_KEPT = MESH_INDICES.tolist()
_FULL_RANGE = 1  # `model_selection`: sees faces down to a fifteenth of the picture, the mesh itself to an eighth


def open_solutions_detector(max_faces: int) -> ScoutingDetector:
    """A `FaceDetector` by `mediapipe.solutions`."""
    return ScoutingDetector(SolutionsMesh, SolutionsScout, max_faces)


class SolutionsMesh:
    """See `Mesh`."""

    def __init__(self) -> None:
        self._mesh = FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=False)

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        """See `Mesh.read`."""
        found = self._mesh.process(frame).multi_face_landmarks
        if not found:
            return None
        points = found[0].landmark
        size = np.array(frame.shape[1::-1], np.float32)
        return np.array([(points[i].x, points[i].y) for i in _KEPT], np.float32) * size

    def close(self) -> None:
        """See `Mesh.close`."""
        self._mesh.close()


class SolutionsScout:
    """See `Scout`."""

    def __init__(self) -> None:
        self._detection = FaceDetection(min_detection_confidence=0.5, model_selection=_FULL_RANGE)

    def find(self, frame: np.ndarray) -> list[Box]:
        """See `Scout.find`."""
        height, width = frame.shape[:2]
        faces = self._detection.process(frame).detections or ()
        boxes = []
        for face in sorted(faces, key=lambda face: -face.score[0]):
            box = face.location_data.relative_bounding_box
            left, top = box.xmin * width, box.ymin * height
            boxes.append((left, top, left + box.width * width, top + box.height * height))
        return boxes

    def close(self) -> None:
        """See `Scout.close`."""
        self._detection.close()
