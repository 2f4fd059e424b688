"""Texts with times that others wrote: round trips, FFmpeg as the oracle of subtitles, and what is damaged."""

import json
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lipscribe.data.captions import (
    MAX_LENGTH,
    MAX_PAUSE,
    read_captions,
    read_ctm,
    read_recogniser_json,
    read_subtitles,
    read_textgrid,
    segments_of,
)
from lipscribe.errors import ManifestError
from lipscribe.transcript import Segment, Transcript, Word, format_json, format_srt, format_vtt

VOCABULARY = [
    "don't",
    "stop",
    "the",
    "music",
    "it's",
    "half",
    "past",
    "ten",
    "&",
    "café",
    "naïve",
    "<3",
    "日本",
    "10%",
    "x",
]


def drawn_transcript(seed: int) -> Transcript:
    """Segments of a few words each, with times in whole milliseconds as subtitles have them."""
    rng = np.random.default_rng(seed)
    now, segments = 0.0, []
    for _ in range(rng.integers(1, 6)):
        now += int(rng.integers(200, 5_000_000 if seed % 3 == 0 else 3000)) / 1000  # over an hour too
        words = []
        for word in rng.choice(VOCABULARY, rng.integers(1, 8)):
            length = int(rng.integers(40, 600)) / 1000
            words.append(Word(str(word), round(now, 3), round(now + length, 3), 1.0))
            now += length
        text = " ".join(word.text for word in words)
        segments.append(Segment(text, words[0].start, words[-1].end, tuple(words)))
    return Transcript(tuple(segments))


def times(segments: list[Segment]) -> list[tuple[str, float, float]]:
    return [(segment.text, round(segment.start, 3), round(segment.end, 3)) for segment in segments]


@pytest.mark.parametrize("seed", range(12))
def test_what_our_writers_write_comes_back(seed: int):
    transcript = drawn_transcript(seed)
    wanted = times(list(transcript.segments))
    assert times(read_recogniser_json(format_json(transcript))) == wanted
    words = [(word.text, word.start, word.end) for word in transcript.words]
    found = [word for segment in read_recogniser_json(format_json(transcript)) for word in segment.words]
    assert [(word.text, word.start, word.end) for word in found] == words
    # Subtitles may split a segment, so their words are compared.
    text = " ".join(text for text, _, _ in wanted)
    for written in (format_srt(transcript), format_vtt(transcript), format_vtt(transcript, words=True)):
        assert " ".join(segment.text for segment in read_subtitles(written)) == text
    timed = [word for segment in read_subtitles(format_vtt(transcript, words=True)) for word in segment.words]
    starts = {round(word.start, 3) for word in transcript.words}
    assert {round(word.start, 3) for word in timed} <= starts


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
@pytest.mark.parametrize("seed", range(6))
def test_ffmpeg_reads_the_same_subtitles(tmp_path: Path, suffix: str, seed: int):
    transcript = drawn_transcript(seed)
    path = tmp_path / f"x{suffix}"
    path.write_text((format_srt if suffix == ".srt" else format_vtt)(transcript), encoding="utf-8")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        wanted = [(float(p.pts * p.time_base), float((p.pts + p.duration) * p.time_base)) for p in packets]
    found = [(round(segment.start, 3), round(segment.end, 3)) for segment in read_captions(path)]
    assert found == [(round(start, 3), round(end, 3)) for start, end in wanted]


DIRTY = [
    ("1\r\n00:00:01,000 --> 00:00:02,000\r\nhello\r\n\r\n2\r\n00:00:03,5 --> 00:00:04,25\r\nyou\r\n", None),
    ("\ufeff1\n00:00:01.000 --> 00:00:02.000 X1:10 X2:20\n<i>hello</i>\n2\n00:00:03.500 --> 00:00:04.250\nyou", None),
    ("00:01,000 --> 00:02,000\n{\\an8}hello\n\n\n00:03,500 --> 00:04,250\n<font color='red'>you</font>\n\n\n", None),
    (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nNOTE a note\n\nfirst\n00:01.000 --> 00:02.000 line:0\n"
        "hello\n\nNOTE another\nof two lines\n\n00:03.500 --> 00:04.250\n<v Ann>you</v>\n",
        "Ann",
    ),
]


@pytest.mark.parametrize(("text", "speaker"), DIRTY)
def test_subtitles_as_they_are_met(tmp_path: Path, text: str, speaker: str | None):
    path = tmp_path / "x.SRT"
    path.write_bytes(text.encode())
    segments = read_captions(path)
    assert times(segments) == [("hello", 1.0, 2.0), ("you", 3.5, 4.25)]
    assert segments[1].speaker == speaker


def test_an_empty_line_within_a_subtitle_loses_nothing_and_a_number_may_be_said():
    text = "1\n00:00:01,000 --> 00:00:02,000\nthe answer\n\nis\n\n2\n00:00:03,000 --> 00:00:04,000\n42\n"
    assert [segment.text for segment in read_subtitles(text)] == ["the answer is", "42"]
    assert [segment.text for segment in read_subtitles("1\n00:00:01,000 --> 00:00:02,000\n\n")] == [""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_encoding_that_subtitles_have(tmp_path: Path, encoding: str):
    (tmp_path / "x.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\ncafé naïve\n".encode(encoding))
    assert read_captions(tmp_path / "x.srt")[0].text == "café naïve"


def test_cues_are_sorted_by_time(tmp_path: Path):
    (tmp_path / "x.srt").write_text("00:03,000 --> 00:04,000\nlate\n\n00:01,000 --> 00:02,000\nearly\n")
    assert [segment.text for segment in read_captions(tmp_path / "x.srt")] == ["early", "late"]


LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 0.5
            mark = "a ""click"" [1]"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = "AH0"
    item [3]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1e0
            text = "they ""said"""
        intervals [3]:
            xmin = 1
            xmax = 1.5
            text = "sil"
        intervals [4]:
            xmin = 1.5
            xmax = 2.25
            text = "go"
'''


def short_form(text: str) -> str:
    """The same TextGrid in Praat's short format."""
    lines = [line.split("=", 1)[-1].strip() if "=" in line else line.strip() for line in text.splitlines()]
    lines = ["<exists>" if "<exists>" in line else line for line in lines if not line.endswith(":")]
    return "\n".join(["File type = " + lines[0], "Object class = " + lines[1], *lines[2:]])


@pytest.mark.parametrize("text", [LONG, short_form(LONG)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_textgrid_of_either_kind(tmp_path: Path, text: str, encoding: str):
    (tmp_path / "x.TextGrid").write_bytes(text.encode(encoding))
    (segment,) = read_captions(tmp_path / "x.TextGrid")
    assert [(word.text, word.start, word.end) for word in segment.words] == [('they "said"', 0.5, 1), ("go", 1.5, 2.25)]
    assert (segment.start, segment.end) == (0.5, 2.25)


def test_a_tier_of_sentences_gives_segments():
    text = LONG.replace('"words"', '"utterances"').replace('"phones"', '"b"').replace('"AH0"', '"how do you do"')
    assert times(read_textgrid(text)) == [("how do you do", 0.0, 2.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no TextGrid of Praat, or is cut off"),
        (LONG[:600], "no TextGrid of Praat, or is cut off"),
        ('"ooTextFile" "TextGrid" 0 1 <absent>', "no TextGrid"),
        (LONG.replace("IntervalTier", "TextTier").replace("xmin", "number"), "no TextGrid of Praat|no tier"),
        ('"ooTextFile" "TextGrid" 0 1 <exists> 1 "TextTier" "a" 0 1 0', "it has no tier of intervals"),
    ],
)
def test_a_damaged_textgrid(text: str, message: str):
    with pytest.raises(ManifestError, match=message):
        read_textgrid(text)


CTM = ";; a comment\nb 1 0.50 0.25 go 0.9\na 1 0.10 0.20 hello NA\nb 1 0.10 0.30 <sil>\nb A 0.30 0.15 we\n"


def test_a_ctm_has_the_words_of_several_recordings(tmp_path: Path):
    found = read_ctm(CTM)
    assert {name: [word.text for word in words] for name, words in found.items()} == {"b": ["we", "go"], "a": ["hello"]}
    assert (found["b"][1].start, found["b"][1].end, found["b"][1].probability) == (0.5, 0.75, 0.9)
    (tmp_path / "a.ctm").write_text(CTM)
    assert [segment.text for segment in read_captions(tmp_path / "a.ctm")] == ["hello"]
    assert [segment.text for segment in read_captions(tmp_path / "a.ctm", "b")] == ["we go"]
    assert read_captions(tmp_path / "a.ctm", "c") == []


@pytest.mark.parametrize("line", ["a 1 0.5 go", "a 1 x 0.5 go", "a 1 0.5 -1 go", "hello"])
def test_a_bad_line_of_a_ctm_is_named(line: str):
    with pytest.raises(ManifestError, match=r"line 2: '.*', wanted `RECORDING CHANNEL START DURATION WORD`"):
        read_ctm(f"a 1 0 0.1 oh\n{line}\n")


WHISPER = {
    "text": " Twenty-one, please.",
    "segments": [
        {
            "start": 0.5,
            "end": 2.0,
            "text": " Twenty-one, please.",
            "words": [
                {"word": " Twenty", "start": 0.5, "end": 0.9, "probability": 0.8},
                {"word": "-one,", "start": 0.9, "end": 1.2, "probability": 0.7},
                {"word": " please.", "start": 1.3, "end": 2.0, "probability": 0.9},
            ],
        }
    ],
}
WHISPERX = {
    "segments": [
        {
            "start": 0.5,
            "end": 2.0,
            "text": "Twenty-one, please.",
            "speaker": "SPEAKER_01",
            "words": [{"word": "Twenty-one,"}, {"word": "please.", "start": 1.2, "end": 2.0, "score": 0.9}],
        }
    ],
    "word_segments": [],
}


@pytest.mark.parametrize(
    ("record", "speaker"), [(WHISPER, None), (WHISPERX, "SPEAKER_01"), (WHISPER["segments"], None)]
)
def test_the_json_of_recognisers(record: object, speaker: str | None):
    (segment,) = read_recogniser_json(json.dumps(record))
    assert (segment.text, segment.start, segment.end, segment.speaker) == ("Twenty-one, please.", 0.5, 2.0, speaker)
    assert [(w.text, w.start, w.end) for w in segment.words] == [
        ("Twenty-one,", 0.5, 1.2),
        ("please.", segment.words[1].start, 2.0),
    ]


def test_words_that_say_something_else_than_their_segment_are_not_used():
    record = {"segments": [{"start": 0, "end": 1, "text": "hello", "words": [{"word": "bye", "start": 0, "end": 1}]}]}
    assert read_recogniser_json(json.dumps(record))[0].words == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "it has no segments"),
        ("3", "it has no segments"),
        ('{"segments": [3]}', "segment 1 has no start, end and text"),
        ('{"segments": [{"start": 0, "end": 1}]}', "segment 1 has no start, end and text"),
        ('{"segments": [{"start": 2, "end": 1, "text": "x"}]}', "segment 1 lasts from 2 to 1 s"),
        ('{"segments": [{"start": 0, "end": Infinity, "text": "x"}]}', "segment 1 lasts from 0 to inf s"),
        ('{"segments": [{"start": 0, "end": NaN, "text": "x"}]}', "segment 1 lasts from 0 to nan s"),
        ('{"segments": [{"start": 0, "end": 1, "text": "x", "words": [{"word": 3}]}]}', "segment 1 has no start"),
        (
            '{"segments": [{"start": 0, "end": 1, "text": "x", "words": [{"word": "x", "start": NaN}]}]}',
            "segment 1 has",
        ),
    ],
)
def test_json_that_is_something_else(text: str, message: str):
    with pytest.raises(ManifestError, match=message):
        read_recogniser_json(text)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.srt", b"hello\n", "x.srt: it has no cue, wanted lines such as"),
        ("x.srt", b"", "x.srt: it has no cue"),
        ("x.vtt", b"WEBVTT\n\n00:02.000 --> 00:01.000\nhello\n", "x.vtt: line 3: .* ends before it starts"),
        ("x.doc", b"hello", "x.doc: its ending is .doc, wanted one of .json, .textgrid, .ctm, .vtt, .srt"),
        ("x.srt", b"\xff\xfe\x00", "x.srt cannot be read"),
        ("x.srt", b"\x81\x8d", "x.srt cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        read_captions(tmp_path / name)
    with pytest.raises(ManifestError, match="cannot be read"):
        read_captions(tmp_path / "absent.srt")


@pytest.mark.parametrize("seed", range(20))
def test_segments_have_all_the_words_in_order_and_end_at_long_pauses(seed: int):
    rng = np.random.default_rng(seed)
    now, words = 0.0, []
    for number in range(rng.integers(0, 200)):
        now += float(rng.choice([0.0, 0.1, 0.5, 3.0], p=[0.5, 0.3, 0.15, 0.05]))
        words.append(Word(f"w{number}", now, now + 0.3, 1.0))
        now += 0.3
    segments = segments_of(words)
    assert [word for segment in segments for word in segment.words] == words
    for segment in segments:
        assert segment.end - segment.start <= MAX_LENGTH
        gaps = [b.start - a.end for a, b in pairwise(segment.words)]
        assert max(gaps, default=0) <= MAX_PAUSE
    if words and now <= 5 and not any(b.start - a.end > MAX_PAUSE for a, b in pairwise(words)):
        assert len(segments) == 1
