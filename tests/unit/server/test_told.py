"""What children tell: the round trip, and that nothing else is let through."""

import json
import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.engines import plain
from lipscribe.errors import VideoError
from lipscribe.extraction import Run, Summary
from lipscribe.search.grammar import Grammar
from lipscribe.server import told

CROPS = np.random.default_rng(0).integers(0, 256, (3, 96, 96), dtype=np.uint8)


def sent(value: Any) -> Any:
    return plain.unpack(plain.pack("told", value))[1]


def test_round_trips():
    runs = [Run(3, 0, 5), Run(4, np.int64(7), 9)]
    assert told.read_found(sent(told.found_message(2, runs)), 9) == (2, runs)
    crops = told.read_crops(sent(told.crops_message([(0, CROPS[0]), (1, CROPS[1]), (0, CROPS[2])])), 2)
    assert [run for run, _ in crops] == [0, 1, 0]
    assert all(np.array_equal(crop, wanted) for (_, crop), wanted in zip(crops, CROPS, strict=True))
    summary = Summary(9, 0.5, ("one", "two"))
    assert told.read_summary(sent(told.summary_message(summary)), 9) == summary
    grammar = Grammar.of_slots([["set", "lay"], ["red"]])
    assert told.read_grammar(sent(told.grammar_message(grammar))).graph == grammar.graph


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"first_frame": 0, "runs": [[0, 0, 10]]},  # past the end
        {"first_frame": 10, "runs": []},
        {"first_frame": 0, "runs": [[0, 5, 5]]},
        {"first_frame": 0, "runs": [[0, -1, 5]]},
        {"first_frame": 0, "runs": [[0, 1]]},
        {"first_frame": 0, "runs": [[0, 0.5, 5]]},
        {"first_frame": "0", "runs": []},
        {"first_frame": 0, "runs": [], "more": 1},
    ],
    ids=str,
)
def test_runs_that_are_none(message: Any):
    with pytest.raises(VideoError, match="ended the process"):
        told.read_found(message, 9)


@pytest.mark.parametrize(
    "change",
    [
        {"runs": [0, 1, 2]},
        {"runs": [0, 1, -1]},
        {"runs": [0, 1, True]},
        {"runs": [0, 1]},
        {"runs": []},
        {"runs": None},
        {"crops": "?"},
        {"crops": ""},
        {"crops": None},
        {"runs": [0] * 1000},
    ],
    ids=lambda change: str(change)[:40],
)
def test_crops_that_are_none(change: dict[str, Any]):
    message = told.crops_message([(0, CROPS[0]), (1, CROPS[1]), (0, CROPS[2])])
    with pytest.raises(VideoError, match="ended the process"):
        told.read_crops(message | change, 2)


@pytest.mark.parametrize("change", [{"num_frames": 10**9}, {"num_frames": -1}, {"face_coverage": 2.0}, {"warnings": 3}])
def test_summaries_that_are_none(change: dict[str, Any]):
    with pytest.raises(VideoError, match="ended the process"):
        told.read_summary(told.summary_message(Summary(9, 0.5, ())) | change, 9)


def test_lines():
    assert told.read_lines(["one\ntwo", "x" * 5000]) == ["one two", "x" * told.MAX_LINE]
    for message in ("text", [1], None, ["x"] * 5000):
        with pytest.raises(VideoError, match="ended the process"):
            told.read_lines(message)


@pytest.mark.parametrize(
    "change",
    [
        {"arcs": [[0, "a", 1], [0, "a", 2]]},
        {"arcs": [[0, "a b", 1]]},
        {"arcs": [[0, "", 1]]},
        {"arcs": [[-1, "a", 1]]},
        {"arcs": [[0, "a", 10**12]]},
        {"arcs": [[0, 1, 1]]},
        {"arcs": 7},
        {"ends": [[0, math.nan]]},
        {"ends": [["0", 1.0]]},
        {"sentence_words": 0},
    ],
    ids=lambda change: json.dumps(change),
)
def test_grammars_that_are_none(change: dict[str, Any]):
    message = told.grammar_message(Grammar.of_slots([["set", "lay"], ["red"]]))
    told.read_grammar(message)
    with pytest.raises(VideoError, match="ended the process"):
        told.read_grammar(message | change)
