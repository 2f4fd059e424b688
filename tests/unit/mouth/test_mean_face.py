"""Auto-AVSR's crops: against arrays that the published code wrote, and against a face whose picture is a formula."""

import itertools
import zlib
from typing import get_args, get_type_hints

import cv2
import numpy as np
import pytest
from auto_avsr_golden import GOLDEN, needs_golden

from lipscribe.errors import NoFaceError
from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.models.spec import InputSpec
from lipscribe.mouth import CropKind, alignment, crop_mouth, crop_transforms, crop_warnings, stream_all_crops
from lipscribe.mouth.mean_face import (
    LIPS,
    MEAN_FACE,
    NOSE_ROW,
    MeanFaceCutter,
    crop_by_points,
    face_points,
    fill_gaps,
    fit_mean_face,
    smooth_points,
)
from lipscribe.transforms import crops_to_video

CORNER = np.array([81, 110])  # of the crop in the canvas, when the points are those of the mean face
SIZES = {"A": (16, 256, 256), "B": (6, 240, 320), "C": (4, 160, 200)}  # T, H, W of the golden clips
SAME_OPENCV = cv2.__version__.startswith("4.")  # 5 rounds otherwise in the last place


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "video_process.npz") as arrays:
        return dict(arrays)


def golden_frames(name: str) -> np.ndarray:
    """The pictures (T, H, W, 3) of a golden clip, by the formula of the golden data."""
    num_frames, height, width = SIZES[name]
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"frames_{name}".encode())))
    noise = rng.integers(0, 256, size=(num_frames, height, width, 3))
    t, y, x, c = np.ogrid[:num_frames, :height, :width, :3]
    ramp = 255 - abs((3 * x + 2 * y + 8 * t + 40 * c) % 510 - 255)
    return ((7 * ramp + noise) // 8).astype(np.uint8)


def detected(golden: dict[str, np.ndarray], name: str) -> np.ndarray:
    points = golden[f"{name}_detected"].astype(float)
    points[(points == -1).all((1, 2))] = np.nan
    return points


@needs_golden
def test_the_mean_face_is_the_published_one(golden):
    np.testing.assert_allclose(MEAN_FACE, golden["stable_reference_4x2"], atol=1e-8)
    rows = [range(36, 42), range(42, 48), range(31, 36), range(48, 68)]
    np.testing.assert_allclose(MEAN_FACE, [golden["mean_face_68x2"][row].mean(0) for row in rows], atol=1e-8)


@needs_golden
@pytest.mark.parametrize("name", SIZES)
def test_every_step_gives_the_published_arrays(golden, name: str):
    points, frames = detected(golden, name), golden_frames(name)
    filled = fill_gaps(points)
    np.testing.assert_array_equal(filled, golden.get(f"{name}_interpolated", points))
    np.testing.assert_allclose(smooth_points(filled), golden[f"{name}_smoothed"], atol=1e-10)
    cutter = MeanFaceCutter(points)
    np.testing.assert_allclose(cutter.transforms, golden[f"{name}_transforms"], atol=2e-5)
    assert not cutter.held_back.any()
    crops, wanted = crop_by_points(frames, points), golden[f"{name}_gray"]
    assert (crops.shape, crops.dtype) == (wanted.shape, np.uint8)
    assert abs(crops.astype(int) - wanted).max() <= (0 if SAME_OPENCV else 3)
    for frame_idx, picture in zip(
        golden.get(f"{name}_rgb_frame_ids", ()), golden.get(f"{name}_rgb_frames", ()), strict=True
    ):
        canvas = cv2.warpAffine(frames[frame_idx], cutter.transforms[frame_idx], (256, 256))
        x, y = cutter.corners[frame_idx]
        assert abs(canvas[y : y + 96, x : x + 96].astype(int) - picture).max() <= (0 if SAME_OPENCV else 3)


@needs_golden
@pytest.mark.parametrize("name", SIZES)
def test_the_models_input_is_the_published_one(golden, name: str):
    video = crops_to_video(golden[f"{name}_gray"], 88, 88, "fixed")[:, 0, [0, 43, 87]].numpy()
    np.testing.assert_allclose(video, golden[f"{name}_norm_chaplin_rows"], atol=2e-6)
    assert abs(video - golden[f"{name}_norm_auto_avsr_rows"]).max() < 0.033  # which is grey after the warp


@needs_golden
def test_similarities_are_the_published_ones(golden):
    np.testing.assert_allclose(
        fit_mean_face(golden["lmeds_points"]), golden["lmeds_transforms"], atol=1e-4
    )  # px; OpenCV 5 sums in another order than 4


def similarity_of(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares."""
    x, y = points.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, c, d = np.linalg.lstsq(rows, target.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def by_the_formula(points: np.ndarray) -> np.ndarray:
    """Least median of squares over all pairs, then least squares over the points that fit."""

    def squares(transform: np.ndarray) -> np.ndarray:
        return ((points @ transform[:, :2].T + transform[:, 2] - MEAN_FACE) ** 2).sum(1)

    tried = [similarity_of(points[list(p)], MEAN_FACE[list(p)]) for p in itertools.combinations(range(4), 2)]
    best = min(tried, key=lambda transform: np.sort(squares(transform))[2])
    sigma = max(0.001, 2.5 * 1.4826 * (1 + 5 / 2) * np.sqrt(np.sort(squares(best))[2]))
    fits = squares(best) <= sigma**2
    return similarity_of(points[fits], MEAN_FACE[fits])


def test_similarities_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    for deviation in (0.5, 3, 10):
        points = (MEAN_FACE + rng.normal(0, deviation, (20, 4, 2))) / 1.7 + [30, -20]
        points[::4, 3] += 60  # one that fits to nothing
        np.testing.assert_allclose(fit_mean_face(points), [by_the_formula(p) for p in points], atol=1e-3)


def test_the_same_points_give_the_same_matrix():
    points = np.random.default_rng(0).normal(100, 30, (30, 4, 2))
    cv2.setRNGSeed(1)
    first = fit_mean_face(points)
    cv2.setRNGSeed(2)
    np.testing.assert_array_equal(fit_mean_face(points[::-1])[::-1], first)


# A face that is a formula.


def texture(points: np.ndarray) -> np.ndarray:
    """The grey of the face at (..., 2) canvas pixels: waves of 20 pixels and more."""
    x, y = points[..., 0], points[..., 1]
    return 128 + 50 * np.sin(x / 7 + 0.3) * np.cos(y / 9) + 40 * np.sin((x + 2 * y) / 11) + 0.1 * (x - 128)


def expected_crop() -> np.ndarray:
    rows, columns = np.mgrid[:96, :96]
    return texture(np.stack([columns, rows], -1) + CORNER)


def draw(degrees: float, scale: float, shift: tuple[float, float] = (0, 0)) -> tuple[np.ndarray, np.ndarray]:
    """The canvas turned about its middle, scaled and moved: a picture (H, W, 3) of its size, and the four points."""
    angle, side = np.deg2rad(degrees), round(256 * scale)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place = np.array([side / 2, side / 2]) + shift - linear @ [128, 128]
    rows, columns = np.mgrid[:side, :side]
    grey = texture((np.stack([columns, rows], -1) - place) @ np.linalg.inv(linear).T)
    return np.repeat(grey.round().clip(0, 255).astype(np.uint8)[..., None], 3, -1), MEAN_FACE @ linear.T + place


def landmarks_of(points: np.ndarray) -> np.ndarray:
    """Landmarks (T, L, 2) whose four points are these, (T, 4, 2)."""
    landmarks = np.zeros((len(points), lm.NUM_LANDMARKS, 2), np.float32)
    for k, part in enumerate((lm.RIGHT_EYE, lm.LEFT_EYE, NOSE_ROW, LIPS)):
        landmarks[:, part] = points[:, k, None]
    return landmarks


def track_of(points: np.ndarray, start: int = 0) -> FaceTrack:
    return FaceTrack(0, 0, start, landmarks_of(points), 25.0)


def test_the_points_are_means_of_the_face_meshs():
    landmarks = np.arange(2 * lm.NUM_LANDMARKS * 2, dtype=np.float32).reshape(2, -1, 2)
    landmarks[1, :] = np.nan
    points = face_points(landmarks)
    eye, lips = landmarks[0, 4:8].mean(0), landmarks[0, 15:55].mean(0)
    np.testing.assert_allclose(points[0, [1, 3]], [eye, lips])
    np.testing.assert_allclose(points[0, 2], landmarks[0, [12, 13, 14]].mean(0))
    assert np.isnan(points[1]).all()


@pytest.mark.parametrize(
    ("degrees", "scale"), [(0, 1), (20, 1), (-35, 1.3), (90, 0.9), (180, 1), (8, 0.6), (0, 1.9), (12, 2.7), (30, 5)]
)
def test_the_crop_is_the_same_whatever_the_heads_turn_and_size(degrees: float, scale: float):
    frame, points = draw(degrees, scale)
    crop = crop_mouth([frame], track_of(points[None]), "auto-avsr")[0]
    error = abs(crop - expected_crop())
    assert error.mean() < 1.2  # of 256: rounding, and what interpolation and averaging take from the waves
    assert error.max() < 8


def test_a_large_face_is_averaged_and_not_picked_at():
    frame, points = draw(0, 6)
    stripes = np.where(np.arange(len(frame)) % 2, 60, -60)[:, None, None]  # finer than the crop can show
    noisy = (frame.astype(int) + stripes).clip(0, 255).astype(np.uint8)
    clean, aliased = crop_by_points([frame, noisy], np.stack([points, points]))
    assert abs(clean.astype(int) - aliased).mean() < 4


def test_streamed_crops_are_those_of_each_clip_alone():
    rng = np.random.default_rng(0)
    frames = [draw(3 * t, 1)[0] for t in range(30)]
    points = np.stack([draw(3 * t, 1)[1] for t in range(30)]) + rng.normal(0, 1, (30, 4, 2))
    tracks = [track_of(points[:25]), track_of(points[8:], start=8), track_of(points[4:5], start=4)]
    streamed: list[list[np.ndarray]] = [[], [], []]
    for i, crop in stream_all_crops(iter(frames), tracks, "auto-avsr"):
        streamed[i].append(crop)
    for track, crops in zip(tracks, streamed, strict=True):
        own = frames[track.start : track.stop]
        np.testing.assert_array_equal(np.stack(crops), crop_by_points(own, face_points(track.landmarks)))


def test_a_frames_crop_depends_on_six_frames_to_either_side():
    points = MEAN_FACE + np.random.default_rng(0).normal(0, 2, (40, 4, 2))
    whole = MeanFaceCutter(points)
    part = MeanFaceCutter(points[10:30])
    np.testing.assert_allclose(part.transforms[6:-6], whole.transforms[16:24], atol=1e-9)


def test_jitter_of_the_shape_is_taken_out_and_the_place_stays():
    points = MEAN_FACE + np.random.default_rng(0).normal(0, 2, (60, 4, 2)) + 50
    smooth = smooth_points(points)
    np.testing.assert_allclose(smooth.mean(1), points.mean(1))
    shapes = [each - each.mean(1, keepdims=True) for each in (points, smooth)]
    assert shapes[1][6:-6].std(0).mean() < shapes[0].std(0).mean() / 3
    np.testing.assert_allclose(smooth[[0, -1]], points[[0, -1]])


def test_gaps_are_filled_along_a_line_and_at_the_ends_with_what_is_nearest():
    points = MEAN_FACE + np.arange(8.0)[:, None, None]
    gaps = points.copy()
    gaps[[0, 3, 4, 7]] = np.nan
    gaps[3, 0] = 0  # a face of which one point is missing is missing
    np.testing.assert_allclose(fill_gaps(gaps)[1:7], points[1:7])
    np.testing.assert_allclose(fill_gaps(gaps)[[0, 7]], points[[1, 6]])
    frames = [draw(0, 1)[0]] * 8
    assert crop_by_points(frames, gaps).shape == (8, 96, 96)


@pytest.mark.parametrize("num_frames", [0, 3])
def test_no_points_at_all(num_frames: int):
    with pytest.raises(NoFaceError, match=f"none of the {num_frames} frames has points of a face"):
        MeanFaceCutter(np.full((num_frames, 4, 2), np.nan))


def test_beyond_the_picture_is_black():
    frame, points = draw(0, 1)
    crop = crop_by_points([frame[:, 100:]], points[None] - [100, 0])[0]
    assert not crop[:, : 100 - CORNER[0]].any()
    assert abs(crop[:, 101 - CORNER[0] :] - expected_crop()[:, 101 - CORNER[0] :]).max() < 2
    outside = crop_by_points([frame], points[None] + 3000)
    assert not outside.any()


def test_points_that_are_all_one_give_the_picture_around_them():
    frame, _ = draw(0, 1)
    crop = crop_by_points([frame], np.full((1, 4, 2), 120.0))[0]
    x, y = (MeanFaceCutter(np.full((1, 4, 2), 120.0)).corners[0] - MEAN_FACE.mean(0) + 120).round().astype(int)
    assert crop.shape == (96, 96)
    assert abs(crop.astype(int) - frame[y : y + 96, x : x + 96, 0]).mean() < 8  # half a pixel beside it, at most


def test_a_mouth_that_does_not_belong_to_its_face_is_followed_as_far_as_the_published_limit_and_told():
    frame, points = draw(0, 1)
    points[3] += [90, -10]
    track = track_of(np.repeat(points[None], 3, 0))
    cutter = MeanFaceCutter(face_points(track.landmarks))
    assert cutter.held_back.all()
    assert (cutter.corners[:, 0] == 128 + 53 - 48).all()
    assert crop_mouth([frame] * 3, track, "auto-avsr").shape == (3, 96, 96)
    (told,) = crop_warnings([track, track], "auto-avsr")
    assert told == "the mouth lies beside its crop in 6 frames: the face is turned away or not a face"
    assert crop_warnings([track]) == []
    assert crop_warnings([track_of(draw(30, 2)[1][None])], "auto-avsr") == []


def test_the_matrix_of_a_crop_says_where_it_lies():
    frame, points = draw(degrees=8, scale=1.3)
    track = track_of(np.repeat(points[None], 3, 0))
    crop = crop_mouth([frame] * 3, track, "auto-avsr")[1]
    transform = crop_transforms(track.landmarks, "auto-avsr")[1]
    wanted = cv2.warpAffine(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), transform, (96, 96))
    assert abs(crop.astype(int) - wanted).mean() < 1
    np.testing.assert_array_equal(crop_transforms(track.landmarks), alignment(track.landmarks))


def test_a_spec_knows_the_same_kinds():
    assert get_args(CropKind) == get_args(get_type_hints(InputSpec)["crop"])
