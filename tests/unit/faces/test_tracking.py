"""Who is who from frame to frame, with drawn people and a detector that is told where they are."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lipscribe.faces import FaceTrack, choose_faces, track_faces
from lipscribe.faces.landmarks import NUM_LANDMARKS

Faces = Callable[..., np.ndarray]
Plant = Callable[..., tuple[list[np.ndarray], Any]]


def track(planted: tuple[list[np.ndarray], Any]) -> list[FaceTrack]:
    frames, detector = planted
    return track_faces(frames, 25.0, detector)


def spans(tracks: list[FaceTrack]) -> list[tuple[int, int]]:
    assert [track.id for track in tracks] == list(range(len(tracks)))
    return [(track.start, track.stop) for track in tracks]


def test_one_face_comes_out_as_the_detector_saw_it(make_face: Faces, plant: Plant) -> None:
    faces = [make_face(100 + t, 100) for t in range(40)]
    (only,) = track(plant([{0: face} for face in faces]))
    np.testing.assert_array_equal(only.landmarks, np.stack(faces))
    assert (only.id, only.shot, only.start, only.coverage, only.fps) == (0, 0, 0, 1.0, 25.0)


@pytest.mark.parametrize("num_frames", [0, 1, 3, 30])
def test_no_face_gives_no_track(plant: Plant, num_frames: int) -> None:
    assert track(plant([{}] * num_frames)) == []


@pytest.mark.parametrize("num_frames", [1, 4])
def test_a_video_shorter_than_the_shortest_track_is_tracked(make_face: Faces, plant: Plant, num_frames: int) -> None:
    assert spans(track(plant([{0: make_face(100, 100)}] * num_frames))) == [(0, num_frames)]


def test_the_order_of_detections_does_not_matter(make_face: Faces, plant: Plant) -> None:
    people = []
    for t in range(40):
        pair = [(0, make_face(80 + t, 100)), (1, make_face(240 - t, 110))]
        people.append(dict(pair if t % 3 else pair[::-1]))
    tracks = track(plant(people))
    assert spans(tracks) == [(0, 40), (0, 40)]
    for person in tracks:
        steps = np.abs(np.diff(person.landmarks.mean(1)[:, 0]))
        assert steps.max() < 2


def test_a_missed_frame_is_a_gap(make_face: Faces, plant: Plant) -> None:
    people = [{} if t in (10, 11, 30) else {0: make_face(100 + t, 100)} for t in range(40)]
    (only,) = track(plant(people))
    assert np.flatnonzero(~only.detected).tolist() == [10, 11, 30]
    assert only.coverage == pytest.approx(37 / 40)


def test_a_long_track_with_a_long_gap_keeps_every_frame_in_its_place(make_face: Faces, plant: Plant) -> None:
    faces = {t: make_face(100 + 10 * np.sin(t / 50), 100) for t in (*range(300), *range(1100, 1200))}
    (only,) = track(plant([{0: faces[t]} if t in faces else {} for t in range(1200)]))
    assert np.flatnonzero(only.detected).tolist() == list(faces)
    np.testing.assert_array_equal(only.landmarks[only.detected], np.stack(list(faces.values())))


def test_short_tracks_hold_no_room_for_long_ones(make_face: Faces, plant: Plant) -> None:
    (only,) = track(plant([{0: make_face(100, 100)}] * 20))
    assert only.landmarks.base is None


def test_coverage_counts_the_whole_shot(make_face: Faces, plant: Plant) -> None:
    (only,) = track(plant([{}] * 30 + [{0: make_face(100, 100)}] * 50 + [{}] * 20))
    assert (only.start, only.stop, only.coverage) == (30, 80, 0.5)


def test_who_comes_back_elsewhere_keeps_the_track(make_face: Faces, plant: Plant) -> None:
    here, there = {0: make_face(70, 100)}, {0: make_face(240, 130, eyes=13, roll=0.2)}
    assert spans(track(plant([here] * 30 + [{}] * 50 + [there] * 30))) == [(0, 110)]


def test_somebody_else_in_the_same_place_is_somebody_else(make_face: Faces, plant: Plant) -> None:
    """At once, after a moment, and after a long time."""
    face = make_face(100, 100)
    for gone in (2, 8, 50):
        tracks = track(plant([{0: face}] * 30 + [{}] * gone + [{1: face}] * 30))
        assert spans(tracks) == [(0, 30), (30 + gone, 60 + gone)]


def test_two_leave_and_each_gets_the_own_track_back(make_face: Faces, plant: Plant) -> None:
    before = {0: make_face(80, 100), 1: make_face(240, 100)}
    after = {1: make_face(80, 100), 0: make_face(240, 100)}
    first, second = track(plant([before] * 30 + [{}] * 40 + [after] * 30))
    assert (first.landmarks[0].mean(), second.landmarks[0].mean()) == (before[0].mean(), before[1].mean())
    assert (first.landmarks[-1].mean(), second.landmarks[-1].mean()) == (after[0].mean(), after[1].mean())


def test_a_third_person_takes_no_lost_identity(make_face: Faces, plant: Plant) -> None:
    two, third = {0: make_face(80, 100), 1: make_face(240, 100)}, {2: make_face(160, 110)}
    assert spans(track(plant([two] * 30 + [{}] * 40 + [third] * 30))) == [(0, 30), (0, 30), (70, 100)]


def test_a_jump_of_one_frame_is_left_out(make_face: Faces, plant: Plant) -> None:
    frames, detector = plant([{0: make_face(100 + t, 100)} for t in range(40)])
    detector.faces[20] = [make_face(250, 180)]
    detector.faces[30] = [make_face(130, 100, eyes=35)]
    (only,) = track_faces(frames, 25.0, detector)
    assert np.flatnonzero(~only.detected).tolist() == [20, 30]


def test_a_face_seen_for_a_moment_is_left_out(make_face: Faces, plant: Plant) -> None:
    always = {0: make_face(80, 100)}
    people = [always | ({1: make_face(240, 100)} if 20 <= t < 24 else {}) for t in range(60)]
    assert spans(track(plant(people))) == [(0, 60)]


def cut_together(plant: Plant, planted_detector: Any, *shots: list[dict[int, np.ndarray]]) -> tuple[list[Any], Any]:
    """Shots before different backdrops, and the detector that sees their people."""
    planted = [plant(people, scene) for scene, people in enumerate(shots, start=1)]
    faces = [face for _, detector in planted for face in detector.faces]
    return [frame for frames, _ in planted for frame in frames], planted_detector(faces)


def test_a_cut_ends_every_track(make_face: Faces, plant: Plant, planted_detector: Any) -> None:
    people = [{0: make_face(100, 100), 1: make_face(240, 100)}] * 20
    frames, detector = cut_together(plant, planted_detector, people, people)
    tracks = track_faces(frames, 25.0, detector)
    assert [(track.start, track.stop) for track in tracks] == [(0, 20), (0, 20), (20, 40), (20, 40)]
    assert [track.shot for track in tracks] == [0, 0, 1, 1]
    assert [(track.shot_start, track.shot_frames) for track in tracks] == [(0, 20), (0, 20), (20, 20), (20, 20)]
    assert [track.coverage for track in tracks] == [1.0] * 4
    assert detector.resets == [0, 20], "the detector is to forget the shot before it sees the next"


def test_a_person_has_one_id_in_all_shots(make_face: Faces, plant: Plant, planted_detector: Any) -> None:
    """An interview: one, the other, the first again, closer; then both, each in the other's place, and a third."""
    first, second = {0: make_face(100, 100)}, {1: make_face(220, 110)}
    closer = {0: make_face(150, 110, eyes=18)}
    all_three = {1: make_face(100, 100), 0: make_face(220, 110), 2: make_face(160, 60)}
    shots = [[people] * 20 for people in (first, second, closer, all_three)]
    frames, detector = cut_together(plant, planted_detector, *shots)
    tracks = track_faces(frames, 25.0, detector)
    assert [(track.shot, track.id) for track in tracks] == [(0, 0), (1, 1), (2, 0), (3, 1), (3, 0), (3, 2)]
    assert [track.id for track in choose_faces(tracks, "all", across_pauses=True)] == [0, 1, 0, 1, 2]
    assert [track.shot for track in choose_faces(tracks, 0, across_pauses=True)] == [0, 2], "the last two are one"


def test_who_was_not_known_at_first_sight_gets_the_track_back(make_face: Faces, plant: Plant) -> None:
    """Painted over at the moment of coming back, as one who is half behind the picture's edge."""
    here, there = {0: make_face(70, 100)}, {0: make_face(240, 130)}
    frames, detector = plant([here] * 30 + [{}] * 40 + [there] * 30)
    for frame in frames[70:73]:
        frame[:, 235:] = 128
    assert spans(track_faces(frames, 25.0, detector)) == [(0, 100)]


def test_ids_follow_the_order_of_appearance(make_face: Faces, plant: Plant) -> None:
    late, early = make_face(80, 100), make_face(240, 100)
    tracks = track(plant([{1: early}] * 20 + [{0: late, 1: early}] * 20))
    assert spans(tracks) == [(0, 40), (20, 40)]


@pytest.mark.slow
def test_an_hour_of_mistakes_leaves_nothing_behind(make_face: Faces, plant: Plant, planted_detector: Any) -> None:
    """Each mistake is forgotten, and the memory holds the landmarks of the one real face."""
    num_frames = 600
    rng = np.random.default_rng(0)
    (frame,), _ = plant([{0: make_face(80, 100)}])

    def frames() -> Iterator[np.ndarray]:
        for _ in range(num_frames):
            noisy = frame.copy()
            noisy[:, 160:] = rng.integers(0, 255, (240, 160, 3))
            yield noisy

    mistakes = [[make_face(*rng.uniform((190, 40), (300, 200)))] if t % 4 == 0 else [] for t in range(num_frames)]
    detector = planted_detector([[make_face(80, 100), *mistake] for mistake in mistakes])
    tracemalloc.start()
    tracks = track_faces(frames(), 25.0, detector)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spans(tracks) == [(0, num_frames)]
    assert peak < 2.5 * num_frames * NUM_LANDMARKS * 2 * 4 + 8e6
