"""Crops cut at once, beside those that are cut with what comes later; and who is followed."""

import numpy as np
import pytest
from planted_model import ScriptedDetector

from lipscribe.errors import ConfigError
from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.mouth import CROP_SIZE, REFERENCE_FACE, STABLE_POINTS, crop_mouth
from lipscribe.streaming.crops import CropCutter, FaceFollower, check_frame, grey_crop

MOUTH = np.array([0.0, 72.0])  # pixels of the reference face, from the point between the eyes


def face(degrees: float = 0, scale: float = 1, place: tuple[float, float] = (150, 120)) -> np.ndarray:
    """Landmarks (L, 2) of a face turned and scaled, its eyes around a place."""
    points = np.zeros((lm.NUM_LANDMARKS, 2))
    points[STABLE_POINTS] = REFERENCE_FACE
    ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points[lm.LIPS_OUTER] = MOUTH + np.stack([25 * np.cos(ring), 10 * np.sin(ring)], 1)
    return (points @ linear(degrees, scale).T + place).astype(np.float32)


def linear(degrees: float, scale: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def picture(degrees: float = 0, scale: float = 1, place: tuple[float, float] = (150, 120)) -> np.ndarray:
    """A picture (330, 360, 3) of that face, whose skin is waves."""
    rows, columns = np.mgrid[:330, :360]
    x, y = np.moveaxis((np.stack([columns, rows], -1) - place) @ np.linalg.inv(linear(degrees, scale)).T, -1, 0)
    grey = 128 + 50 * np.sin(x / 7 + 0.3) * np.cos(y / 9) + 40 * np.sin((x + 2 * y) / 11)
    return np.repeat(grey.round().clip(0, 255).astype(np.uint8)[..., None], 3, -1)


def offline(frames: list[np.ndarray], landmarks: list[np.ndarray]) -> np.ndarray:
    return crop_mouth(frames, FaceTrack(id=0, shot=0, start=0, landmarks=np.stack(landmarks), fps=25.0))


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (20, 1.2), (-35, 0.8), (90, 1)])
def test_a_still_heads_crop_is_that_of_a_file_from_the_first_frame_on(degrees: float, scale: float):
    cutter, frame, points = CropCutter(25), picture(degrees, scale), face(degrees, scale)
    wanted = offline([frame], [points])[0]
    for _ in range(12):
        assert abs(cutter.cut(frame, points).astype(int) - wanted).max() <= 1


def test_a_moving_head_is_followed_at_once():
    cutter = CropCutter(25)
    path = [(-8 + t, 1 + t / 60, (140 + 3.0 * t, 120 - t)) for t in range(14)]
    crops = [cutter.cut(picture(*at), face(*at)) for at in path]
    wanted = offline([picture(*path[0])], [face(*path[0])])[0].astype(int)
    for crop in crops:  # the head is the same in each
        assert abs(crop - wanted).mean() < 2


def test_speech_does_not_move_the_crop():
    cutter, frame = CropCutter(25), picture()
    tops = []
    for t in range(100):
        points = face()
        points[lm.LIPS_OUTER, 1] += 6 * np.sin(t * 2 * np.pi / 8)  # three times a second
        crop = cutter.cut(frame, points)
        tops.append(crop)
    late = np.stack(tops[50:]).astype(int)
    assert np.ptp(late, axis=0).mean() < 8  # of the waves' 180: the crop stays within a pixel


NO_FRAME = np.zeros((1, 1, 3), np.uint8)
NEAR, FAR = face(scale=1.0, place=(100, 100)), face(scale=0.6, place=(300, 100))


def followed(*faces: list[np.ndarray]) -> list[tuple[str | None, bool, bool]]:
    """For each frame: who is found, whether somebody is there, and whether somebody new is."""
    follower = FaceFollower(ScriptedDetector(*faces), 25)
    seen = []
    for _ in faces:
        found = follower.find(NO_FRAME)
        who = None if found is None else "near" if found[:, 0].mean() < 200 else "far"
        seen.append((who, follower.is_there, follower.is_new))
    return seen


def test_the_largest_face_is_followed_and_stays_although_another_gets_larger():
    larger = face(scale=1.5, place=(300, 100))
    assert followed([FAR, NEAR], [FAR, NEAR], [larger, NEAR]) == [
        ("near", True, True),
        ("near", True, False),
        ("near", True, False),
    ]


def test_a_face_that_is_lost_for_a_moment_is_held_and_no_other_takes_its_place():
    seen = followed([NEAR, FAR], *[[FAR]] * 10, [NEAR, FAR])
    assert seen[0] == ("near", True, True)
    assert seen[1:11] == [(None, True, False)] * 10
    assert seen[11] == ("near", True, False)


def test_a_face_that_is_lost_for_long_has_left_and_another_one_is_new():
    assert followed([NEAR], *[[]] * 12)[-2:] == [(None, False, False)] * 2
    assert followed([NEAR], *[[FAR]] * 12)[-2:] == [("far", True, True), ("far", True, False)]


def test_nobody_is_nobody():
    assert followed([], []) == [(None, False, False)] * 2


def test_a_grey_or_coloured_crop_is_taken():
    crop = np.full((96, 96), 77, np.uint8)
    np.testing.assert_array_equal(grey_crop(crop), crop)
    assert abs(grey_crop(np.repeat(crop[..., None], 3, -1)).astype(int) - 77).max() <= 1


@pytest.mark.parametrize("wrong", [np.zeros((95, 96), np.uint8), np.zeros((96, 96), np.float32)])
def test_another_crop_is_refused(wrong: np.ndarray):
    with pytest.raises(ConfigError, match=r"wanted \(96, 96\) uint8 grey"):
        grey_crop(wrong)


@pytest.mark.parametrize(
    "wrong", [None, np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"wanted one picture \(H, W, 3\) uint8 RGB"):
        check_frame(wrong)


def test_the_crop_has_the_size_of_all_crops():
    assert CropCutter(25).cut(picture(), face()).shape == (CROP_SIZE, CROP_SIZE)
