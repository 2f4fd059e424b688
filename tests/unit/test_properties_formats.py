"""Transcripts in every format: read back by our readers and by those of others, and in the shape of whisper's files."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from properties import examples

from lipscribe.data.captions import (
    READERS,
    SILENCES,
    read_captions,
    read_ctm,
    read_recogniser_json,
    read_subtitles,
    read_textgrid,
)
from lipscribe.errors import ManifestError
from lipscribe.transcript import (
    MAX_CUE_LINES,
    MAX_CUE_SECONDS,
    MAX_LINE_CHARS,
    Alternative,
    NBest,
    RankedText,
    Segment,
    Transcript,
    Word,
    format_json,
    format_srt,
    format_tsv,
    format_txt,
    format_vtt,
)

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

# Words as models spell them, and what a caller may put into a transcript.
PLAIN = st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=12)
LETTERS = st.characters(exclude_categories=("C", "Z"))
ANY = st.text(LETTERS, min_size=1, max_size=50) | st.sampled_from(["-->", "<i>", "&amp;", "<v", "{\\an8}", "1", "NOTE"])
PROBABILITIES = st.floats(0, 1)


@st.composite
def segments(draw: st.DrawFn, words: st.SearchStrategy[str], most: int = 25, start: float = 0.0) -> Segment:
    """Words one after the other, in whole milliseconds."""
    at_ms, spoken = round(start * 1000), []
    for text in draw(st.lists(words, min_size=1, max_size=most)):
        begin = at_ms + draw(st.integers(0, 1500))
        at_ms = begin + draw(st.integers(0, 900))
        spoken.append(Word(text, begin / 1000, at_ms / 1000, draw(PROBABILITIES)))
    timed = draw(st.booleans())
    text = " ".join(word.text for word in spoken)
    return Segment(text, spoken[0].start, spoken[-1].end, tuple(spoken) if timed else ())


@st.composite
def transcripts(draw: st.DrawFn, words: st.SearchStrategy[str], speakers: bool = False) -> Transcript:
    """Segments one after the other, perhaps of several people."""
    found, at = [], 0.0
    for _ in range(draw(st.integers(0, 3))):
        segment = draw(segments(words, start=at + draw(st.integers(0, 3000)) / 1000))
        at = segment.end
        speaker = draw(st.sampled_from([None, "face 0", "face 1"])) if speakers else None
        found.append(replace(segment, speaker=speaker, familiarity=draw(st.none() | PROBABILITIES)))
    return Transcript(tuple(found), "clip.mp4", "grid", at, 1.0)


def words_of(transcript: Transcript) -> list[str]:
    return [word for segment in transcript.segments for word in segment.text.split()]


@examples(60)
@given(transcripts(ANY, speakers=True), st.lists(st.text(LETTERS), max_size=2))
def test_json_round_trip(transcript: Transcript, warnings: list[str]):
    nbest = (NBest(0.0, 1.0, (RankedText("x", -1.5, 0.5),), "face 0"),)
    word = Word("x", 0.0, 0.5, 0.5, (Alternative("y", 0.2, True), Alternative("z", 0.1)))
    extra = Segment("x", 0.0, 0.5, (word,))
    whole = Transcript((extra, *transcript.segments), "a.mp4", None, None, None, tuple(warnings), nbest)
    assert Transcript.from_dict(json.loads(format_json(whole))) == whole


def cue_lines(segment_times: Sequence[tuple[float, float]], bodies: Sequence[str]) -> None:
    """The limits of captions: short, in order, at most two lines of 42 characters."""
    for (start, end), body in zip(segment_times, bodies, strict=True):
        lines = body.split("\n")
        words = body.split()
        assert start < end
        if len(words) > 1:
            assert len(lines) <= MAX_CUE_LINES and end - start <= MAX_CUE_SECONDS + 0.002, body
        assert all(len(line) <= MAX_LINE_CHARS or " " not in line for line in lines), lines
    assert all(before[0] <= after[0] for before, after in pairwise(segment_times))


@examples(60)
@given(transcripts(PLAIN))
def test_srt_by_the_srt_package(transcript: Transcript):
    srt = pytest.importorskip("srt")
    found = list(srt.parse(format_srt(transcript), ignore_errors=False))
    assert [cue.index for cue in found] == list(range(1, len(found) + 1))
    times = [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in found]
    cue_lines(times, [cue.content for cue in found])
    assert [word for cue in found for word in cue.content.split()] == words_of(transcript)
    assert srt.compose(found, reindex=False, strict=True).split() == format_srt(transcript).split()


@examples(60)
@given(transcripts(PLAIN))
def test_vtt_by_webvtt_py(transcript: Transcript):
    webvtt = pytest.importorskip("webvtt")
    found = webvtt.from_buffer(StringIO(format_vtt(transcript))).captions
    times = [(cue.start_in_seconds, cue.end_in_seconds) for cue in found]
    assert len(times) == format_vtt(transcript).count(" --> ")
    assert [word for cue in found for word in cue.text.split()] == words_of(transcript)
    marked = webvtt.from_buffer(StringIO(format_vtt(transcript, words=True))).captions
    assert [re.sub(r"<[^>]*>", "", cue.raw_text) for cue in marked] == [cue.raw_text for cue in found]


@examples(60)
@given(transcripts(PLAIN), st.booleans())
def test_our_reader_reads_our_subtitles(transcript: Transcript, marked: bool):
    if not transcript.segments:
        return
    cues = read_subtitles(format_vtt(transcript, words=marked))
    assert [word for cue in cues for word in cue.text.split()] == words_of(transcript)
    spoken = [segment for segment in transcript.segments if segment.text]
    assert cues[0].start == pytest.approx(spoken[0].start, abs=0.001)
    for cue in cues:
        assert cue.start <= cue.end
        assert all(cue.start <= word.start <= word.end <= cue.end + 1e-9 for word in cue.words)
    if not marked:
        again = read_subtitles(format_srt(transcript))
        assert [(cue.text, cue.start, cue.end) for cue in again] == [(cue.text, cue.start, cue.end) for cue in cues]


@examples(100)
@given(transcripts(ANY, speakers=True))
def test_whatever_is_said_the_files_keep_their_shape(transcript: Transcript):
    said = [segment for segment in transcript.segments if segment.text.split()]
    assert format_txt(transcript).count("\n") == len(said)
    rows = format_tsv(transcript).split("\n")
    assert rows[0] == "start\tend\ttext" and rows[-1] == "" and len(rows) == len(said) + 2
    assert all(re.fullmatch(r"\d+\t\d+\t[^\t]+", row) for row in rows[1:-1])
    vtt = format_vtt(transcript)
    cues = re.findall(r"^\d\d+:\d\d:\d\d\.\d{3} --> \d\d+:\d\d:\d\d\.\d{3}$", vtt, re.MULTILINE)
    assert len(cues) == vtt.count("-->")  # what is said makes no cue
    assert len(vtt.split("\n\n")) == len(cues) + 2
    srt = format_srt(transcript)
    numbered = re.findall(r"^(\d+)\n\d\d+:\d\d:\d\d,\d{3} --> \d\d+:\d\d:\d\d,\d{3}$", srt, re.MULTILINE)
    assert numbered == [str(number) for number in range(1, len(numbered) + 1)]
    assert len(srt.split("\n\n")) == len(numbered) + 1
    if said:
        assert len(read_subtitles(vtt)) == len(cues)
        assert len(read_subtitles(srt)) == len(numbered)
        # A cue of SRT has the speaker's name in its lines, so more of them may be needed.
        assert len(numbered) == len(cues) or (len(transcript.speakers) > 1 and len(numbered) > len(cues))


# Whisper's writers: https://github.com/openai/whisper/blob/main/whisper/utils.py. Its package is not needed here.
def whisper_clock(seconds: float, mark: str, hours: bool) -> str:
    ms = round(seconds * 1000)
    start = f"{ms // 3_600_000:02d}:" if hours or ms >= 3_600_000 else ""
    return f"{start}{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{mark}{ms % 1000:03d}"


@examples(60)
@given(st.lists(segments(PLAIN, most=6), max_size=4))
def test_texts_and_tables_are_those_of_whisper(spoken: list[Segment]):
    spoken = sorted(spoken, key=lambda segment: segment.start)
    transcript = Transcript(tuple(spoken))
    assert format_txt(transcript) == "".join(f"{segment.text.strip()}\n" for segment in spoken)
    rows = "".join(f"{round(1000 * one.start)}\t{round(1000 * one.end)}\t{one.text.strip()}\n" for one in spoken)
    assert format_tsv(transcript) == f"start\tend\ttext\n{rows}"
    record = json.loads(format_json(transcript))
    assert record["text"] == " ".join(segment.text for segment in spoken)
    assert [{name: one[name] for name in ("start", "end", "text")} for one in record["segments"]] == [
        {"start": segment.start, "end": segment.end, "text": segment.text} for segment in spoken
    ]


@examples(60)
@given(st.lists(segments(PLAIN, most=6), min_size=1, max_size=4))
def test_files_of_whisper_are_read(spoken: list[Segment]):
    spoken = sorted(spoken, key=lambda segment: segment.start)
    vtt, srt = "WEBVTT\n\n", ""
    for number, one in enumerate(spoken, 1):
        start, end = (whisper_clock(seconds, ".", hours=False) for seconds in (one.start, one.end))
        vtt += f"{start} --> {end}\n{one.text}\n\n"
        start, end = (whisper_clock(seconds, ",", hours=True) for seconds in (one.start, one.end))
        srt += f"{number}\n{start} --> {end}\n{one.text}\n\n"
    record = {
        "text": " ".join(f" {one.text}" for one in spoken),
        "language": "en",
        "segments": [
            {
                "id": n,
                "seek": 0,
                "start": one.start,
                "end": one.end,
                "text": f" {one.text}",
                "tokens": [1],
                "words": [
                    {"word": f" {word.text}", "start": word.start, "end": word.end, "probability": word.probability}
                    for word in one.words
                ],
            }
            for n, one in enumerate(spoken)
        ],
    }
    times = [time for one in spoken for time in (one.start, one.end)]
    for found in (read_subtitles(vtt), read_subtitles(srt), read_recogniser_json(json.dumps(record))):
        assert [one.text for one in found] == [one.text for one in spoken]
        assert [time for one in found for time in (one.start, one.end)] == pytest.approx(times, abs=1e-9)
    assert [one.words for one in read_recogniser_json(json.dumps(record))] == [one.words for one in spoken]


@examples(60)
@given(*[st.integers(0, 99 * 3600 * 1000)] * 2, st.integers(1, 3), st.sampled_from(",."))
def test_times_have_one_to_three_digits_after_the_comma(one: int, two: int, digits: int, mark: str):
    step = 10 ** (3 - digits)
    start, end = (ms // step * step for ms in sorted((one, two)))
    clocks = [whisper_clock(ms / 1000, mark, hours=True)[: digits - 3 or None] for ms in (start, end)]
    (cue,) = read_subtitles(f"1\n{clocks[0]} --> {clocks[1]}\nhi\n")
    assert (cue.start, cue.end) == pytest.approx((start / 1000, end / 1000), abs=1e-9)


@examples(40)
@given(segments(st.text(LETTERS, min_size=1, max_size=8), most=8))
def test_ctm_and_textgrids_of_others_are_read(segment: Segment):
    words = segment.words or (Word("x", 0.0, 0.5, 1.0),)
    spoken = [word for word in words if word.text.lower() not in SILENCES and not word.text.startswith("<")]
    lines = [f"a 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.probability:.3f}" for word in spoken]
    (found,) = read_ctm("\n".join(lines)).values() if spoken else ([],)
    assert [word.text for word in found] == [word.text for word in spoken]
    assert [word.end for word in found] == pytest.approx([word.end for word in spoken], abs=0.002)
    textgrid = pytest.importorskip("textgrid")
    long = [word for word in spoken if word.start < word.end]  # an interval has a length
    tier = textgrid.IntervalTier("words", 0, words[-1].end + 1)
    for word in long:
        tier.add(word.start, word.end, word.text)
    grid = textgrid.TextGrid("a", 0, words[-1].end + 1)
    grid.append(tier)
    found = [word for one in read_textgrid(_written(grid)) for word in one.words]
    assert [(word.text, word.start, word.end) for word in found] == [(word.text, word.start, word.end) for word in long]


def _written(grid) -> str:
    with tempfile.TemporaryDirectory() as folder:
        grid.write(f"{folder}/a.TextGrid")
        return Path(folder, "a.TextGrid").read_text(encoding="utf-8")


@examples(60)
@given(st.sampled_from(sorted(READERS)), st.text(max_size=60) | st.binary(max_size=60))
def test_readers_of_captions_refuse_or_read(suffix: str, content: str | bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        try:
            found = read_captions(path)
        except ManifestError as error:
            assert "\n" not in str(error)
        else:
            assert all(segment.start <= segment.end for segment in found)
