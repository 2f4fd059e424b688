"""The figures of an evaluation, of readings whose errors are known."""

import pytest

from lipscribe.data.corpora.grid import SLOT_NAMES, SLOTS
from lipscribe.evaluation.result import Reading
from lipscribe.evaluation.scores import (
    calibrate,
    count_confusions,
    position_pairs,
    score_clips,
    score_method,
    score_positions,
)


def reading(reference, hypothesis, probabilities=None):
    return Reading("clip", reference, hypothesis, probabilities)


def test_positions_count_what_was_said_there():
    grid = " ".join(slot[0] for slot in SLOTS)  # bin blue at a zero again
    found = score_positions(
        [reading(grid, grid), reading(grid, "bin blue at b zero"), reading(grid, "lay bin blue at b zero again")],
        SLOTS,
        SLOT_NAMES,
    )
    assert [position.name for position in found] == list(SLOT_NAMES)
    assert [position.errors for position in found] == [0, 0, 0, 2, 0, 1]
    assert found[3].rate == pytest.approx(2 / 3)


def test_positions_of_other_sentences_have_numbers_and_uneven_ones_none():
    assert [p.name for p in score_positions([reading("a b", "a b"), reading("c d", "c x")])] == ["word 1", "word 2"]
    assert score_positions([reading("a b", "a b"), reading("a", "a")]) == ()


def test_positions_have_the_names_of_slots_only_where_every_word_is_of_its_slot():
    slots, names = (("a", "b"), ("c", "d")), ("first", "second")
    assert [p.name for p in score_positions([reading("a c", "a c"), reading("b d", "")], slots, names)] == list(names)
    for others in ("a a", "c a", "a c d"):
        found = score_positions([reading(others, "a c")], slots, names)
        assert [place.name for place in found] == [f"word {i + 1}" for i in range(len(others.split()))]
    assert [p.name for p in score_positions([reading("a c", "a c")], slots)] == ["word 1", "word 2"]


def test_confusions_are_counted_and_ordered():
    readings = [reading("b p", "p b"), reading("b x", "p x"), reading("m x", "b x"), reading("b x", "x")]
    found = [(c.reference, c.hypothesis, c.count) for c in count_confusions(readings)]
    assert found == [("b", "p", 2), ("m", "b", 1), ("p", "b", 1)]
    pairs = position_pairs(score_clips(readings), 0)
    assert pairs == {("b", "p"): 2, ("m", "b"): 1, ("b", None): 1}


def test_calibration_of_planted_probabilities():
    # Ten words of probability 0.95 of which 9 are right, and two of 0.35 of which none is.
    sure = reading("a " * 10, "a " * 9 + "x", (0.95,) * 10)
    unsure = reading("a a", "x y", (0.35,) * 2)
    calibration = calibrate([sure, unsure, reading("a", "", None)])
    assert calibration.num_words == 12
    low, high = calibration.bins
    assert (low.low, low.count, low.confidence, low.accuracy) == (0.3, 2, pytest.approx(0.35), 0.0)
    assert (high.low, high.high, high.count, high.accuracy) == (0.9, 1.0, 10, pytest.approx(0.9))
    assert calibration.expected_error == pytest.approx((10 * 0.05 + 2 * 0.35) / 12)


def test_words_put_in_are_wrong_words_in_the_calibration():
    calibration = calibrate([reading("a", "x a", (1.0, 1.0))])
    assert calibration.bins[0].accuracy == 0.5


def test_right_words_left_out_of_the_hypothesis_keep_probabilities_in_place():
    calibration = calibrate([reading("a b c", "b x", (0.9, 0.1))])
    assert [(b.confidence, b.accuracy) for b in calibration.bins] == [(0.1, 0.0), (0.9, 1.0)]


def test_all_clips_failed_is_a_rate_of_one():
    readings = [Reading(str(i), "a b c", "", failure="no face") for i in range(3)]
    score = score_method("beam", readings, 0.0)
    assert (score.wer.rate, score.wer.low, score.wer.high, score.sentence_accuracy) == (1.0, 1.0, 1.0, 0.0)
