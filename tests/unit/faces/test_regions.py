"""Regions of a picture: what is cut out and where its points lie."""

import math

import cv2
import numpy as np
import pytest

from lipscribe.faces.regions import Region


def picture() -> np.ndarray:
    """(120, 160, 3) uint8 in which red is the column and green the row."""
    rows, columns = np.mgrid[:120, :160]
    return np.stack([columns, rows, np.full_like(rows, 200)], -1).astype(np.uint8)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, math.pi, -2.0])
@pytest.mark.parametrize(("x", "y", "side"), [(80, 60, 60), (70, 50, 30), (90.5, 60.25, 77)])
def test_points_of_a_cut_lie_where_its_pixels_were(x: float, y: float, side: float, angle: float) -> None:
    region, size = Region(x, y, side, angle), 48
    cut = region.cut(picture(), size)
    assert (cut.shape, cut.dtype) == ((size, size, 3), np.uint8)
    at = np.array([(5, 9), (24, 24), (40, 12)])
    np.testing.assert_allclose(region.to_picture(at, size), cut[at[:, 1], at[:, 0], :2], atol=0.75)


def test_a_region_that_is_the_picture_changes_nothing() -> None:
    square = picture()[:, :120]
    np.testing.assert_array_equal(Region.of_picture(square).cut(square, 120), square)


def test_a_rotated_region_turns_the_picture() -> None:
    region = Region(80, 60, 40)
    np.testing.assert_allclose(region.to_picture(np.array([[0, 0], [40, 0]]), 40), [(60, 40), (100, 40)])
    turned = region.rotated(math.pi / 2)  # clockwise: its upper edge is on the right
    np.testing.assert_allclose(turned.to_picture(np.array([[0, 0], [40, 0]]), 40), [(100, 40), (100, 80)], atol=1e-5)


def test_beyond_the_picture_its_edge_goes_on_or_black_begins() -> None:
    region = Region(0, 60, 40)
    assert (region.cut(picture(), 40)[:, :19, 2] == 200).all()
    assert (region.cut(picture(), 40, cv2.BORDER_CONSTANT)[:, :19] == 0).all()


@pytest.mark.parametrize(("x", "y"), [(20, 30), (650, 300), (-15, 790), (300, 2000)])
@pytest.mark.parametrize("border", [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT])
def test_a_small_part_of_a_large_picture_is_what_it_is_of_all_of_it(x: float, y: float, border: int) -> None:
    frame = cv2.resize(np.random.default_rng(0).integers(0, 255, (80, 67, 3)).astype(np.uint8), (670, 800))
    region = Region(x, y, 60, 0.3)
    whole = cv2.copyMakeBorder(frame, 60, 60, 60, 60, border)
    around = Region(x + 60, y + 60, 60, 0.3)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    wanted = cv2.warpAffine(whole, around._matrix(48), (48, 48), flags=flags, borderMode=border)
    np.testing.assert_allclose(region.cut(frame, 48, border), wanted, atol=1)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 2)])
def test_tiny_pictures_are_cut(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 7, np.uint8)
    assert Region.of_picture(frame).cut(frame, 16).shape == (16, 16, 3)


def test_around_a_box_the_longer_side_counts() -> None:
    box = np.array([[10, 20], [30, 80]], np.float32)
    assert Region.around(box, 1.5, 0.1) == Region(20, 50, 90, 0.1)
