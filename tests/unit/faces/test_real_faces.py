"""Real faces: GRID clips, alone, side by side, small, turned, leaving, cut, and beside people who do not talk."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from lipscribe.errors import NoFaceError
from lipscribe.faces import FaceDetector, FaceTrack, choose_faces, load_face_detector, track_faces
from lipscribe.faces.landmarks import eye_distance
from lipscribe.mouth import crop_mouth

Clips = Callable[[int], np.ndarray]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_face_detector()


@pytest.fixture(scope="module")
def alone(grid_frames: Clips, detector: FaceDetector) -> Callable[[int], FaceTrack]:
    """The track of a whole clip."""
    known: dict[int, FaceTrack] = {}

    def track(index: int) -> FaceTrack:
        if index not in known:
            (known[index],) = track_faces(grid_frames(index), detector=detector)
        return known[index]

    return track


def error_of(track: FaceTrack, wanted: np.ndarray) -> float:
    """Mean distance from the wanted landmarks in eye distances."""
    distance = np.linalg.norm(track.landmarks - wanted, axis=-1).mean(1)
    return float(np.nanmean(distance / eye_distance(wanted)))


def nodding(frame: np.ndarray, num_frames: int) -> np.ndarray:
    """A person who is silent: one frame that sways, turns, shrinks from top to bottom, and is noisy."""
    frames = []
    for t in range(num_frames):
        nod, sway = np.sin(2 * np.pi * 1.5 * t / 25), np.sin(2 * np.pi * 0.7 * t / 25)
        transform = cv2.getRotationMatrix2D((180, 150), 6 * sway, 1)
        transform[1] *= 1 - 0.05 * (1 - nod)
        transform[:, 2] += 4 * sway, 7 + 8 * nod
        moved = cv2.warpAffine(frame, transform, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        frames.append(moved + np.random.default_rng(t).normal(0, 6, frame.shape))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def test_one_face_is_one_track(alone: Callable[[int], FaceTrack]) -> None:
    track = alone(10)
    assert (track.start, track.stop, track.coverage) == (0, 75, 1.0)
    assert 40 < track.size_px < 55


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_rotated_picture_gives_the_rotated_landmarks(
    grid_frames: Clips, alone: Callable[[int], FaceTrack], detector: FaceDetector, quarters: int
) -> None:
    """Also upside down, which the face detectors do not tell from upright."""
    (track,) = track_faces(np.rot90(grid_frames(10), -quarters, axes=(1, 2)), detector=detector)
    assert track.coverage == 1.0
    wanted, width, height = alone(10).landmarks, 360, 288
    for _ in range(quarters):  # clockwise: (x, y) comes to (height - 1 - y, x)
        wanted = np.stack([height - 1 - wanted[..., 1], wanted[..., 0]], -1)
        width, height = height, width
    assert error_of(track, wanted) < 0.04


def test_two_people_are_read_like_one_from_the_first_frame(
    grid_frames: Clips, alone: Callable[[int], FaceTrack], detector: FaceDetector
) -> None:
    tracks = track_faces(np.concatenate([grid_frames(10), grid_frames(300)], axis=2), detector=detector)
    assert [(track.start, track.coverage) for track in tracks] == [(0, 1.0)] * 2
    left, right = sorted(tracks, key=lambda track: np.nanmean(track.landmarks[..., 0]))
    assert error_of(left, alone(10).landmarks) < 0.02
    assert error_of(right, alone(300).landmarks + np.array([360, 0])) < 0.02


@pytest.mark.parametrize(("size", "scale"), [((720, 1280), 0.8), ((720, 1280), 0.4), ((1080, 1920), 0.4)])
def test_a_small_face_in_a_large_picture_is_read(
    grid_frames: Clips,
    alone: Callable[[int], FaceTrack],
    detector: FaceDetector,
    size: tuple[int, int],
    scale: float,
) -> None:
    canvas = np.random.default_rng(0).integers(80, 110, (*size, 3)).astype(np.uint8)

    def frames() -> Iterator[np.ndarray]:
        for frame in grid_frames(10)[:30]:
            small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            large = canvas.copy()
            large[250 : 250 + small.shape[0], 700 : 700 + small.shape[1]] = small
            yield large

    (track,) = track_faces(frames(), detector=detector)
    assert track.coverage == 1.0
    assert error_of(track, alone(10).landmarks[:30] * scale + np.array([700, 250])) < 0.04


def test_a_head_that_rolls_is_followed(
    grid_frames: Clips, alone: Callable[[int], FaceTrack], detector: FaceDetector
) -> None:
    frames, wanted = [], []
    for frame, face, angle in zip(grid_frames(10), alone(10).landmarks, np.linspace(-35, 35, 75), strict=True):
        transform = cv2.getRotationMatrix2D((180, 150), angle, 1)
        frames.append(cv2.warpAffine(frame, transform, (360, 288)))
        wanted.append(face @ transform[:, :2].T + transform[:, 2])
    (track,) = track_faces(frames, detector=detector)
    assert track.coverage == 1.0
    assert error_of(track, np.stack(wanted)) < 0.06


def test_who_leaves_and_comes_back_keeps_the_track(grid_frames: Clips, detector: FaceDetector) -> None:
    """The person slides out of the picture to the right and comes back from the left."""
    xs = [*[180] * 20, *range(180, 720, 18), *[720] * 20, *range(-360, 0, 18), *[0] * 25]
    clip = np.concatenate([grid_frames(10), grid_frames(10)])
    room = np.random.default_rng(0).integers(0, 255, (4, 20, 3)).astype(np.uint8)
    room = cv2.resize(room, (720 + 2 * 360, 288), interpolation=cv2.INTER_CUBIC)
    frames = []
    for frame, x in zip(clip, xs, strict=False):
        wide = room.copy()
        wide[:, 360 + x : 720 + x] = frame
        frames.append(wide[:, 360:1080])
    (track,) = track_faces(frames, detector=detector)
    assert track.stop == len(frames)
    assert 0.4 < track.coverage < 0.8
    assert not track.detected[50:70].any()


def test_a_cut_ends_the_track(grid_frames: Clips, detector: FaceDetector) -> None:
    frames = np.concatenate([grid_frames(10)[:40], grid_frames(300)[:40, :, ::-1]])
    assert [(t.start, t.stop, t.shot, t.coverage) for t in track_faces(frames, detector=detector)] == [
        (0, 40, 0, 1.0),
        (40, 80, 1, 1.0),
    ]


@pytest.mark.parametrize(("left", "top", "zoom"), [(40, 40, 1.33), (95, 60, 1.9), (0, 20, 1.33)])
def test_who_speaks_on_after_a_zoom_cut_is_one_run(
    grid_frames: Clips, detector: FaceDetector, left: int, top: int, zoom: float
) -> None:
    clip = grid_frames(10)
    part = clip[30:, top : top + round(288 / zoom), left : left + round(360 / zoom)]
    frames = [*clip[:30], *(cv2.resize(frame, (360, 288)) for frame in part)]
    tracks = track_faces(frames, detector=detector)
    assert [(track.id, track.shot, track.start, track.stop) for track in tracks] == [(0, 0, 0, 30), (0, 1, 30, 75)]
    (chosen,) = choose_faces(tracks)
    (run,) = chosen.runs()
    assert (run.start, run.stop, run.cuts) == (0, 75, (30,))
    (whole,) = choose_faces(track_faces(clip, detector=detector))[0].runs()
    difference = crop_mouth(frames, run).astype(int) - crop_mouth(clip, whole)
    assert np.abs(difference).mean() < 6  # grey levels: the crops are those of the clip without a cut


@pytest.mark.slow
@pytest.mark.parametrize("other_is_left", [True, False])
@pytest.mark.parametrize("other", ["frozen", "nodding", "nodding with the mouth open"])
def test_the_one_who_talks_is_chosen(
    grid_frames: Clips, detector: FaceDetector, other: str, other_is_left: bool
) -> None:
    silent, talker = grid_frames(300), grid_frames(10)
    frame = silent[35] if other.endswith("open") else silent[0]
    silent = np.repeat(frame[None], 75, axis=0) if other == "frozen" else nodding(frame, 75)
    pair = [silent, talker] if other_is_left else [talker, silent]
    tracks = track_faces(np.concatenate(pair, axis=2), detector=detector)
    assert len(tracks) == 2
    (chosen,) = choose_faces(tracks)
    assert (np.nanmean(chosen.landmarks[..., 0]) > 360) == other_is_left


def test_a_blank_video_has_no_face(detector: FaceDetector) -> None:
    tracks = track_faces(np.full((20, 288, 360, 3), 90, np.uint8), detector=detector)
    with pytest.raises(NoFaceError):
        choose_faces(tracks)


@pytest.mark.parametrize("detail", [4, 9, 20, 60])
def test_patterns_are_no_faces(detector: FaceDetector, detail: int) -> None:
    """Nor are they on their side or head, where nobody would look if somebody were there."""
    rng = np.random.default_rng(detail)
    for _ in range(12):
        patches = rng.integers(0, 255, (detail, detail, 3)).astype(np.uint8)
        frame = cv2.resize(patches, (360, 288), interpolation=cv2.INTER_CUBIC)
        detector.reset()
        assert [len(detector.detect(frame)) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("size", [(2, 2), (1, 500), (16, 16)])
def test_tiny_pictures_are_no_trouble(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert track_faces(np.zeros((3, *size, 3), np.uint8), detector=detector) == []


def test_a_detector_that_is_used_again_has_forgotten_everything(grid_frames: Clips, detector: FaceDetector) -> None:
    pair = np.concatenate([grid_frames(10)[:20], grid_frames(300)[:20]], axis=2)
    first, again = (track_faces(pair, detector=detector) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
