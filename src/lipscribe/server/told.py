"""What child processes tell, as plain data (`engines.plain`), and the checks of it in the process that answers.

A child may have been taken over by a video, so all that it tells is checked before it is used: kinds, sizes, ranges.
"""

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError, VideoError
from lipscribe.extraction import Run, Summary
from lipscribe.mouth import CROP_SIZE
from lipscribe.schema import from_dict, to_dict
from lipscribe.search.grammar import Grammar
from lipscribe.search.word_graph import Arc, WordGraph

MAX_CROPS = 256  # told at once
MAX_RUNS = 100_000
MAX_LINES, MAX_LINE = 1000, 2000  # of warnings and the like; characters of one
MAX_PLACES = 1_000_000  # of a grammar's arcs and states
ENDED = "the file ended the process that read it: re-encode it, or make it smaller"


@dataclass(frozen=True)
class Found:
    """What `opening.extract` tells first; runs are (id, start, stop), see `Run`."""

    first_frame: int
    runs: tuple[tuple[int, int, int], ...]


@contextmanager
def checking() -> Iterator[None]:
    """What is wrong with what a child tells is answered as if it had crashed.

    Raises:
        VideoError: Something is.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, ConfigError, LookupError, TypeError, ValueError):
        raise VideoError(ENDED) from None


def found_message(first_frame: int, runs: list[Run]) -> dict[str, Any]:
    """Plain data of a video's runs."""
    return {"first_frame": first_frame, "runs": [[int(value) for value in run] for run in runs]}


def read_found(message: Any, max_frames: int) -> tuple[int, list[Run]]:
    """First frame and runs.

    Raises:
        VideoError: They are none of a video of so many frames.
    """
    with checking():
        found = from_dict(Found, message, "runs")
        runs = [Run(*run) for run in found.runs]
        if not 0 <= found.first_frame <= max_frames or len(runs) > MAX_RUNS:
            raise ValueError
        if any(not 0 <= run.start < run.stop <= max_frames for run in runs):
            raise ValueError
        return found.first_frame, runs


def crops_message(some: list[tuple[int, np.ndarray]]) -> dict[str, Any]:
    """Plain data of crops (96, 96) uint8, each with the index of its run."""
    crops = np.stack([crop for _, crop in some])
    return {"runs": [int(run) for run, _ in some], "crops": base64.b64encode(crops.tobytes()).decode()}


def read_crops(message: Any, num_runs: int) -> list[tuple[int, np.ndarray]]:
    """The crops, each with the index of its run.

    Raises:
        VideoError: They are none, or of a run that is not there.
    """
    with checking():
        runs = message["runs"]
        if not 0 < len(runs) <= MAX_CROPS or not all(type(run) is int and 0 <= run < num_runs for run in runs):
            raise ValueError
        crops = np.frombuffer(base64.b64decode(message["crops"], validate=True), np.uint8)
        return list(zip(runs, crops.reshape(len(runs), CROP_SIZE, CROP_SIZE), strict=True))


def summary_message(summary: Summary) -> dict[str, Any]:
    """Plain data of a summary."""
    return to_dict(summary)


def read_summary(message: Any, max_frames: int) -> Summary:
    """The summary.

    Raises:
        VideoError: It is none of a video of so many frames.
    """
    with checking():
        summary = from_dict(Summary, message, "summary")
        if not 0 <= summary.num_frames <= max_frames or not 0 <= summary.face_coverage <= 1:
            raise ValueError
        return Summary(summary.num_frames, summary.face_coverage, tuple(read_lines(list(summary.warnings))))


def read_lines(message: Any) -> list[str]:
    """Lines for people.

    Raises:
        VideoError: It is no list of texts, or a long one.
    """
    with checking():
        if not isinstance(message, list) or len(message) > MAX_LINES:
            raise ValueError
        return [" ".join(line.split())[:MAX_LINE] for line in message]


def grammar_message(grammar: Grammar) -> dict[str, Any]:
    """Plain data of a grammar."""
    graph = grammar.graph
    return {"arcs": graph.arcs, "ends": graph.ends, "sentence_words": graph.sentence_words}


def read_grammar(message: Any) -> Grammar:
    """The grammar.

    Raises:
        VideoError: It is none.
    """
    with checking():
        arcs = tuple(Arc(source, word, target) for source, word, target in message["arcs"])
        ends = tuple((state, weight) for state, weight in message["ends"])
        words = message["sentence_words"]
        states = [state for arc in arcs for state in (arc.source, arc.target)] + [state for state, _ in ends]
        if any(type(state) is not int or not 0 <= state <= MAX_PLACES for state in states) or len(arcs) > MAX_PLACES:
            raise ValueError
        if any(not isinstance(arc.word, str) or arc.word.split() != [arc.word] for arc in arcs):
            raise ValueError
        if len({(arc.source, arc.word) for arc in arcs}) < len(arcs):  # each text has one path
            raise ValueError
        if any(type(weight) not in (int, float) or not math.isfinite(weight) for _, weight in ends):
            raise ValueError
        if words is not None and (type(words) is not int or words < 1):
            raise ValueError
        return Grammar(WordGraph(arcs, ends, words))
