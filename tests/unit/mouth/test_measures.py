import numpy as np
import pytest

from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.mouth import stream_all_crops
from lipscribe.mouth.measures import CHECKED_EVERY, MouthMeter, QualityCheck, quality_of
from lipscribe.mouth.quality import FaceQuality, reading_warnings


def track(num_frames, id=0, start=0, gap=None):
    """A face at rest in the middle of a picture of 160 x 120, its mouth 40 px wide."""
    points = np.zeros((lm.NUM_LANDMARKS, 2), np.float32)
    points[:] = (80, 60)
    for index, place in {
        lm.RIGHT_EYE_OUTER: (56, 40),
        lm.RIGHT_EYE_INNER: (72, 40),
        lm.LEFT_EYE_INNER: (88, 40),
        lm.LEFT_EYE_OUTER: (104, 40),
        lm.NOSE_BRIDGE: (80, 38),
        lm.NOSE_BASE: (80, 68),
        lm.NOSTRIL_RIGHT: (72, 66),
        lm.NOSTRIL_LEFT: (88, 66),
    }.items():
        points[index] = place
    ring = np.linspace(-np.pi, np.pi, 20, endpoint=False)
    for part, height in ((lm.LIPS_OUTER, 8), (lm.LIPS_INNER, 2)):
        points[part] = np.stack([80 + 20 * np.cos(ring), 85 + height * np.sin(ring)], -1)
    landmarks = np.repeat(points[None], num_frames, 0)
    if gap:
        landmarks[gap] = np.nan
    return FaceTrack(id, 0, start, landmarks, 25.0)


def video(num_frames, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(60, 200, (num_frames, 120, 160, 3), np.uint8)


def test_a_check_hands_on_the_same_crops_and_measures_some_of_them():
    frames, tracks = video(45), [track(40, gap=slice(12, 15)), track(20, id=1, start=25)]
    runs = [run for face in tracks for run in face.runs()]
    wanted = list(stream_all_crops(frames, runs))
    check = QualityCheck(tracks)
    found = list(check.watch(iter(frames)))
    assert [i for i, _ in found] == [i for i, _ in wanted]
    for (_, ours), (_, theirs) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    meters = [MouthMeter(run) for run in runs]
    seen = [0] * len(runs)
    for i, crop in wanted:
        if seen[i] % CHECKED_EVERY == 0:
            meters[i].add(crop, seen[i], (120, 160))
        seen[i] += 1
    assert check.quality(0.9) == quality_of(tracks, meters, 0.9)
    assert check.quality(0.9).brightness == pytest.approx(130, abs=8)


def test_width_is_in_pixels_of_the_source():
    shown, larger = QualityCheck([track(10)]), QualityCheck([track(10)], source_width=480)
    for check in (shown, larger):
        list(check.watch(video(10)))
    assert larger.quality(1.0).mouth_px == pytest.approx(3 * shown.quality(1.0).mouth_px)


def test_nothing_watched_is_a_face_for_a_moment_only():
    check = QualityCheck([track(10)])
    assert check.quality(0.1) == FaceQuality(0.1)
    assert reading_warnings(check.quality(0.1), 100) == []


def test_a_transcript_is_told_of_the_mouth_and_not_of_the_coverage():
    small = FaceQuality(0.3, 12.0, 11.0, 0.1, 5.0, 5.0, 0.0, 140.0, 24.0, 0.25, 0.0)
    size, blur = reading_warnings(small, 75)
    assert size.startswith("mouth 12 px wide (wanted: 35 px): expect garbage")
    assert blur.startswith("mouth blurred")
