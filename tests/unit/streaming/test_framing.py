"""What a person before a camera is told."""

import cv2
import numpy as np
import pytest

from lipscribe.faces import landmarks as lm
from lipscribe.streaming.framing import Framing, judge_framing

SIZE = (480, 640)


def face(mouth_px: float = 60, middle: tuple[float, float] = (320, 220), turned: float = 0) -> np.ndarray:
    """Landmarks (L, 2) of a face with a mouth of that width; `turned` moves the nose by so many eye distances."""
    unit = mouth_px / 40
    points = np.zeros((lm.NUM_LANDMARKS, 2))
    for index, place in {
        lm.RIGHT_EYE_OUTER: (-24, -20),
        lm.RIGHT_EYE_INNER: (-8, -20),
        lm.LEFT_EYE_INNER: (8, -20),
        lm.LEFT_EYE_OUTER: (24, -20),
        lm.NOSE_BRIDGE: (0, -22),
        lm.NOSE_BASE: (0, 8),
        lm.NOSTRIL_RIGHT: (-8, 6),
        lm.NOSTRIL_LEFT: (8, 6),
    }.items():
        points[index] = place
    ring = np.linspace(-np.pi, np.pi, 20, endpoint=False)
    for part, height in ((lm.LIPS_OUTER, 8), (lm.LIPS_INNER, 2)):
        points[part] = np.stack([20 * np.cos(ring), 25 + height * np.sin(ring)], -1)
    points[lm.NOSE, 0] += turned * 32
    return (points * unit + middle).astype(np.float32)


def crop(mean: float = 130, contrast: float = 30, blur: float = 1) -> np.ndarray:
    """A crop of noise, blurred by so many pixels."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(96, 96)), (0, 0), blur)
    return (mean + contrast * noise / noise.std()).clip(0, 255).astype(np.uint8)


def hints(landmarks: np.ndarray | None, of_mouth: np.ndarray | None = None, fps: float = 25, grey: int = 120) -> str:
    frame = np.full((*SIZE, 3), grey, np.uint8)
    if landmarks is not None and of_mouth is None:
        of_mouth = crop()
    return " ".join(judge_framing(frame, landmarks, of_mouth, fps).hints)


def test_a_well_seen_face_needs_no_hint_and_its_box_is_told():
    points = face()
    frame = np.full((*SIZE, 3), 120, np.uint8)
    left, top, right, bottom = *points.min(0).tolist(), *points.max(0).tolist()
    assert judge_framing(frame, points, crop(), 25) == Framing((left, top, right - left, bottom - top), ())


@pytest.mark.parametrize(
    ("landmarks", "of_mouth", "fps", "hint"),
    [
        (face(mouth_px=15), None, 25, "Come nearer"),
        (face(middle=(30, 220)), None, 25, "Move to the middle"),
        (face(middle=(600, 220)), None, 25, "Move to the middle"),
        (face(middle=(320, 440)), None, 25, "Move to the middle"),
        (face(turned=0.4), None, 25, "Face the camera"),
        (face(turned=-0.4), None, 25, "Face the camera"),
        (face(), crop(mean=10, contrast=3), 25, "More light"),
        (face(), crop(contrast=1), 25, "More light"),
        (face(), crop(blur=6), 25, "blurred"),
        (face(), None, 12, "only 12 pictures a second"),
    ],
)
def test_each_fault_has_its_own_hint(landmarks, of_mouth, fps, hint: str):
    said = hints(landmarks, of_mouth, fps)
    assert hint in said
    assert said.count(".") == 1  # and no other


def test_nobody_in_sight_is_told_and_so_is_a_dark_room():
    assert "No face in sight" in hints(None)
    assert "dark" in hints(None, grey=10)
    assert judge_framing(np.zeros((*SIZE, 3), np.uint8), None, None, 25).box is None
