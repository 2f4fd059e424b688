"""The arithmetic of `make calibration`."""

import numpy as np
import pytest

from trust.calibration import Kind, Read, error_interval, measured, no_faces, outcomes, reliability, wilson


def kind_of(*reads: Read) -> Kind:
    return Kind("some", True, lambda: iter(()), list(reads))


@pytest.mark.parametrize(
    (
        "hits",
        "number",
        "low",
        "high",
    ),  # published by Newcombe, 1998
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_s_interval_is_the_published_one(hits: int, number: int, low: float, high: float):
    assert wilson(hits, number) == pytest.approx((low, high), abs=5e-5)


def test_wilson_s_interval_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_words_are_right_or_wrong_beside_their_probability_and_clip():
    reads = [
        Read("bin blue", "bin red", (0.9, 0.4), (0.8,)),
        Read(None, "set", (0.7,), (0.1,)),  # nobody knows what is said there
        Read("lay now", "now", (0.6,), (0.9,)),
    ]
    probability, right, clip = outcomes(reads)
    assert probability.tolist() == [0.9, 0.4, 0.6]
    assert right.tolist() == [True, False, True]
    assert clip.tolist() == [0, 0, 2]


def test_ranges_hold_each_word_once_and_the_last_has_probability_1():
    rows = reliability(np.array([0.0, 0.49, 0.5, 0.949, 0.95, 1.0]), np.array([0, 1, 1, 0, 1, 1], bool))
    assert [(row["words"], row["right"]) for row in rows] == [(2, 1), (1, 1), (1, 0), (2, 2)]
    assert rows[0]["mean"] == pytest.approx(0.245)


def test_a_clip_is_marked_where_one_of_its_parts_is_and_one_without_words_is_not_read():
    result = measured(
        kind_of(
            Read(None, "bin", (0.9,), (0.9, 0.2)),
            Read(None, "bin", (0.9,), (0.5,)),  # 0.5 is familiar
            Read(None, "", (), ()),
        )
    )
    assert (result["clips"], result["read"], result["marked"]) == (3, 2, 1)
    assert "error" not in result


def test_the_interval_of_the_error_holds_it_and_is_a_point_where_all_clips_are_alike():
    probability, right = np.full(40, 0.75), np.tile([True, True, True, False], 10)
    clip = np.repeat(np.arange(10), 4)
    assert error_interval(probability, right, clip) == pytest.approx((0.0, 0.0))
    low, high = error_interval(probability, np.roll(np.sort(right), 3), clip)
    assert low < high


def test_videos_without_faces_are_the_same_each_time():
    one, other = next(no_faces(1, 3))[1], next(no_faces(1, 3))[1]
    assert one.shape == (50, 240, 320, 3)
    assert np.array_equal(one, other)
