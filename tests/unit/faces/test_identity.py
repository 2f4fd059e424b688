"""The look of a face: the same for one person however the head is held, and for nobody else."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipscribe.faces import load_face_detector, track_faces
from lipscribe.faces.identity import SAME_PERSON, Gallery, People, signature
from lipscribe.faces.lab import rgb_to_lab
from lipscribe.video import Video

Faces = Callable[..., np.ndarray]
Plant = Callable[..., tuple[list[np.ndarray], object]]


def look(plant: Plant, face: np.ndarray, person: int = 0, scene: int = 0) -> np.ndarray:
    (frame,), _ = plant([{person: face}], scene)
    return signature(frame, face)


def test_a_signature_is_a_unit_vector(make_face: Faces, plant: Plant) -> None:
    got = look(plant, make_face(100, 100))
    assert (got.shape, got.dtype) == ((1280,), np.float32)
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
        assert first @ signature(np.ascontiguousarray(frame[..., ::-1]), face) < SAME_PERSON


def test_a_gallery_keeps_only_new_looks(make_face: Faces, plant: Plant) -> None:
    gallery = Gallery()
    first, second = (look(plant, make_face(100, 100), person) for person in (0, 1))
    assert gallery.likeness(first) == -1.0
    for _ in range(50):
        is_new = gallery.add(first)
    assert not is_new
    assert len(gallery._looks) == 1
    assert gallery.add(second)
    assert gallery.likeness(second) == pytest.approx(1.0, abs=1e-5)
    assert gallery.likeness(-first) < 0.5


def test_a_gallery_stays_small() -> None:
    gallery = Gallery()
    for noise in np.random.default_rng(0).normal(size=(100, 1280)).astype(np.float32):
        gallery.add(noise / np.linalg.norm(noise))
    assert len(gallery._looks) == Gallery.CAPACITY


def gallery_of(*looks: np.ndarray) -> Gallery:
    gallery = Gallery()
    for one in looks:
        gallery.add(one)
    return gallery


def test_people_are_numbered_as_they_appear_and_known_again(make_face: Faces, plant: Plant) -> None:
    a, b, c = (gallery_of(look(plant, make_face(100, 100), person)) for person in range(3))
    people = People()
    assert people.identify([a, b]) == [0, 1]
    assert people.identify([]) == []
    assert people.identify([c, b]) == [2, 1]
    assert people.identify([b, a]) == [1, 0]
    assert people.identify([a, a]) == [0, 3], "one is not there twice"


def test_the_most_alike_is_taken(make_face: Faces, plant: Plant) -> None:
    first, second = (look(plant, make_face(100, 100), person) for person in (0, 1))
    near = (first + 0.4 * second) / np.linalg.norm(first + 0.4 * second)
    assert People().identify([gallery_of(first)]) == [0]
    people = People()
    people.identify([gallery_of(first)])
    assert people.identify([gallery_of(near), gallery_of(first)]) == [1, 0]


def test_of_many_people_the_last_seen_are_remembered() -> None:
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(People.CAPACITY + 1, 1280)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    people = People()
    for number, one in enumerate(looks[:-1]):
        assert people.identify([gallery_of(one)]) == [number]
    assert people.identify([gallery_of(looks[0])]) == [0]
    assert people.identify([gallery_of(looks[-1])]) == [People.CAPACITY], "number 1 is forgotten"
    assert people.identify([gallery_of(looks[0]), gallery_of(looks[1])]) == [0, People.CAPACITY + 1]


@pytest.fixture
def strangers(grid_root: Path) -> dict[str, list[Gallery]]:
    """Two clips of each of seven of GRID's speakers, every fifth frame."""
    folder = grid_root.parent / "grid-others" / "video"
    if not folder.is_dir():
        pytest.skip(f"needs GRID's other speakers in {folder}")
    detector = load_face_detector()
    looks: dict[str, list[Gallery]] = {}
    for speaker in sorted(folder.iterdir()):
        for path in sorted(speaker.iterdir())[:4:3]:
            frames = Video(path).read()[::5]
            (track,) = track_faces(frames, 5.0, detector)
            found = [signature(*pair) for pair in zip(frames, track.landmarks, strict=True)]
            looks.setdefault(speaker.name, []).append(gallery_of(*found))
    return looks


@pytest.mark.slow
def test_real_people_are_told_apart_and_most_are_known_again(strangers: dict[str, list[Gallery]]) -> None:
    known = [first.likeness_to(second) >= SAME_PERSON for first, second in strangers.values()]
    assert sum(known) >= 5, known
    for speaker, galleries in strangers.items():
        for other, (its_first, _) in strangers.items():
            for gallery in galleries:
                assert other == speaker or gallery.likeness_to(its_first) < SAME_PERSON, (speaker, other)


def test_lab_is_that_of_opencv() -> None:
    levels = np.arange(0, 256, 5, np.uint8)
    every = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(len(levels), -1, 3)
    difference = rgb_to_lab(every) - cv2.cvtColor(every, cv2.COLOR_RGB2LAB)
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 1e-3
