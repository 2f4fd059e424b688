"""Pieces hold all that is said, and are cut in silences."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lipscribe.footage.pieces import PIECE, REACH, UNSAID, open_film, plan_by_subtitles, plan_by_time
from lipscribe.footage.subtitles import Utterance
from lipscribe.mouth.early import MAX_PIXELS
from lipscribe.video.write import save_video


def film(hours: float, seed: int = 0) -> list[Utterance]:
    rng = np.random.default_rng(seed)
    at, found = 0.0, []
    while at < 3600 * hours:
        at += float(rng.exponential(1.5))
        found.append(Utterance(at, at + float(rng.uniform(1, 5)), "some words"))
        at = found[-1].end
    return found


def test_every_utterance_is_in_one_piece_in_order() -> None:
    utterances = film(2)
    pieces = plan_by_subtitles(utterances, 7300)
    assert [one for piece in pieces for one in piece.utterances] == utterances
    assert len({piece.key for piece in pieces}) == len(pieces)
    for piece in pieces:
        assert piece.start <= piece.utterances[0].start
        assert piece.end >= piece.utterances[-1].end
        assert piece.end - piece.start < PIECE + 2 * REACH + 6


def test_pieces_are_cut_at_long_silences() -> None:
    for before, after in pairwise(plan_by_subtitles(film(1), 7300)):
        silence = after.utterances[0].start - before.utterances[-1].end
        others = [later.start - earlier.end for earlier, later in pairwise(before.utterances[-10:])]
        assert silence >= np.median(others)


def test_what_nobody_speaks_in_is_not_read() -> None:
    utterances = [Utterance(10, 12, "a"), Utterance(13, 15, "b"), Utterance(15 + UNSAID + 100, 150, "c")]
    pieces = plan_by_subtitles(utterances, 1000)
    assert [(piece.start, piece.end) for piece in pieces] == [(7, 18), (15 + UNSAID + 97, 153)]


def test_subtitles_after_the_end_of_the_film_make_no_piece() -> None:
    assert plan_by_subtitles([Utterance(500, 502, "a")], 100) == []
    assert plan_by_subtitles([], 100) == []


@pytest.mark.parametrize("duration", [1.0, 299.0, 7200.0])
def test_a_recogniser_gets_the_whole_film(duration: float) -> None:
    pieces = plan_by_time(duration)
    assert pieces[0].first == 0
    assert pieces[-1].last == duration
    assert all(a.last == b.first and b.start < a.end for a, b in pairwise(pieces))
    assert all(0 <= piece.start <= piece.first < piece.last <= piece.end <= duration for piece in pieces)


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (576, 720), (1280, 720), (240, 320)])
def test_films_of_any_shape_are_read_small_enough(tmp_path: Path, height: int, width: int) -> None:
    save_video(tmp_path / "film.mp4", np.zeros((5, height, width, 3), np.uint8), 25, preset="ultrafast")
    frame = next(iter(open_film(tmp_path / "film.mp4")))
    assert frame.shape[0] * frame.shape[1] <= MAX_PIXELS
    assert frame.shape[0] * frame.shape[1] > min(0.95 * MAX_PIXELS, height * width - 1)
    assert frame.shape[1] / frame.shape[0] == pytest.approx(width / height, rel=0.02)


def test_corrected_subtitles_are_another_piece() -> None:
    (before,), (after,) = (plan_by_subtitles([Utterance(1, 2, text)], 10) for text in ("won", "one"))
    assert before.key != after.key
