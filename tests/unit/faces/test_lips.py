"""Lips from small pictures of the mouth, drawn: how far it is open is how tall a dark ellipse is."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from lipscribe.faces import landmarks as lm
from lipscribe.faces.lips import CAPACITY, LipRegression, Pose, move_lips

Faces = Callable[..., np.ndarray]


def draw(face: np.ndarray, noise: int = 0) -> np.ndarray:
    """A picture (240, 320, 3) uint8 of a face: skin, nostrils and the gap between the lips."""
    frame = np.full((240, 320, 3), (190, 140, 115), np.uint8)
    eyes = float(lm.eye_distance(face))
    gap = face[lm.LIPS_INNER]
    cv2.fillConvexPoly(frame, cv2.convexHull(np.round(8 * face[lm.LIPS_OUTER]).astype(int)), (150, 70, 70), 16, 3)
    cv2.fillConvexPoly(frame, cv2.convexHull(np.round(8 * gap).astype(int)), (30, 10, 10), 16, 3)
    cv2.circle(frame, tuple(np.round(face[lm.NOSE_BASE]).astype(int).tolist()), round(0.1 * eyes), (80, 40, 30), -1)
    return (frame + np.random.default_rng(noise).normal(0, 2, frame.shape)).clip(0, 255).astype(np.uint8)


def picture(lips: LipRegression, face: np.ndarray, noise: int = 0) -> np.ndarray:
    return lips.picture(draw(face, noise), Pose.of(face))


@pytest.fixture
def learned(make_face: Faces) -> LipRegression:
    """Knows a mouth that is closed, and open by 0.1 to 0.4 eye distances."""
    lips = LipRegression()
    for i, opening in enumerate((0.0, 0.1, 0.2, 0.3, 0.4)):
        face = make_face(160, 100, eyes=40, opening=opening)
        lips.add(picture(lips, face, i), face)
    return lips


@pytest.mark.parametrize("opening", [0.05, 0.15, 0.26, 0.38])
@pytest.mark.parametrize(("x", "eyes", "roll"), [(160, 40, 0.0), (130, 44, 0.2)])
def test_lips_are_told_from_the_picture(
    learned: LipRegression, make_face: Faces, opening: float, x: float, eyes: float, roll: float
) -> None:
    """Also of a face elsewhere, nearer and tilted."""
    wanted = make_face(x, 100, eyes=eyes, opening=opening, roll=roll)
    closed = make_face(x, 100, eyes=eyes, opening=0.0, roll=roll)
    seen, known = picture(learned, wanted, 7), picture(learned, closed, 8)
    change = np.diff(learned.shapes(np.stack([known, seen])), axis=0)
    got = closed[None].copy()
    move_lips(got, change)
    off = np.linalg.norm(got[0] - wanted, axis=-1) / eyes
    assert off.max() < 0.03
    assert np.linalg.norm(closed - wanted, axis=-1).max() / eyes == pytest.approx(opening / 2, rel=0.05)


def test_familiar_pictures_are_told_from_others(learned: LipRegression, make_face: Faces) -> None:
    familiar = make_face(160, 100, eyes=40, opening=0.25)
    shifted = learned.picture(draw(familiar), Pose.of(familiar + np.float32([12, 0])))
    wide = make_face(160, 100, eyes=40, opening=1.0)
    known, moved, strange = learned.variances(np.stack([picture(learned, familiar), shifted, picture(learned, wide)]))
    assert 0 <= known < 0.02
    assert moved > 2 * known
    assert strange > 0.1


def test_the_oldest_pictures_are_forgotten(make_face: Faces) -> None:
    lips = LipRegression()
    faces = [make_face(160, 100, eyes=40, opening=opening) for opening in np.linspace(0, 2, 3 * CAPACITY)]
    rng = np.random.default_rng(0)
    seen = [rng.normal(0, 1, picture(lips, face).shape).astype(np.float32) for face in faces]
    for one, face in zip(seen, faces, strict=True):
        lips.add(one, face)
    variances = lips.variances(np.stack(seen))
    assert variances[-CAPACITY:].max() < 0.05
    assert variances[:-CAPACITY].min() > 0.2


def test_a_picture_without_contrast_is_no_trouble(make_face: Faces) -> None:
    lips, face = LipRegression(), make_face(160, 100)
    grey = np.full((240, 320, 3), 90, np.uint8)
    lips.add(lips.picture(grey, Pose.of(face)), face)
    assert np.isfinite(lips.shapes(lips.picture(grey, Pose.of(face))[None])).all()


def test_poses(make_face: Faces) -> None:
    pose, other = Pose.of(make_face(100, 80, eyes=20)), Pose.of(make_face(110, 80, eyes=20))
    assert (pose.centre, pose.across) == (pytest.approx(100 + 70j), pytest.approx(20 + 0j))
    assert pose.distance(other) == pytest.approx(0.5)
    assert pose.towards(other, 0.25).centre == pytest.approx(102.5 + 70j)
    assert Pose.of(np.zeros((91, 2), np.float32)).across == 1, "a face without extent"
