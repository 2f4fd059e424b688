"""Runs that go through cuts: each shot has the crops that it would have alone."""

import numpy as np
import pytest

from lipscribe.faces import FaceTrack
from lipscribe.faces.landmarks import NUM_LANDMARKS
from lipscribe.mouth import CropKind, crop_mouth, crop_transforms, crop_warnings

KINDS: tuple[CropKind, ...] = ("lipscribe", "auto-avsr")
CUTS = (20, 33)


@pytest.fixture
def run() -> FaceTrack:
    """50 frames from frame 5 on: a face that trembles, stands elsewhere after one cut and is larger after the next."""
    rng = np.random.default_rng(0)
    face = rng.uniform(80, 120, (NUM_LANDMARKS, 2))
    landmarks = np.stack([face + rng.normal(0, 1, face.shape) for _ in range(50)])
    landmarks[20:] += 40
    landmarks[33:] *= 1.2
    return FaceTrack(0, 0, 5, landmarks.astype(np.float32), 25.0, cuts=CUTS)


def parts(run: FaceTrack) -> list[FaceTrack]:
    bounds = zip((0, *CUTS), (*CUTS, 50), strict=True)
    return [FaceTrack(0, 0, run.start + start, run.landmarks[start:stop], 25.0) for start, stop in bounds]


@pytest.mark.parametrize("kind", KINDS)
def test_each_shot_is_aligned_by_itself(run: FaceTrack, kind: CropKind):
    frames = np.random.default_rng(1).integers(0, 256, (60, 240, 240, 3), dtype=np.uint8)
    crops = crop_mouth(frames, run, kind)
    np.testing.assert_array_equal(crops, np.concatenate([crop_mouth(frames, part, kind) for part in parts(run)]))
    whole = FaceTrack(0, 0, run.start, run.landmarks, 25.0)
    assert (crops != crop_mouth(frames, whole, kind)).mean() > 0.1  # which slides from shot to shot
    transforms = crop_transforms(run.landmarks, kind, run.cuts)
    np.testing.assert_array_equal(
        transforms, np.concatenate([crop_transforms(part.landmarks, kind) for part in parts(run)])
    )


def test_warnings_count_each_shot_by_itself(run: FaceTrack):
    run.landmarks[:20, 15:55] += 60  # the lips lie beside the face
    (alone,) = crop_warnings(parts(run), "auto-avsr")
    assert crop_warnings([run], "auto-avsr") == [alone]
