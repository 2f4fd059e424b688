"""What `make numerics` counts as a result, as one line, and as a fault."""

import numpy as np
import pytest

pytest.importorskip("torch")

from trust.numerics import faults_of
from trust.numerics_extremes import judged
from trust.numerics_reading import compare


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "ending"),
    [
        (0, "place red\n", "", "result"),
        (0, "banana infant\n", "", "result"),
        (0, '{"probability": NaN}\n', "", "fault"),
        (0, "wer inf\n", "", "fault"),
        (0, "", "x.py:3: RuntimeWarning: overflow encountered in cast\n", "fault"),
        (2, "", "error: x.mp4 is empty: copy it again\n", "line"),
        (2, "", "", "fault"),
        (1, "", "Traceback (most recent call last):\n", "fault"),
        (1, "", "error: unexpected ValueError: no message\n", "fault"),
        (-9, "", "", "crash"),
    ],
)
def test_endings(code: int, stdout: str, stderr: str, ending: str):
    assert judged(code, stdout, stderr)[0] == ending


def test_readings_are_compared_by_text_and_probability():
    one = {"clip0": np.log(np.array([[0.5, 0.5]])), "words": {"clip0": ["red", [0.9]]}}
    other = {"clip0": np.log(np.array([[0.4, 0.6]])), "words": {"clip0": ["red", [0.8]]}}
    found = compare(one, other)
    assert (found["texts_differ"], found["to_the_bit"]) == (0, False)
    assert (found["ctc"], found["words"]) == pytest.approx((0.1, 0.1))
    assert compare(one, one)["to_the_bit"]
    broken = one | {"clip1": np.full((1, 2), np.nan), "words": one["words"] | {"clip1": ["red", [np.nan]]}}
    found = compare(broken, broken)
    assert np.isnan([found["ctc"], found["words"]]).all() and not found["to_the_bit"]


def test_faults_are_what_is_promised_and_not_so():
    row = {"model": "m", "texts_differ": 0, "ctc": 1e-5, "words": 1e-5, "to_the_bit": False}
    reading = [row | {"way": "2 threads"}, row | {"way": "again"}, row | {"way": "torch, int8", "texts_differ": 3}]
    training = [{"way": "once", "apart": 0.0}, {"way": "again", "apart": 1e-9}, {"way": "another seed", "apart": 1.0}]
    assert faults_of({"reading": reading, "training": training}) == [
        "training again gave other weights",
        "m: again: not to the bit",
    ]


@pytest.mark.parametrize("way", ["2 threads", "again"])
@pytest.mark.parametrize("planted", [{"ctc": np.nan}, {"words": np.nan}, {"ctc": 0.1}, {"texts_differ": 1}])
def test_a_reading_beyond_the_bound(way: str, planted: dict[str, float]):
    row = {"model": "m", "way": way, "texts_differ": 0, "ctc": 0.0, "words": 0.0, "to_the_bit": False} | planted
    assert len(faults_of({"reading": [row]})) == 1


def test_a_training_that_fails_or_that_no_seed_changes():
    rows = [{"way": "2 threads", "failed": "killed"}, {"way": "another seed", "apart": 0.0}]
    rows += [{"way": "again", "apart": float("nan")}]
    assert faults_of({"training": rows}) == [
        "training again gave other weights",
        "training 2 threads: killed",
        "training with another seed gave the same weights: the comparison sees nothing",
    ]
