"""The look of a face: the same for one person however the head is held, and for nobody else."""

from collections.abc import Callable

import numpy as np
import pytest

from lipscribe.faces import track_faces
from lipscribe.faces.identity import SAME_PERSON, Gallery, signature

Faces = Callable[..., np.ndarray]
Plant = Callable[..., tuple[list[np.ndarray], object]]


def look(plant: Plant, face: np.ndarray, person: int = 0, scene: int = 0) -> np.ndarray:
    (frame,), _ = plant([{person: face}], scene)
    return signature(frame, face)


def test_a_signature_is_a_unit_vector(make_face: Faces, plant: Plant) -> None:
    got = look(plant, make_face(100, 100))
    assert (got.shape, got.dtype) == ((768,), np.float32)
    assert np.linalg.norm(got) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "pose", [{"x": 220, "y": 130}, {"eyes": 24}, {"roll": 0.5}, {"x": 150, "eyes": 20, "roll": -0.4, "opening": 0.3}]
)
def test_place_size_roll_and_background_do_not_matter(make_face: Faces, plant: Plant, pose: dict[str, float]) -> None:
    plain = look(plant, make_face(100, 100))
    assert plain @ look(plant, make_face(**({"x": 100, "y": 100} | pose)), scene=1) > 0.98


def test_brightness_and_contrast_do_not_matter(make_face: Faces, plant: Plant) -> None:
    face = make_face(100, 100)
    (frame,), _ = plant([{0: face}])
    assert signature(frame, face) @ signature((frame * 0.5 + 30).astype(np.uint8), face) > 0.95


def test_people_differ(make_face: Faces, plant: Plant) -> None:
    looks = np.stack([look(plant, make_face(100, 100), person) for person in range(8)])
    assert (looks @ looks.T - np.eye(8)).max() < SAME_PERSON


def test_a_face_across_the_edge_or_of_no_size_has_a_look_too(make_face: Faces, plant: Plant) -> None:
    (frame,), _ = plant([{}])
    for face in (make_face(2, 3), make_face(319, 239), make_face(-500, -500), np.zeros((91, 2), np.float32)):
        assert np.isfinite(signature(frame, face)).all()


def test_a_real_face_is_known_among_recoloured_ones(grid_frames: Callable[[int], np.ndarray]) -> None:
    frames = grid_frames(10)
    (track,) = track_faces(frames)
    first = signature(frames[0], track.landmarks[0])
    for frame, face in zip(frames[::10], track.landmarks[::10], strict=True):
        assert first @ signature(frame, face) > 0.9
        assert first @ signature(np.ascontiguousarray(frame[..., ::-1]), face) < 0.5


def test_a_gallery_keeps_only_new_looks(make_face: Faces, plant: Plant) -> None:
    gallery = Gallery()
    first, second = (look(plant, make_face(100, 100), person) for person in (0, 1))
    assert gallery.likeness(first) == -1.0
    for _ in range(50):
        gallery.add(first)
    assert len(gallery._looks) == 1
    gallery.add(second)
    assert gallery.likeness(second) == pytest.approx(1.0, abs=1e-5)
    assert gallery.likeness(-first) < 0.5


def test_a_gallery_stays_small() -> None:
    gallery = Gallery()
    for noise in np.random.default_rng(0).normal(size=(100, 768)).astype(np.float32):
        gallery.add(noise / np.linalg.norm(noise))
    assert len(gallery._looks) == Gallery.CAPACITY
