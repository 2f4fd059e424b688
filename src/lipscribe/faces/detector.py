"""The interface of face detectors, and the one that Lipscribe uses."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.faces.blazeface import BlazeFace
from lipscribe.faces.following import FollowingDetector
from lipscribe.faces.key_frames import KeyFrameDetector
from lipscribe.faces.mesh import FaceMesh
from lipscribe.faces.networks import Runtime, find_runtime, load_network


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


@runtime_checkable
class SeveralFrames(FaceDetector, Protocol):
    """A `FaceDetector` that reads several frames for less than it reads them one by one."""

    def detect_all(self, frames: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Finds every face of the next frames of the shot.

        Args:
            frames: (H, W, 3) uint8 RGB each.

        Returns:
            For each frame what `detect` returns, nearly.
        """
        ...


def load_face_detector(runtime: Literal["auto"] | Runtime = "auto", max_faces: int = 4) -> FaceDetector:
    """Loads the face detector: MediaPipe's networks, run directly.

    It follows faces from frame to frame, so one detector serves one video at a time, and one thread. Faces on their
    side or upside down are followed too; beside an upright face they may be overlooked.

    Args:
        runtime: "litert", "opencv" (OpenCV 4; overlooks faces narrower than an eighth of the picture), or "auto":
            LiteRT where it is installed, else OpenCV.
        max_faces: Follow at most this many faces at a time.

    Raises:
        CheckpointError: A network's file is missing or damaged.
        ConfigError: The runtime's name is unknown, or `max_faces` is no whole number from 1.
        MissingExtraError: The runtime is not installed or does not start; the message says what to do.
    """
    if not isinstance(max_faces, int) or max_faces < 1:
        raise ConfigError(f"max_faces is {max_faces!r}: want a whole number from 1")
    runtime = find_runtime() if runtime == "auto" else runtime
    mesh = FaceMesh(load_network("face_landmark", runtime))
    short_range = BlazeFace.short_range(load_network("face_detection_short_range", runtime))
    full_range = short_range
    if runtime != "opencv":
        full_range = BlazeFace.full_range(load_network("face_detection_full_range_sparse", runtime))
    return KeyFrameDetector(FollowingDetector(mesh, short_range, full_range, max_faces))
