"""One interface over the face landmark backends."""

from typing import Protocol

import numpy as np


class FaceDetector(Protocol):
    """Finds the faces of consecutive frames of one shot."""

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """Landmarks of every face in the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            One (L, 2) float32 array of pixels per face, in no particular order; empty where there is no face.
        """
        ...

    def reset(self) -> None:
        """Forget the frames before: the next one belongs to another shot."""
        ...

    def close(self) -> None:
        """Free the backend's memory and threads."""
        ...


def load_face_detector(backend: str = "auto", max_faces: int = 4) -> FaceDetector:
    """Builds a detector."""
    from lipscribe.faces.solutions import open_solutions_detector

    return open_solutions_detector(max_faces)
