"""Subtitles find the speech that they are of, however carelessly they are timed."""

import numpy as np
import pytest

from lipscribe.footage.placing import SECONDS_PER_LETTER, Placed, Stretch, place
from lipscribe.footage.subtitles import Utterance


def text_of(seconds: float) -> str:
    return "x" * round(seconds / SECONDS_PER_LETTER)


def said(*spans: tuple[float, float], early: float = 0.0, late: float = 0.0) -> list[Utterance]:
    return [Utterance(start - early, end + late, text_of(end - start)) for start, end in spans]


def times(placed: list[Placed]) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in placed]


SPANS = [(1.0, 3.0), (3.6, 5.0), (5.4, 8.0), (9.0, 10.5)]


@pytest.mark.parametrize("early", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("late", [-0.5, 0.0, 1.0])
def test_edges_move_to_the_speech(early: float, late: float) -> None:
    placed, left = place(said(*SPANS, early=early, late=late), [Stretch(*span) for span in SPANS])
    assert times(placed) == SPANS
    assert left == []


def test_random_offsets_and_speech_without_subtitles() -> None:
    rng = np.random.default_rng(0)
    at, spans = 0.0, []
    for _ in range(60):
        at += float(rng.uniform(0.4, 1.5))
        spans.append((at, at + float(rng.uniform(1.0, 4.0))))
        at = spans[-1][1]
    titled = [span for idx, span in enumerate(spans) if idx % 5]
    cues = [
        Utterance(
            start + rng.uniform(-0.5, 0.5),
            end + rng.uniform(-0.5, 0.5),
            text_of((end - start) * rng.uniform(0.85, 1.15)),
        )
        for start, end in titled
    ]
    placed, left = place(cues, [Stretch(*span) for span in spans])
    assert [(one.start, one.end) for one in placed] == titled
    assert left == []


def test_a_sentence_with_a_pause_takes_both_stretches() -> None:
    placed, _ = place(said((1.0, 5.0)), [Stretch(1.0, 2.8), Stretch(3.2, 5.0), Stretch(6.0, 7.0)])
    assert times(placed) == [(1.0, 5.0)]
    assert placed[0].after == pytest.approx(1.0)


def test_sentences_without_a_pause_become_one() -> None:
    placed, _ = place(said((1.0, 3.0), (3.0, 5.0)), [Stretch(1.0, 5.0)])
    assert [len(one.utterances) for one in placed] == [2]


def test_mouths_alone_ask_for_more() -> None:
    assert place(said((1.0, 3.0), (3.0, 5.0)), [Stretch(1.0, 5.0)], strict=True)[0] == []
    cue = [Utterance(1.0, 3.0, text_of(2.0))]
    assert place(cue, [Stretch(1.6, 2.8)])[1] == []
    assert place(cue, [Stretch(1.6, 2.8)], strict=True)[1] == cue
    assert place(cue, [Stretch(1.2, 2.8)], strict=True)[1] == []


def test_sentences_with_a_pause_do_not() -> None:
    placed, _ = place(said((1.0, 3.0), (3.3, 5.0)), [Stretch(1.0, 3.0), Stretch(3.3, 5.0)])
    assert [len(one.utterances) for one in placed] == [1, 1]


@pytest.mark.parametrize(
    "speech",
    [[], [Stretch(4.5, 6.5)], [Stretch(1.0, 1.7)], [Stretch(0.2, 6.0)], [Stretch(1.0, 1.9, 0), Stretch(2.1, 3.0, 1)]],
    ids=["silence", "elsewhere", "too short for the text", "too long for it", "of two faces"],
)
def test_what_fits_nothing_is_left(speech: list[Stretch]) -> None:
    cues = said((1.0, 3.0))
    assert place(cues, speech) == ([], cues)


def test_nothing_said() -> None:
    assert place([], [Stretch(0.0, 1.0)]) == ([], [])


def test_people_who_speak_fast_are_placed_by_their_own_rate() -> None:
    spans = [(float(at), at + 1.4) for at in range(0, 40, 2)]
    cues = [Utterance(start, end, text_of((end - start) * 1.8)) for start, end in spans]
    assert times(place(cues, [Stretch(*span) for span in spans])[0]) == spans
