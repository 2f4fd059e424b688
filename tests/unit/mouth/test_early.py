"""Crops that are cut while faces are tracked are those that a second pass over the frames cuts."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipscribe.faces import FaceTrack, choose_faces, track_faces
from lipscribe.faces import landmarks as lm
from lipscribe.mouth import stream_all_crops
from lipscribe.mouth.early import INTERVAL, MAX_PIXELS, EarlyCrops

HEIGHT, WIDTH = 120, 200


def face_at(x: float, y: float, gap: float = 0.0) -> np.ndarray:
    """Landmarks (L, 2) float32 px with the nose at (x, y), the eyes 24 px apart."""
    points = np.tile(np.array([x, y + 20], np.float32), (lm.NUM_LANDMARKS, 1))
    for indices, side in ((lm.EYE_CORNERS_RIGHT, -12), (lm.EYE_CORNERS_LEFT, 12)):
        points[indices] = [[x + side - 4, y - 12], [x + side + 4, y - 12]]
    points[lm.LIP_INNER_BOTTOM, 1] += gap
    return points


class Planted:
    """A detector that is told the faces of each frame."""

    def __init__(self, faces: Sequence[Sequence[np.ndarray]]):
        self._faces = iter(faces)

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        return list(next(self._faces))

    def reset(self) -> None:
        pass


def scene(seed: int, num_frames: int) -> list[np.ndarray]:
    """One picture that moves a little, so that no two crops are the same."""
    noise = np.random.default_rng(seed).integers(40, 200, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    picture = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    frames = []
    for t in range(num_frames):
        frame = picture.copy()
        frame[..., t % 3] += np.uint8(1 + t % 5)
        frames.append(frame)
    return frames


def moving(num_frames: int, x: float, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    way = 8 * np.sin(np.arange(num_frames) / 17) + rng.normal(0, 0.3, num_frames)
    return [face_at(x + step, 50 + step / 2, gap=3 * abs(np.sin(t))) for t, step in enumerate(way)]


def both(
    frames: list[np.ndarray], faces: Sequence[Sequence[np.ndarray]], early: EarlyCrops, face: str = "all"
) -> tuple[list[FaceTrack], list[tuple[int, np.ndarray]], list[np.ndarray] | None]:
    tracks = track_faces(frames, 25.0, Planted(faces), early)
    runs = [run for track in choose_faces(tracks, face) for run in track.runs()]
    return runs, list(stream_all_crops(frames, runs)), early.find(runs)


def same(found: list[tuple[int, np.ndarray]], wanted: list[tuple[int, np.ndarray]]) -> bool:
    assert [i for i, _ in found] == [i for i, _ in wanted]
    return all(np.array_equal(ours, theirs) for (_, ours), (_, theirs) in zip(found, wanted, strict=True))


@pytest.mark.parametrize("num_frames", [4, INTERVAL, 3 * INTERVAL + 5, 500])
def test_one_face(num_frames: int) -> None:
    frames, faces = scene(0, num_frames), [[face] for face in moving(num_frames, 100)]
    with EarlyCrops(25.0) as early:
        runs, wanted, numbers = both(frames, faces, early)
        assert numbers is not None
        assert same(list(early.stream(runs, numbers, range(num_frames))), wanted)
        assert early.frame_size == (HEIGHT, WIDTH)


@pytest.mark.parametrize("gone", [1, 7, 24, 25, 26, 40, 90])
@pytest.mark.parametrize("at", [20, 100, 150])
def test_a_gap_is_filled_or_ends_a_run(gone: int, at: int) -> None:
    frames = scene(0, 330)
    faces = [[] if at <= t < at + gone else [face] for t, face in enumerate(moving(330, 100))]
    with EarlyCrops(25.0) as early:
        runs, wanted, numbers = both(frames, faces, early)
        assert len(runs) == 1 + (gone > 25)
        assert numbers is not None
        assert same(list(early.stream(runs, numbers, range(330))), wanted)


def test_two_faces_and_three_shots() -> None:
    frames = scene(0, 130) + scene(1, 40) + scene(2, 150)
    left, right = moving(320, 50, seed=1), moving(320, 150, seed=2)
    faces = [[left[t], right[t]] if t < 260 else [right[t]] for t in range(320)]
    with EarlyCrops(25.0) as early:
        runs, wanted, numbers = both(frames, faces, early)
        assert {run.shot for run in runs} >= {0, 2}
        assert len(runs) > 3
        assert numbers is not None
        assert same(list(early.stream(runs, numbers, range(320))), wanted)


def test_another_track_is_not_found() -> None:
    frames, faces = scene(0, 200), [[face] for face in moving(200, 100)]
    with EarlyCrops(25.0) as early:
        runs, _, numbers = both(frames, faces, early)
        assert numbers is not None
        runs[0].landmarks[150] += 1
        assert early.find(runs) is None


def test_large_frames_are_left_to_the_second_pass() -> None:
    large = [np.zeros((1, MAX_PIXELS + 1, 3), np.uint8)] * 5
    with EarlyCrops(25.0) as early:
        runs, _, numbers = both(large, [[face_at(100, 50)]] * 5, early)
        assert len(runs) == 1
        assert numbers is None


def test_a_file_that_grows_too_large_is_given_up() -> None:
    frames, faces = scene(0, 300), [[face] for face in moving(300, 100)]
    with EarlyCrops(25.0, max_bytes=100 * 96**2) as early:
        assert both(frames, faces, early)[2] is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_leaves_it_to_the_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115
    frames, faces = scene(0, 300), [[face] for face in moving(300, 100)]
    with EarlyCrops(25.0) as early:
        assert both(frames, faces, early)[2] is None


def test_without_a_place_to_write_it_is_left_to_the_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipscribe.mouth.early._folder", lambda: "/no/such/folder")
    frames, faces = scene(0, 100), [[face] for face in moving(100, 100)]
    with EarlyCrops(25.0) as early:
        assert both(frames, faces, early)[2] is None
