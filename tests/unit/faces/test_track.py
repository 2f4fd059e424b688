"""What a track says of itself, and the choice of whom to read."""

from collections.abc import Callable

import numpy as np
import pytest

from lipscribe.errors import NoFaceError
from lipscribe.faces import FaceTrack, choose_faces
from lipscribe.faces.track import MOTION_AT_REST

FPS = 25.0
Faces = Callable[..., np.ndarray]


def still(make_face: Faces, num_frames: int, eyes: float = 24.0, **more: float) -> np.ndarray:
    return np.stack([make_face(100, 100, eyes, **more)] * num_frames)


def talking(make_face: Faces, num_frames: int, eyes: float = 24.0, noise: float = 0.0) -> np.ndarray:
    """Three syllables a second, nearly a third of the eye distance wide."""
    opening = 0.12 * (1 - np.cos(2 * np.pi * 3 * np.arange(num_frames) / FPS))
    landmarks = np.stack([make_face(100, 100, eyes, gap) for gap in opening])
    return landmarks + np.random.default_rng(0).normal(0, noise, landmarks.shape).astype(np.float32)


def track_of(landmarks: np.ndarray, start: int = 10, **more: int) -> FaceTrack:
    return FaceTrack(0, 0, start, landmarks, FPS, **more)


def without(landmarks: np.ndarray, *gaps: slice) -> np.ndarray:
    landmarks = landmarks.copy()
    for gap in gaps:
        landmarks[gap] = np.nan
    return landmarks


def test_a_track_knows_its_place_and_coverage(make_face: Faces) -> None:
    landmarks = without(still(make_face, 40, eyes=30.0), slice(10, 20))
    track = track_of(landmarks, start=5, shot_frames=60)
    assert track.stop == 45
    assert track.detected.tolist() == [True] * 10 + [False] * 10 + [True] * 20
    assert track.coverage == pytest.approx(30 / 60)
    assert track_of(landmarks).coverage == pytest.approx(30 / 40)
    assert track.size_px == pytest.approx(30.0, rel=1e-4)


@pytest.mark.filterwarnings("error")
def test_an_empty_track_measures_nothing() -> None:
    for landmarks in (np.full((20, 91, 2), np.nan, np.float32), np.zeros((0, 91, 2), np.float32)):
        track = track_of(landmarks)
        assert (track.coverage, track.size_px, track.motion, track.runs()) == (0.0, 0.0, 0.0, [])


def test_runs_fill_short_gaps_linearly_and_keep_what_was_found(make_face: Faces) -> None:
    whole = np.stack([make_face(100 + 3 * t, 80 - t) for t in range(60)])
    (run,) = track_of(without(whole, slice(0, 2), slice(20, 30), slice(58, 60))).runs()
    assert (run.start, run.stop) == (12, 68)
    assert run.landmarks.dtype == np.float32
    np.testing.assert_allclose(run.landmarks, whole[2:58], atol=1e-4)
    np.testing.assert_array_equal(run.landmarks[:18], whole[2:20])


def test_runs_split_at_long_gaps(make_face: Faces) -> None:
    track = track_of(without(still(make_face, 100), slice(20, 45), slice(60, 86)))
    assert [(run.start, run.stop) for run in track.runs()] == [(10, 70), (96, 110)]
    assert [(run.start, run.stop) for run in track.runs(max_gap=0.5)] == [(10, 30), (55, 70), (96, 110)]
    assert [(run.start, run.stop) for run in track.runs(max_gap=0)] == [(10, 30), (55, 70), (96, 110)]
    assert not any(np.isnan(run.landmarks).any() for run in track.runs())


def test_runs_drop_pieces_with_under_three_found_frames(make_face: Faces) -> None:
    seen = [*range(0, 2), *range(40, 43), 70, 80]
    landmarks = np.full((81, 91, 2), np.nan, np.float32)
    landmarks[seen] = still(make_face, 81)[seen]
    assert [(run.start, run.stop) for run in track_of(landmarks).runs()] == [(50, 53)]


def test_motion_tells_a_talking_mouth_from_a_still_one_of_any_size(make_face: Faces) -> None:
    small, large = (track_of(talking(make_face, 75, eyes)).motion for eyes in (10.0, 100.0))
    assert small == pytest.approx(large, rel=1e-3)
    assert small > 5 * MOTION_AT_REST
    assert track_of(still(make_face, 75)).motion == pytest.approx(0.0, abs=1e-4)


def test_motion_is_hardly_moved_by_noise_and_glitches(make_face: Faces) -> None:
    noise = np.random.default_rng(1).normal(0, 0.15, (75, 91, 2)).astype(np.float32)
    resting = still(make_face, 75, opening=0.02) + noise
    resting[[20, 50]] += np.random.default_rng(2).normal(0, 10, (2, 91, 2))
    assert track_of(resting).motion < 0.25 * track_of(talking(make_face, 75, noise=0.15)).motion


def test_motion_sees_no_speech_in_a_nodding_head(make_face: Faces) -> None:
    """Nodding moves the face, turns it and narrows it from top to bottom."""
    nods = np.sin(2 * np.pi * 1.5 * np.arange(75) / FPS)
    faces = [make_face(100, 100 + 8 * nod, opening=0.02 * (1 + 0.1 * nod), roll=0.1 * nod) for nod in nods]
    assert track_of(np.stack(faces)).motion < MOTION_AT_REST


def test_motion_passes_over_gaps(make_face: Faces) -> None:
    whole = talking(make_face, 100)
    assert track_of(without(whole, slice(30, 70))).motion == pytest.approx(track_of(whole).motion, rel=0.2)


@pytest.fixture
def scene(make_face: Faces) -> list[FaceTrack]:
    """Shot 0: a talker, a large silent face, a flickering one; shot 1: one silent face."""
    flicker = np.full((75, 91, 2), np.nan, np.float32)
    flicker[30:38] = talking(make_face, 75)[0:16:2] * 1.01
    return [
        FaceTrack(0, 0, 0, still(make_face, 75, eyes=60.0), FPS, 75),
        FaceTrack(1, 0, 0, talking(make_face, 75), FPS, 75),
        FaceTrack(2, 0, 0, flicker, FPS, 75),
        FaceTrack(3, 1, 75, still(make_face, 50), FPS, 50),
    ]


@pytest.mark.parametrize(
    ("face", "ids"),
    [("moving", [1, 3]), ("largest", [0, 3]), ("all", [0, 1, 2, 3]), (2, [2]), ("2", [2]), (3, [3])],
)
def test_choose_faces(scene: list[FaceTrack], face: str | int, ids: list[int]) -> None:
    assert [track.id for track in choose_faces(scene, face)] == ids


def test_choose_moving_by_default(scene: list[FaceTrack]) -> None:
    assert choose_faces(scene) == choose_faces(scene, "moving")


@pytest.mark.parametrize("face", [7, "7", "smallest", -1, ""])
def test_an_unknown_face_is_answered_with_those_there_are(scene: list[FaceTrack], face: str | int) -> None:
    with pytest.raises(NoFaceError, match="moving, largest, all or one of the ids 0, 1, 2, 3"):
        choose_faces(scene, face)


@pytest.mark.parametrize("face", ["moving", "all", 0])
def test_no_face_at_all_names_the_remedy(face: str | int) -> None:
    with pytest.raises(NoFaceError, match=r"no face was found.*lipscribe inspect"):
        choose_faces([], face)


def shot(idx: int, person: int, landmarks: np.ndarray, start: int, shot_start: int) -> FaceTrack:
    return FaceTrack(person, idx, start, landmarks, FPS, 30, shot_start)


def test_a_face_that_goes_on_after_a_cut_is_one_track(make_face: Faces) -> None:
    """Found again three frames after the second cut."""
    whole = np.concatenate([still(make_face, 30), still(make_face, 30, 36.0), still(make_face, 27, 18.0)])
    tracks = [shot(0, 0, whole[:30], 0, 0), shot(1, 0, whole[30:60], 30, 30), shot(2, 0, whole[60:], 63, 60)]
    for face in ("moving", "largest", "all", 0):
        (joined,) = choose_faces(tracks, face, across_pauses=True)
        assert (joined.id, joined.shot, joined.start, joined.stop, joined.cuts) == (0, 0, 0, 90, (30, 60))
        assert (joined.shot_frames, joined.coverage) == (90, 87 / 90)
        assert all(joined.covers(track) for track in tracks)
        assert not joined.covers(shot(3, 0, whole[:30], 90, 90))
        assert not joined.covers(shot(1, 1, whole[:30], 30, 30))
        (run,) = joined.runs()
        assert (run.start, run.stop, run.cuts) == (0, 90, (30, 60))
        np.testing.assert_array_equal(run.landmarks[:60], whole[:60])
        np.testing.assert_array_equal(run.landmarks[60:63], [whole[60]] * 3)  # where it is found in its own shot


def test_runs_keep_the_cuts_that_lie_in_them(make_face: Faces) -> None:
    landmarks = without(still(make_face, 120), slice(0, 5), slice(35, 70))
    first, second = FaceTrack(0, 3, 10, landmarks, FPS, cuts=(20, 50, 90)).runs()
    assert (first.start, first.stop, first.shot, first.cuts) == (15, 45, 3, (15,))
    assert (second.start, second.stop, second.shot, second.cuts) == (80, 130, 5, (20,))


@pytest.mark.parametrize(
    "after",
    [
        {"idx": 2, "person": 0, "start": 60, "shot_start": 60},  # another shot lies between
        {"idx": 1, "person": 1, "start": 30, "shot_start": 30},  # another person
        {"idx": 1, "person": 0, "start": 36, "shot_start": 30},  # comes in after the cut
    ],
)
def test_other_tracks_are_not_joined(make_face: Faces, after: dict[str, int]) -> None:
    before = shot(0, 0, still(make_face, 30), 0, 0)
    later = shot(landmarks=still(make_face, 30), **after)
    assert choose_faces([before, later], "all", across_pauses=True) == [before, later]
