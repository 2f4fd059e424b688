"""The detectors' arithmetic, with networks whose outputs are planted."""

import math

import numpy as np
import pytest

from lipscribe.faces.blazeface import BlazeFace
from lipscribe.faces.regions import Region

FRAME = np.zeros((288, 360, 3), np.uint8)


class Planted:
    """A network with fixed outputs that records its inputs."""

    def __init__(self, num_anchors: int):
        self.values = np.zeros((num_anchors, 16), np.float32)
        self.logits = np.full(num_anchors, -20.0, np.float32)
        self.shown: list[np.ndarray] = []

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        self.shown.append(picture)
        return [self.values.ravel(), self.logits]

    def plant(self, anchor: int, logit: float, values: list[float]) -> None:
        self.logits[anchor], self.values[anchor, : len(values)] = logit, values


def test_short_range_anchors_are_the_published_ones() -> None:
    """Two in each cell of 16x16, then six in each of 8x8: 896, row by row."""
    network = Planted(896)
    detector = BlazeFace.short_range(network)
    for anchor, x, y in ((0, 0.5 / 16, 0.5 / 16), (1, 0.5 / 16, 0.5 / 16), (2, 1.5 / 16, 0.5 / 16)):
        np.testing.assert_allclose(detector._anchors[anchor], (x, y))
    np.testing.assert_allclose(detector._anchors[32], (0.5 / 16, 1.5 / 16))
    np.testing.assert_allclose(detector._anchors[512], (0.5 / 8, 0.5 / 8))
    np.testing.assert_allclose(detector._anchors[895], (7.5 / 8, 7.5 / 8))
    assert len(detector._anchors) == 896


def test_full_range_anchors_are_the_published_ones() -> None:
    detector = BlazeFace.full_range(Planted(2304))
    np.testing.assert_allclose(detector._anchors[[0, 1, 48]], [(1 / 96, 1 / 96), (3 / 96, 1 / 96), (1 / 96, 3 / 96)])


def test_a_face_lies_where_its_anchor_and_the_values_say() -> None:
    """The whole picture is 360 px wide, letterboxed to a square: 128 px of the network are 360 px."""
    network = Planted(896)
    network.plant(512 + 6 * (3 * 8 + 4), 2.0, [8, -4, 32, 24, -2, -8, 14, -8])  # cell (4, 3) of 8x8: at (72, 56)
    (found,) = BlazeFace.short_range(network).find(FRAME)
    px = 360 / 128
    centre, half = np.array([80 * px, 52 * px - 36]), np.array([16 * px, 12 * px])
    np.testing.assert_allclose(found.box, [centre - half, centre + half], atol=1e-3)
    assert found.score == pytest.approx(1 / (1 + math.exp(-2)))
    assert (found.region.x, found.region.y, found.region.side, found.region.angle) == pytest.approx(
        (*centre, 1.5 * 32 * px, 0.0), abs=1e-3
    )


def test_a_tilted_face_has_a_tilted_region() -> None:
    network = Planted(896)
    network.plant(512, 2.0, [0, 0, 32, 32, 0, 0, 10, 10])
    (found,) = BlazeFace.short_range(network).find(FRAME)
    assert found.region.angle == pytest.approx(math.pi / 4)


def test_in_a_rotated_region_boxes_are_upright_and_angles_those_of_the_picture() -> None:
    network = Planted(896)
    network.plant(512, 2.0, [0, 0, 32, 16, 0, 0, 10, 0])
    (found,) = BlazeFace.short_range(network).find(FRAME, Region(180, 144, 128, math.pi))
    assert (found.box[0] < found.box[1]).all()
    assert abs(found.region.angle) == pytest.approx(math.pi)
    np.testing.assert_allclose(found.box.mean(0), (180 + 64 - 8, 144 + 64 - 8), atol=1e-3)


def test_boxes_of_one_face_are_merged_by_their_scores_and_others_kept() -> None:
    network = Planted(896)
    near, far = 512 + 6 * (3 * 8 + 4), 512 + 6 * 63
    network.plant(near, 1.0, [0, 0, 32, 32])
    network.plant(near + 1, 3.0, [4, 0, 32, 32])
    network.plant(far, 0.5, [0, 0, 32, 32])
    network.plant(0, -0.1, [0, 0, 32, 32])  # under a half
    merged, other = BlazeFace.short_range(network).find(FRAME, Region(64, 64, 128))
    low, high = (1 / (1 + math.exp(-logit)) for logit in (1.0, 3.0))
    assert merged.score == pytest.approx(high)
    np.testing.assert_allclose(merged.box.mean(0), (72 + 4 * high / (low + high), 56), atol=1e-3)
    np.testing.assert_allclose(other.box.mean(0), (120, 120), atol=1e-3)


def test_empty_boxes_end_too() -> None:
    network = Planted(896)
    network.logits[:] = 1.0
    assert len(BlazeFace.short_range(network).find(FRAME)) == 896


def test_the_picture_is_letterboxed_in_black() -> None:
    network = Planted(896)
    BlazeFace.short_range(network).find(np.full((64, 128, 3), 255, np.uint8))
    (shown,) = network.shown
    assert (shown.shape, shown.dtype) == ((128, 128, 3), np.uint8)
    assert (shown[:31] == 0).all()
    assert (shown[97:] == 0).all()
    assert (shown[33:95] == 255).all()
