"""One interface over the generations of MediaPipe, and the choice between them."""

from typing import Protocol

import numpy as np

from lipscribe.errors import ConfigError, MissingExtraError
from lipscribe.faces.startup import does_not_start

BACKENDS = ("auto", "solutions", "tasks")


class FaceDetector(Protocol):
    """Finds the faces in consecutive frames of one shot."""

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """Finds every face of the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            Landmarks (L, 2) float32 px of each face, in no particular order; empty where there is none.
        """
        ...

    def reset(self) -> None:
        """Forgets the frames before: the next one belongs to another shot."""
        ...

    def close(self) -> None:
        """Frees the backend's memory and threads; the detector is of no use afterwards."""
        ...


def load_face_detector(backend: str = "auto", max_faces: int = 4) -> FaceDetector:
    """Starts a face detector.

    Args:
        backend: "solutions" (MediaPipe up to 0.10.21, models inside), "tasks" (MediaPipe of any age, reads a model file
            that it downloads when it is not there), or "auto": the first of them that this MediaPipe has.
        max_faces: Follow at most this many faces at a time.

    Raises:
        ConfigError: The backend's name is unknown, or `max_faces` is below 1.
        MissingExtraError: MediaPipe or its model file is missing; the message says what to do.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown face backend {backend!r}: want one of {', '.join(BACKENDS)}")
    if max_faces < 1:
        raise ConfigError(f"max_faces is {max_faces}: want 1 or more")
    _check_mediapipe()
    if backend == "tasks":
        return _load_tasks(max_faces)
    try:
        return _load_solutions(max_faces)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("mediapipe"):
            raise
        if backend == "solutions":
            raise MissingExtraError(
                'this MediaPipe has no `mediapipe.solutions`: run `pip install "mediapipe<=0.10.21"`, '
                "or take the backend tasks"
            ) from error
        return _load_tasks(max_faces)


def _check_mediapipe() -> None:
    try:
        import mediapipe  # noqa: F401
    except ModuleNotFoundError as error:
        missing = "MediaPipe, which finds the faces," if error.name == "mediapipe" else f"MediaPipe's own {error.name}"
        raise MissingExtraError(f"{missing} is not installed: run `pip install mediapipe`") from error
    except (ImportError, OSError) as error:
        raise does_not_start(error) from error


def _load_solutions(max_faces: int) -> FaceDetector:
    from lipscribe.faces.solutions import open_solutions_detector

    return open_solutions_detector(max_faces)


def _load_tasks(max_faces: int) -> FaceDetector:
    from lipscribe.faces.face_model import find_face_model
    from lipscribe.faces.tasks import open_tasks_detector

    return open_tasks_detector(find_face_model(), max_faces)
