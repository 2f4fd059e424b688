import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.server.errors import ApiError, as_api_error, error_body
from lipscribe.server.formats import to_diarized, to_json, to_verbose
from lipscribe.server.reading import Reading, parse_reading
from lipscribe.transcript import Alternative, NBest, RankedText, Segment, Transcript, Word

WORDS = (Word("place", 0.1, 0.4, 0.5, (Alternative("lay", 0.25),)), Word("red", 0.4, 0.8, 0.5))
SEGMENTS = (Segment("place red", 0.1, 0.8, WORDS, "face 1", 0.75), Segment("now", 1.0, 1.5, (), "face 0"))
TRANSCRIPT = Transcript(
    SEGMENTS,
    model="grid",
    duration=2.2,
    face_coverage=0.9,
    warnings=("dark",),
    nbest=(NBest(0.0, 2.0, (RankedText("place red", -0.5, 0.6),)),),
)


def test_json_says_what_is_billed_elsewhere():
    assert to_json(TRANSCRIPT) == {
        "text": "face 1: place red\nface 0: now",
        "usage": {"type": "duration", "seconds": 3},
    }


def test_verbose_has_what_is_asked_for():
    verbose = to_verbose(TRANSCRIPT, words=True, segments=False)
    assert "segments" not in verbose
    assert verbose["words"][0] == {
        "word": "place",
        "start": 0.1,
        "end": 0.4,
        "probability": 0.5,
        "alternatives": [{"word": "lay", "probability": 0.25}],
    }
    assert (verbose["warnings"], verbose["face_coverage"], verbose["model"]) == (["dark"], 0.9, "grid")
    assert verbose["nbest"][0]["texts"][0]["text"] == "place red"
    first, second = to_verbose(TRANSCRIPT, words=False)["segments"]
    assert first["avg_logprob"] == pytest.approx(-0.6931, abs=1e-4) and first["familiarity"] == 0.75
    assert second["avg_logprob"] == 0.0


def test_a_speaker_is_a_face():
    turns = to_diarized(TRANSCRIPT)["segments"]
    assert [(turn["id"], turn["speaker"], turn["text"]) for turn in turns] == [
        ("seg_0", "face 1", "place red"),
        ("seg_1", "face 0", "now"),
    ]


@pytest.mark.parametrize("phrases", [['["yes", "no"]'], ["yes\nno"], ["yes", "no"], [" yes\nno\n "]])
def test_phrases_in_any_shape(phrases: list[str]):
    assert parse_reading({"phrases": phrases}).phrases == "yes\nno"


def test_fields_are_optional():
    assert parse_reading({"model": [""], "face": [" "]}) == Reading()
    assert parse_reading({"face": ["2"], "alternatives": ["0"]}, alternatives=3) == Reading(face=2)
    with pytest.raises(ApiError, match="given 2 times"):
        parse_reading({"model": ["a", "b"]})


def test_what_nobody_expected_is_not_told(caplog: pytest.LogCaptureFixture):
    try:
        raise ValueError("/home/somebody/secret.mp4")
    except ValueError as error:
        known = as_api_error(error)
    assert known.status == 500 and "secret" not in str(error_body(known))
    assert "secret" not in caplog.text and "ValueError in test_what" in caplog.text
