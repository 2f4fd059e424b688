import json
import os

import pytest

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.transcript import (
    MAX_CUE_CHARS,
    MAX_CUE_SECONDS,
    WRITERS,
    Alternative,
    NBest,
    RankedText,
    Segment,
    Transcript,
    Word,
    mark_unsure,
    write_transcript,
)


def spoken(text: str, start: float, step: float = 0.5, speaker: str | None = None) -> Segment:
    words = tuple(
        Word(word, start + idx * step, start + (idx + 1) * step, 0.9) for idx, word in enumerate(text.split())
    )
    return Segment(text, start, words[-1].end, words, speaker)


SENTENCE = spoken("bin blue at f two now", start=0.32)
TWO = Transcript(
    (SENTENCE, spoken("caf\u00e9 <b> & so", start=4.0)), "clip.mpg", "grid-s1", 7.5, 0.98, ("16 fps is low",)
)
PEOPLE = Transcript((spoken("hello", 2.0, speaker="face 1"), spoken("hi there", 1.0, speaker="face 0")))


def test_text_and_words_run_over_the_segments():
    assert TWO.text == "bin blue at f two now caf\u00e9 <b> & so"
    assert [word.text for word in TWO.words] == TWO.text.split()
    assert PEOPLE.speakers == ["face 1", "face 0"]


def test_the_text_of_several_speakers_says_who_says_what():
    answer = spoken("well", 3.0, speaker="face 1")
    talk = Transcript((*PEOPLE.segments, answer, spoken("bye", 4.0, speaker="face 0")))
    assert talk.text == "face 0: hi there\nface 1: hello well\nface 0: bye"
    assert talk.text_of("face 1") == "hello well"
    record = talk.to_dict()
    assert record["text"] == talk.text
    assert record["speakers"] == {"face 1": "hello well", "face 0": "hi there bye"}
    assert TWO.to_dict()["speakers"] == {}


DOUBTED = Transcript(
    (Segment("at c", 0.0, 1.0, (Word("at", 0.0, 0.5, 0.9), Word("c", 0.5, 1.0, 0.4, (Alternative("z", 0.3, True),)))),),
    nbest=(NBest(0.0, 1.0, (RankedText("at c", -1.0, 0.5), RankedText("at z", -1.5, 0.3)), "face 0"),),
)


@pytest.mark.parametrize("transcript", [TWO, PEOPLE, DOUBTED, Transcript()])
def test_json_round_trip(transcript):
    record = json.loads(WRITERS["json"](transcript))
    assert Transcript.from_dict(record) == transcript
    assert next(iter(record)) == "text"


@pytest.mark.parametrize(
    "record",
    [{}, None, [], {"segments": [], "warnings": [], "colour": 1}, {"segments": [{"text": "a"}], "warnings": []}],
)
def test_what_is_no_transcript_is_refused(record):
    with pytest.raises(LipscribeError, match=r"not a transcript \(.+\): want what"):
        Transcript.from_dict(record)


def test_txt():
    assert WRITERS["txt"](TWO) == "bin blue at f two now\ncaf\u00e9 <b> & so\n"


def test_srt():
    assert WRITERS["srt"](TWO) == (
        "1\n00:00:00,320 --> 00:00:03,320\nbin blue at f two now\n\n"
        "2\n00:00:04,000 --> 00:00:06,000\ncaf\u00e9 <b> & so\n\n"
    )


def test_vtt_escapes():
    assert WRITERS["vtt"](TWO) == (
        "WEBVTT\n\n00:00:00.320 --> 00:00:03.320\nbin blue at f two now\n\n"
        "00:00:04.000 --> 00:00:06.000\ncaf\u00e9 &lt;b&gt; &amp; so\n\n"
    )


def test_tsv():
    assert WRITERS["tsv"](TWO) == "start\tend\ttext\n320\t3320\tbin blue at f two now\n4000\t6000\tcaf\u00e9 <b> & so\n"


def test_several_speakers_are_named_and_put_in_order():
    assert WRITERS["txt"](PEOPLE) == "face 0: hi there\nface 1: hello\n"
    assert "1\n00:00:01,000 --> 00:00:02,000\nface 0: hi there\n\n2\n" in WRITERS["srt"](PEOPLE)
    assert "\n<v face 1>hello\n" in WRITERS["vtt"](PEOPLE)
    assert "1000\t2000\tface 0: hi there\n2000\t2500\tface 1: hello\n" in WRITERS["tsv"](PEOPLE)


def test_cues_of_people_who_speak_at_once_are_in_order():
    talk = " ".join(["and"] * 30)
    vtt = WRITERS["vtt"](Transcript((spoken(talk, 0.0, speaker="face 0"), spoken(talk, 0.1, speaker="face 1"))))
    starts = [line[:12] for line in vtt.split("\n") if " --> " in line]
    assert len(starts) > 4
    assert starts == sorted(starts)


def test_a_lone_speaker_is_not_named():
    alone = Transcript((spoken("hello", 2.0, speaker="face 1"),))
    for name in ("txt", "srt", "vtt", "tsv"):
        assert "face 1" not in WRITERS[name](alone)


@pytest.mark.parametrize("transcript", [Transcript(), Transcript((Segment("", 0.0, 3.0),))])
def test_nothing_said(transcript):
    assert transcript.text == ""
    assert WRITERS["txt"](transcript) == WRITERS["srt"](transcript) == ""
    assert WRITERS["vtt"](transcript) == "WEBVTT\n\n"
    assert WRITERS["tsv"](transcript) == "start\tend\ttext\n"


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [
        (0.0, "00:00:00,000"),
        (59.9996, "00:01:00,000"),
        (3599.9995001, "01:00:00,000"),
        (0.0004, "00:00:00,000"),
        (360_000.25, "100:00:00,250"),
    ],
)
def test_times_carry(seconds, clock):
    assert f"\n{clock} --> " in WRITERS["srt"](Transcript((Segment("a", seconds, seconds + 1),)))


def test_a_cue_lasts_at_least_a_millisecond():
    assert "00:00:01.000 --> 00:00:01.001" in WRITERS["vtt"](Transcript((Segment("a", 1.0, 1.0),)))


@pytest.mark.parametrize("step", [0.05, 0.5, 2.0])
def test_long_segments_are_split_at_words(step):
    text = " ".join(f"word{number}" for number in range(60))
    srt = WRITERS["srt"](Transcript((spoken(text, start=1.0, step=step),)))
    cues = [cue.split("\n") for cue in srt.strip().split("\n\n")]
    assert " ".join(" ".join(cue[2:]) for cue in cues) == text
    assert [cue[0] for cue in cues] == [str(number) for number in range(1, len(cues) + 1)]
    ends = []
    for _, times, *lines in cues:
        assert len(" ".join(lines)) <= MAX_CUE_CHARS
        assert all(len(line) <= 42 for line in lines)
        start, end = ((int(clock[3:5]) * 60 + float(clock[6:].replace(",", "."))) for clock in times.split(" --> "))
        assert end - start <= MAX_CUE_SECONDS
        assert start >= (ends[-1] if ends else 1.0)
        ends.append(end)
    assert ends[-1] == pytest.approx(1.0 + 60 * step)


def test_a_pause_in_the_middle_is_where_a_segment_is_split():
    words = spoken("one two three", start=0.0).words + spoken("four five", start=6.0).words
    segment = Segment("one two three four five", 0.0, words[-1].end, words)
    srt = WRITERS["srt"](Transcript((segment,)))
    assert "one two three\n\n2\n00:00:06,000" not in srt  # seven seconds are just allowed
    later = spoken("four five", start=6.5).words
    srt = WRITERS["srt"](Transcript((Segment("one two three four five", 0.0, 7.5, words[:3] + later),)))
    assert srt == "1\n00:00:00,000 --> 00:00:01,500\none two three\n\n2\n00:00:06,500 --> 00:00:07,500\nfour five\n\n"


def test_a_line_break_in_a_text_cannot_break_a_format():
    odd = Transcript((Segment("a\n\n2\tb", 0.0, 1.0),))
    assert WRITERS["txt"](odd) == "a 2 b\n"
    assert WRITERS["srt"](odd).endswith("\na 2 b\n\n")
    assert WRITERS["tsv"](odd).endswith("\ta 2 b\n")


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_utf8_with_unix_line_ends(name, tmp_path):
    write_transcript(TWO, name, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == WRITERS[name](TWO).encode("utf-8")


def test_stdout_is_utf8(capfdbinary):
    write_transcript(TWO, "txt")
    assert capfdbinary.readouterr().out == WRITERS["txt"](TWO).encode("utf-8")


def test_unknown_format():
    with pytest.raises(ConfigError, match="format 'ass' is unknown: choose one of txt, srt, vtt, tsv, json"):
        write_transcript(TWO, "ass")


def test_unwritable_path(tmp_path):
    with pytest.raises(LipscribeError, match=r"cannot write .*nowhere.*out.txt: No such file or directory; choose"):
        write_transcript(TWO, "txt", tmp_path / "nowhere" / "out.txt")
    with pytest.raises(LipscribeError, match=f"cannot write .*: {os.strerror(21)}"):
        write_transcript(TWO, "txt", tmp_path)


def test_records_of_before_alternatives_and_nbest_are_read():
    record = TWO.to_dict()
    del record["nbest"]
    for segment in record["segments"]:
        for word in segment["words"]:
            del word["alternatives"]
    assert Transcript.from_dict(record) == TWO


def test_unsure_words_are_questions():
    assert WRITERS["txt"](mark_unsure(DOUBTED, 0.5)) == "at [c?]\n"
    assert WRITERS["srt"](mark_unsure(DOUBTED, 0.95)).splitlines()[2] == "[at?] [c?]"
    assert mark_unsure(DOUBTED, 0.4) == DOUBTED


def test_text_without_words_stays_as_it_is():
    transcript = Transcript((Segment("At C.", 0.0, 1.0),))
    assert mark_unsure(transcript, 1.0) == transcript
