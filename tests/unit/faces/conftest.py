"""Drawn people for the tests of tracking, and the detector that is told where they are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipscribe.faces import landmarks as lm
from lipscribe.video import Video

SIZE = (240, 320)  # of the drawn pictures


def face_points(x: float, y: float, eyes: float = 12.0, opening: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Landmarks (L, 2) float32 px of a schematic face whose eyes are `eyes` apart and whose nose is at (x, y).

    That is small enough for people to come and go without a cut. `opening` is the gap between the inner lips in eye
    distances, `roll` the head's angle in radians.
    """
    points = np.zeros((lm.NUM_LANDMARKS, 2))
    around = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    points[lm.OVAL] = np.column_stack([1.1 * np.sin(around), -1.5 * np.cos(around)])
    points[lm.RIGHT_EYE] = [(-0.7, -0.5), (-0.3, -0.5), (-0.5, -0.55), (-0.5, -0.45)]
    points[lm.LEFT_EYE] = [(0.7, -0.5), (0.3, -0.5), (0.5, -0.55), (0.5, -0.45)]
    points[lm.NOSE, 1] = np.linspace(-0.5, 0.3, 7)
    turn = np.linspace(np.pi, 3 * np.pi, 20, endpoint=False)
    points[lm.LIPS_OUTER] = np.column_stack([0.5 * np.cos(turn), 0.7 + (0.15 + opening / 2) * np.sin(turn)])
    points[lm.LIPS_INNER] = np.column_stack([0.4 * np.cos(turn), 0.7 + opening / 2 * np.sin(turn)])
    cos, sin = np.cos(roll), np.sin(roll)
    return (eyes * points @ np.array([[cos, sin], [-sin, cos]]) + [x, y]).astype(np.float32)


def backdrop(seed: int = 0) -> np.ndarray:
    """A picture (240, 320, 3) uint8 with broad patches of colour."""
    patches = np.random.default_rng(seed).integers(40, 220, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(patches, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def draw_person(frame: np.ndarray, face: np.ndarray, person: int) -> None:
    """Paints a head on the frame that is the same for one number `person` and unlike those of others."""
    pattern = np.random.default_rng(1000 + person).integers(0, 255, (6, 5, 3)).astype(np.uint8)
    pattern = cv2.resize(pattern, (100, 120), interpolation=cv2.INTER_CUBIC)
    eyes = float(lm.eye_distance(face))
    across = (face[lm.EYE_CORNERS_LEFT].mean(0) - face[lm.EYE_CORNERS_RIGHT].mean(0)) / eyes
    down = np.array([-across[1], across[0]])
    middle = face[lm.OVAL].mean(0)
    corners = [middle + eyes * (sx * 1.5 * across + sy * 1.9 * down) for sx, sy in ((-1, -1), (1, -1), (-1, 1))]
    transform = cv2.getAffineTransform(np.float32([[0, 0], [100, 0], [0, 120]]), np.float32(corners))
    cv2.warpAffine(pattern, transform, SIZE[::-1], dst=frame, borderMode=cv2.BORDER_TRANSPARENT)


class PlantedDetector:
    """Gives out, frame by frame, the faces that the test planted."""

    def __init__(self, faces: Sequence[Sequence[np.ndarray]]):
        self.faces = faces
        self.frame_idx = 0
        self.resets: list[int] = []

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        self.frame_idx += 1
        return list(self.faces[self.frame_idx - 1])

    def reset(self) -> None:
        self.resets.append(self.frame_idx)


@pytest.fixture(scope="session")
def grid_frames(grid_root: Path) -> Callable[[int], np.ndarray]:
    """`grid_frames(i)` reads the i-th GRID clip: frames (75, 288, 360, 3)."""
    paths = sorted((grid_root / "video" / "s1").iterdir())

    def read(index: int) -> np.ndarray:
        frames = Video(paths[index]).read()
        assert frames.shape == (75, 288, 360, 3)
        return frames

    return read


@pytest.fixture(scope="session")
def make_face() -> Callable[..., np.ndarray]:
    """See `face_points`."""
    return face_points


@pytest.fixture(scope="session")
def planted_detector() -> type[PlantedDetector]:
    """See `PlantedDetector`."""
    return PlantedDetector


@pytest.fixture(scope="session")
def plant() -> Callable[..., tuple[list[np.ndarray], PlantedDetector]]:
    """`plant(people)` draws, frame by frame, the people {number: landmarks}; gives the frames and who sees them."""

    def draw(people: Sequence[dict[int, np.ndarray]], scene: int = 0) -> tuple[list[np.ndarray], PlantedDetector]:
        frames = []
        for present in people:
            frame = backdrop(scene)
            for person, face in present.items():
                draw_person(frame, face, person)
            frames.append(frame)
        return frames, PlantedDetector([list(present.values()) for present in people])

    return draw
