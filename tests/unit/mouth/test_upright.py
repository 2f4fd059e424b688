"""Mouth crops against a face whose picture is a formula: it can be drawn at any size, turn and place without loss."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

import lipscribe.mouth.upright
from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.mouth import CROP_SIZE, REFERENCE_FACE, STABLE_POINTS, alignment, crop_mouth, stream_crops

MOUTH = np.array([0.0, 72.0])  # pixels of the reference face, from the point between the eyes
CENTRE = (CROP_SIZE - 1) / 2


def texture(points: np.ndarray) -> np.ndarray:
    """The grey of the face at (..., 2) reference pixels: waves of 20 pixels and more."""
    x, y = points[..., 0], points[..., 1]
    return 128 + 50 * np.sin(x / 7 + 0.3) * np.cos(y / 9) + 40 * np.sin((x + 2 * y) / 11) + 0.3 * x


def face_landmarks() -> np.ndarray:
    """Landmarks of the reference face itself."""
    points = np.zeros((lm.NUM_LANDMARKS, 2))
    points[STABLE_POINTS] = REFERENCE_FACE
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points[lm.LIPS_OUTER] = MOUTH + np.stack([25 * np.cos(angles), 10 * np.sin(angles)], 1)
    return points


def expected_crop() -> np.ndarray:
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    return texture(np.stack([columns, rows], -1) - CENTRE + MOUTH)


def similarity(degrees: float, scale: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def draw(linear: np.ndarray, place: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The face turned and scaled by `linear`, its eyes around `place`: picture (H, W, 3) and landmarks (L, 2)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    points = (np.stack([columns, rows], -1) - place) @ np.linalg.inv(linear).T
    grey = texture(points).round().clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1), (face_landmarks() @ linear.T + place).astype(np.float32)


def track_of(landmarks: list[np.ndarray], start: int = 0) -> FaceTrack:
    return FaceTrack(id=0, shot=0, start=start, landmarks=np.stack(landmarks), fps=25.0)


@pytest.mark.parametrize(
    ("degrees", "scale"),
    [(0, 1), (20, 1), (-35, 1.3), (90, 0.8), (180, 1), (8, 0.5), (0, 1.7), (12, 2.3), (-5, 4), (30, 6.5)],
)
def test_the_crop_is_the_same_whatever_the_heads_turn_size_and_place(degrees: float, scale: float):
    linear = similarity(degrees, scale)
    size = (int(320 * scale), int(330 * scale))
    place = np.array([size[1] / 2 + 3.3, size[0] / 2 - 4.7]) - linear @ MOUTH / 2
    frame, landmarks = draw(linear, place, size)
    crop = crop_mouth([frame], track_of([landmarks]))[0]
    error = abs(crop - expected_crop())
    assert error.mean() < 0.8  # of 256: rounding, and what interpolation and averaging take from the waves
    assert error.max() < 3


def test_a_large_face_is_averaged_and_not_picked_at():
    linear, place = similarity(0, 8), np.array([1200.0, 600.0])
    frame, landmarks = draw(linear, place, (2400, 2400))
    stripes = np.where(np.arange(2400) % 2, 60, -60).astype(int)  # finer than the crop can show
    noisy = (frame.astype(int) + stripes[:, None]).clip(0, 255).astype(np.uint8)
    clean, aliased = crop_mouth([frame, noisy], track_of([landmarks, landmarks]))
    assert abs(clean.astype(int) - aliased).mean() < 4


def test_a_head_that_moves_steadily_is_followed_from_the_first_frame_to_the_last():
    drawn = [draw(similarity(-10 + t, 1 + t / 50), np.array([150 + 3.0 * t, 120 - t]), (340, 380)) for t in range(12)]
    crops = crop_mouth([frame for frame, _ in drawn], track_of([landmarks for _, landmarks in drawn]))
    assert abs(crops - expected_crop()).mean((1, 2)).max() < 2


def test_speech_does_not_move_the_crop():
    landmarks = np.repeat(face_landmarks()[None], 75, 0) + 200
    jaw = 6 * np.sin(np.arange(75) * 2 * np.pi / 8)  # pixels, three times a second
    landmarks[:, lm.LIPS_OUTER, 1] += jaw[:, None]
    offsets = alignment(landmarks)[25:50, :, 2]  # at the ends there is little to average over
    assert np.ptp(offsets, axis=0).max() < 0.5


def test_the_detectors_jitter_is_taken_out():
    still = np.repeat(face_landmarks()[None], 60, 0) + 200
    jitter = np.random.default_rng(0).normal(0, 1, size=still.shape)
    turns = {sigma: np.std(alignment(still + sigma * jitter)[15:45, 0, 1]) for sigma in (0, 1)}
    points = (still + jitter)[15:45, STABLE_POINTS]
    raw = np.std((points[:, 3, 1] - points[:, 0, 1]) / (points[:, 3, 0] - points[:, 0, 0]))  # the eyes' slope alone
    assert turns[0] < 1e-9
    assert turns[1] < raw / 4


@pytest.mark.parametrize("scale", [1, 4])
def test_beyond_the_picture_its_edge_goes_on_and_nothing_is_squeezed(scale: float):
    linear = similarity(0, scale)
    frame, landmarks = draw(linear, np.array([100.0, 100.0]) * scale, (300 * scale, 300 * scale))
    cut = 90 * scale  # the left part of the mouth is not in the picture
    crop = crop_mouth([frame[:, cut:]], track_of([landmarks - [cut, 0]]))[0]
    edge = int(CENTRE - 10)  # the mouth lies 10 crop pixels from the edge
    assert abs(crop[:, : edge - 1] - crop[:, edge : edge + 1].astype(float)).max() < 8
    assert abs(crop - expected_crop())[:, edge + 3 :].max() < 3


@pytest.mark.parametrize("scale", [1, 5])
def test_a_mouth_outside_the_picture_gives_the_corner(scale: float):
    frame, landmarks = draw(similarity(0, scale), np.array([50.0, 50.0]), (80, 80))
    for shift, corner in ((-3000, frame[0, 0]), (3000, frame[-1, -1])):
        crop = crop_mouth([frame], track_of([landmarks + shift]))
        assert abs(crop - corner.mean()).max() < 8


def test_crops_are_of_the_frames_of_the_track():
    def frames() -> Iterator[np.ndarray]:
        for number in range(7):
            yield np.full((300, 300, 3), number * 10, np.uint8)
        raise AssertionError("read beyond the end of the track")

    landmarks = [(face_landmarks() + 120).astype(np.float32)] * 4
    crops = list(stream_crops(frames(), track_of(landmarks, start=2)))
    assert [int(crop[48, 48]) for crop in crops] == [20, 30, 40, 50]
    assert crops[0].dtype == np.uint8


def test_a_long_track_is_aligned_block_by_block_to_the_same_numbers(monkeypatch):
    rng = np.random.default_rng(0)
    track = (face_landmarks() + rng.normal(0, 1, (500, lm.NUM_LANDMARKS, 2)) + 200).astype(np.float32)
    whole = alignment(track)
    monkeypatch.setattr(lipscribe.mouth.upright, "BLOCK", 70)
    np.testing.assert_array_equal(alignment(track), whole)


def test_memory_of_aligning_does_not_grow_with_the_track():
    track = np.tile(face_landmarks().astype(np.float32) + 200, (20 * lipscribe.mouth.upright.BLOCK, 1, 1))
    tracemalloc.start()
    transforms = alignment(track)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * transforms.nbytes  # all at once: 10 times


def test_no_frames():
    track = FaceTrack(0, 0, 0, np.zeros((0, lm.NUM_LANDMARKS, 2), np.float32), 25.0)
    assert crop_mouth([], track).shape == (0, 96, 96)
