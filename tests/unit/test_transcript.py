import json
import os

import numpy as np
import pytest

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.transcript import (
    MAX_CUE_LINES,
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
TWO = Transcript((SENTENCE, spoken("caf\u00e9 <b> & so", start=4.0)), "clip.mpg", "grid", 7.5, 0.98, ("16 fps is low",))
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
    with pytest.raises(LipscribeError, match=r"not a transcript \(.+\): want the result of"):
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
        assert len(lines) <= MAX_CUE_LINES
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


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_no_cue_has_a_third_line_or_a_long_one(seed, several):
    rng = np.random.default_rng(seed)
    words = ["x" * int(length) for length in rng.integers(1, rng.integers(3, 43), size=60)]
    name = "face " + "1" * int(rng.integers(1, 30))
    said = spoken(" ".join(words), 1.0, float(rng.uniform(0.05, 0.6)), name)
    transcript = Transcript((said, spoken("yes", 0.0, speaker="face 2")) if several else (said,))
    shown, srt = [], WRITERS["srt"](transcript)
    for cue in srt.strip().split("\n\n"):
        number, times, *lines = cue.split("\n")
        assert len(lines) <= 2, cue
        assert all(len(line) <= 42 for line in lines), cue
        text = " ".join(lines)
        assert text.startswith(("face 2: ", f"{name}: ")) is several
        if not text.startswith("face 2"):
            first = said.words[len(shown)]
            shown += text.removeprefix(f"{name}: ").split()
            last = said.words[len(shown) - 1]
            clocks = [(int(c[3:5]) * 60 + float(c[6:].replace(",", "."))) for c in times.split(" --> ")]
            assert clocks == pytest.approx([first.start, last.end], abs=0.0011), (number, times)
    assert shown == words


def test_a_word_too_long_for_a_line_has_one_of_its_own():
    long = "y" * 60
    srt = WRITERS["srt"](Transcript((spoken(f"a {long} b", 0.0, speaker="face 0"), spoken("c", 9.0, speaker="face 1"))))
    assert [cue.split("\n")[2:] for cue in srt.strip().split("\n\n")] == [
        ["face 0: a"], ["face 0:", long], ["face 0: b"], ["face 1: c"]
    ]  # fmt: skip


def test_a_long_text_without_word_times_is_split_evenly():
    text = " ".join(["word"] * 30)
    srt = WRITERS["srt"](Transcript((Segment(text, 0.0, 6.0),)))
    assert srt.startswith("1\n00:00:00,000 --> 00:00:03,000\nword word")
    assert srt.count("word") == 30


def test_each_word_is_marked_while_it_is_spoken():
    transcript = Transcript((spoken("bin blue & soon", 0.32),))
    assert WRITERS["srt"](transcript, words=True).split("\n\n")[1] == (
        "2\n00:00:00,820 --> 00:00:01,320\nbin <u>blue</u> & soon"
    )
    assert WRITERS["vtt"](transcript, words=True) == (
        "WEBVTT\n\n00:00:00.320 --> 00:00:02.320\nbin <00:00:00.820>blue <00:00:01.320>&amp; <00:00:01.820>soon\n\n"
    )


def test_tags_and_underlines_take_no_room_on_a_line():
    transcript = Transcript((spoken(" ".join(["abcdefg"] * 10), 0.0, step=0.1),))
    plain, marked = (WRITERS["vtt"](transcript, words=words).split("\n") for words in (False, True))
    assert len(plain) == len(marked)
    srt = WRITERS["srt"](transcript, words=True).replace("<u>", "").replace("</u>", "")
    assert {tuple(cue.split("\n")[2:]) for cue in srt.strip().split("\n\n")} == {tuple(plain[3:5])}


def test_words_that_begin_at_once_have_one_tag():
    words = tuple(Word(text, start, 1.0, 0.9) for text, start in (("a", 0.0), ("b", 0.4), ("c", 0.4), ("d", 1.0)))
    vtt = WRITERS["vtt"](Transcript((Segment("a b c d", 0.0, 1.0, words),)), words=True)
    assert vtt.endswith("a <00:00:00.400>b c d\n\n")


def test_only_captions_mark_words(tmp_path):
    write_transcript(TWO, "vtt", tmp_path / "a.vtt", words=True)
    assert "<00:00:00.820>blue" in (tmp_path / "a.vtt").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="format 'txt' cannot mark words: choose one of srt, vtt"):
        write_transcript(TWO, "txt", words=True)


def test_a_file_name_that_is_no_text_survives_in_json(tmp_path):
    name = os.fsdecode(b"caf\xe9.mpg")
    write_transcript(Transcript(source=name), "json", tmp_path / "out")
    assert Transcript.from_dict(json.loads((tmp_path / "out").read_bytes().decode("utf-8"))).source == name


def test_familiarity_is_that_of_the_segments_by_their_lengths():
    long, short = Segment("a", 0.0, 3.0, familiarity=0.9), Segment("b", 4.0, 5.0, familiarity=0.1)
    transcript = Transcript((long, short, Segment("c", 6.0, 7.0)))
    assert transcript.familiarity == pytest.approx(0.7)
    assert Transcript((Segment("c", 6.0, 7.0),)).familiarity is None
    record = json.loads(json.dumps(transcript.to_dict()))
    assert record["familiarity"] == 0.7
    assert [segment["familiarity"] for segment in record["segments"]] == [0.9, 0.1, None]
    assert Transcript.from_dict(record) == transcript
