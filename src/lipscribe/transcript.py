"""`Transcript` > `Segment` > `Word` with times and probabilities, and the output formats."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from lipscribe.atomic import write_bytes
from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.plain_data import check_format
from lipscribe.units import Seconds

# Broadcasters' limits for subtitles: two lines of 42 characters, and 7 s.
MAX_LINE_CHARS = 42
MAX_CUE_LINES = 2
MAX_CUE_SECONDS = 7.0
DERIVED = ("text", "familiarity", "speakers")  # JSON keys that are derived from the others
_TEXTS = ("text", "source", "model", "speaker", "warnings")
_HOLDERS = ("", "segments", "words", "alternatives", "nbest", "texts", "warnings")
_OPTIONAL = ("source", "model", "duration", "face_coverage", "speaker", "familiarity", "homophene")
CAPTIONS = ("srt", "vtt")  # the formats that can mark each word while it is spoken


@dataclass(frozen=True)
class Alternative:
    """An alternative of a word, and its probability there, 0 to 1.

    `homophene`: whether the two look the same on the lips; None if unknown.
    """

    text: str
    probability: float
    homophene: bool | None = None


@dataclass(frozen=True)
class Word:
    """A word, its times in seconds from the start of the video, and the model's probability of it, 0 to 1.

    `alternatives` are best first, and empty unless requested.
    """

    text: str
    start: Seconds
    end: Seconds
    probability: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Segment:
    """A stretch of speech of one person.

    `speaker` names the face ("face 0"), None if speakers are not distinguished. `familiarity` is 0 (out of
    domain: a stranger, other sentences, nobody speaking) to 1, doubtful below 0.5; None if the model has no limit for
    it (`lipscribe calibrate` fits one).
    """

    text: str
    start: Seconds
    end: Seconds
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    familiarity: float | None = None


@dataclass(frozen=True)
class RankedText:
    """A hypothesis of an n-best list: its natural-log score, and its probability among all, 0 to 1."""

    text: str
    score: float
    probability: float


@dataclass(frozen=True)
class NBest:
    """The n-best list of a stretch of video searched at once, best first; the best is in the segments too."""

    start: Seconds
    end: Seconds
    texts: tuple[RankedText, ...]
    speaker: str | None = None


@dataclass(frozen=True)
class Transcript:
    """The transcript of a video.

    Attributes:
        segments: in order of their start.
        source: the input file.
        model: name of the model.
        duration: of the video, in seconds.
        face_coverage: share of the frames with the selected face, 0 to 1.
        warnings: one line each.
        nbest: n-best lists, if requested.
    """

    segments: tuple[Segment, ...] = ()
    source: str | None = None
    model: str | None = None
    duration: Seconds | None = None
    face_coverage: float | None = None
    warnings: tuple[str, ...] = ()
    nbest: tuple[NBest, ...] = ()

    @property
    def text(self) -> str:
        """Segment texts, joined by spaces; with several speakers a line per turn, such as `face 0: hello`."""
        if len(self.speakers) < 2:
            return " ".join(segment.text for segment in self.segments if segment.text)
        turns = groupby(_spoken(self), key=lambda segment: segment.speaker)
        return "\n".join(
            (f"{speaker}: " if speaker else "") + " ".join(segment.text for segment in segments)
            for speaker, segments in turns
        )

    def text_of(self, speaker: str) -> str:
        """The text of one of the `speakers`, segments joined by spaces."""
        return " ".join(segment.text for segment in _spoken(self) if segment.speaker == speaker)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def familiarity(self) -> float | None:
        """The mean of all segments, weighted by length; None if none has one."""
        timed = (segment for segment in self.segments if segment.end > segment.start)
        known = [(each.end - each.start, each.familiarity) for each in timed if each.familiarity is not None]
        total = sum(length for length, _ in known)
        return round(sum(length * value for length, value in known) / total, 4) if known else None

    @property
    def speakers(self) -> list[str]:
        """The different speakers, in order of appearance."""
        return list(dict.fromkeys(segment.speaker for segment in self.segments if segment.speaker is not None))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form with the whole text first, then each speaker's own, by name (none where faces were not told
        apart); `from_dict` gives back an equal transcript.
        """
        speakers = {name: self.text_of(name) for name in self.speakers}
        return {"text": self.text, "familiarity": self.familiarity, "speakers": speakers, **asdict(self)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Transcript":
        """The inverse of `to_dict`.

        Raises:
            LipscribeError: a field is missing or unknown.
        """
        try:
            check_format(record, 1, "the transcript", LipscribeError)
            fields = {name: value for name, value in record.items() if name not in (*DERIVED, "format_version")}
            fields["warnings"] = tuple(fields["warnings"])
            fields["segments"] = tuple(
                Segment(**{**segment, "words": tuple(_word_from_dict(word) for word in segment["words"])})
                for segment in fields["segments"]
            )
            fields["nbest"] = tuple(
                NBest(**{**stretch, "texts": tuple(RankedText(**text) for text in stretch["texts"])})
                for stretch in fields.get("nbest", ())
            )
            _check(asdict(transcript := cls(**fields)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LipscribeError(f"not a transcript ({error}): want the result of `Transcript.to_dict`") from error
        return transcript


def mark_unsure(transcript: Transcript, threshold: float) -> Transcript:
    """The transcript with every word below the probability `threshold` (0 to 1) marked: "[seven?]"."""

    def marked(word: Word) -> Word:
        return replace(word, text=f"[{word.text}?]") if word.probability < threshold else word

    segments = []
    for segment in transcript.segments:
        words = tuple(marked(word) for word in segment.words)
        text = " ".join(word.text for word in words) if words != segment.words else segment.text
        segments.append(replace(segment, text=text, words=words))
    return replace(transcript, segments=tuple(segments))


def format_txt(transcript: Transcript) -> str:
    """One line of text per segment."""
    return "".join(f"{_label(transcript, segment)}{segment.text}\n" for segment in _spoken(transcript))


def format_srt(transcript: Transcript, words: bool = False) -> str:
    """SubRip subtitles; with `words` one cue per word, in which that word is underlined."""
    written = []
    for cue, label in _cues(transcript, labelled=True):
        for start, end, tokens in _by_word(cue) if words else [(cue.start, cue.end, _tokens(cue))]:
            times = f"{_clock(start, ',')} --> {_clock(_shown_until(start, end), ',')}"
            written.append(f"{len(written) + 1}\n{times}\n{_wrapped(_tokens(cue), tokens, label)}\n\n")
    return "".join(written)


def format_vtt(transcript: Transcript, words: bool = False) -> str:
    """WebVTT subtitles; a speaker is a voice tag. With `words` each word has a tag with its start time."""
    several = len(transcript.speakers) > 1
    cues = []
    for cue, _ in _cues(transcript, labelled=False):
        voice = f"<v {escape(cue.speaker, quote=False)}>" if several and cue.speaker else ""
        times = f"{_clock(cue.start, '.')} --> {_clock(_shown_until(cue.start, cue.end), '.')}"
        tokens = [escape(token, quote=False) for token in _tokens(cue)]
        if words:
            tokens = [tag + token for tag, token in zip(_time_tags(cue), tokens, strict=True)]
        cues.append(f"{times}\n{voice}{_wrapped(_tokens(cue), tokens)}\n\n")
    return "WEBVTT\n\n" + "".join(cues)


def format_tsv(transcript: Transcript) -> str:
    """A header, then start, end (integer milliseconds) and text of each segment, separated by tabs."""
    rows = (
        f"{_to_ms(segment.start)}\t{_to_ms(segment.end)}\t{_label(transcript, segment)}{_one_line(segment.text)}\n"
        for segment in _spoken(transcript)
    )
    return "start\tend\ttext\n" + "".join(rows)


def format_json(transcript: Transcript) -> str:
    """JSON of the whole transcript."""
    return json.dumps(transcript.to_dict(), ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[..., str]] = {
    "txt": format_txt,
    "srt": format_srt,
    "vtt": format_vtt,
    "tsv": format_tsv,
    "json": format_json,
}


def write_transcript(
    transcript: Transcript, format: str = "txt", path: str | Path | None = None, words: bool = False
) -> None:
    """Write the transcript in UTF-8 with Unix line ends, whatever the machine's locale.

    An undecodable file name (bytes in another encoding) is written with `\\udcXX` escapes, which JSON reads back.

    Args:
        transcript: the transcript.
        format: a key of `WRITERS`.
        path: file to write; None is stdout.
        words: highlight each word while it is spoken, in srt and vtt.

    Raises:
        ConfigError: no format has this name, or it cannot mark words.
        LipscribeError: the file cannot be written.
    """
    if format not in WRITERS:
        raise ConfigError(f"format {format!r} is unknown: choose one of {', '.join(WRITERS)}")
    if words and format not in CAPTIONS:
        raise ConfigError(f"format {format!r} cannot mark words: choose one of {', '.join(CAPTIONS)}")
    written = WRITERS[format](transcript, **({"words": True} if words else {})).encode("utf-8", "backslashreplace")
    if path is None:
        if sys.stdout is None:
            raise LipscribeError("stdout is closed: leave it open, or give a file to write to")
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(written)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise LipscribeError(f"cannot write to stdout: {error.strerror}; give a file to write to") from error
        return
    try:
        write_bytes(path, written)
    except OSError as error:
        raise LipscribeError(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error


def _check(value: Any, name: str = "") -> None:
    """Raises ValueError if a text or number of a transcript, as plain data, is none."""
    if isinstance(value, dict | list | tuple) and name in _HOLDERS:
        for key, each in value.items() if isinstance(value, dict) else ((name, each) for each in value):
            _check(each, key)
        return
    wanted = str if name in _TEXTS else bool if name == "homophene" else float | int
    right = isinstance(value, wanted) and not (isinstance(value, float) and not math.isfinite(value))
    if not right and (value is not None or name not in _OPTIONAL):
        raise ValueError(f"{name} is {value!r:.40}")


def _word_from_dict(record: dict[str, Any]) -> Word:
    alternatives = tuple(Alternative(**each) for each in record.get("alternatives", ()))
    return Word(**{**record, "alternatives": alternatives})


def _spoken(transcript: Transcript) -> list[Segment]:
    """The segments that say something, by time: those of several speakers may lie one after the other."""
    spoken = (replace(segment, text=_one_line(segment.text)) for segment in transcript.segments)
    return sorted((segment for segment in spoken if segment.text), key=lambda segment: segment.start)


def _cues(transcript: Transcript, labelled: bool) -> list[tuple[Segment, str]]:
    """What is shown at once, by time, each with its label: the words of a cue are its text, split at spaces."""
    cues = []
    for segment in _spoken(transcript):
        label = _label(transcript, segment).rstrip() if labelled else ""
        whole = replace(segment, words=_timed_tokens(segment))
        cues += [(cue, label) for cue in _split(whole, label)]
    return sorted(cues, key=lambda cue: cue[0].start)


def _timed_tokens(segment: Segment) -> tuple[Word, ...]:
    """The segment's text, split at spaces, with times: those of its words, or spread evenly where it has no words."""
    tokens = segment.text.split()
    if len(tokens) == len(segment.words):
        return tuple(replace(word, text=token) for word, token in zip(segment.words, tokens, strict=True))
    if words := tuple(replace(word, text=_one_line(word.text)) for word in segment.words if word.text.strip()):
        return words
    step = (segment.end - segment.start) / len(tokens)
    times = [segment.start + idx * step for idx in range(len(tokens))] + [segment.end]
    return tuple(Word(token, *span, 1.0) for token, span in zip(tokens, pairwise(times), strict=True))


def _split(segment: Segment, label: str) -> Iterator[Segment]:
    """Halve a segment too long for a cue at the word boundary nearest to its middle in time, until each piece fits."""
    todo = [segment]
    while todo:
        part = todo.pop()
        words, tokens = part.words, _tokens(part)
        lines = _wrapped(tokens, tokens, label).count("\n") + 1
        if len(words) < 2 or (lines <= MAX_CUE_LINES and part.end - part.start <= MAX_CUE_SECONDS):
            yield part
            continue
        middle = (words[0].start + words[-1].end) / 2
        gaps = [(before.end + after.start) / 2 for before, after in pairwise(words)]
        cut = 1 + min(range(len(gaps)), key=lambda idx: (abs(gaps[idx] - middle), abs(2 * idx + 2 - len(words))))
        later, earlier = replace(part, start=words[cut].start, words=words[cut:]), replace(part, words=words[:cut])
        todo += [later, replace(earlier, end=words[cut - 1].end)]


def _tokens(cue: Segment) -> list[str]:
    return [word.text for word in cue.words]


def _by_word(cue: Segment) -> Iterator[tuple[Seconds, Seconds, list[str]]]:
    """For each word of a cue: from when until when it is marked, and all words with this one underlined."""
    for word, end in zip(cue.words, [*(word.start for word in cue.words[1:]), cue.end], strict=True):
        yield word.start, end, [f"<u>{each.text}</u>" if each is word else each.text for each in cue.words]


def _time_tags(cue: Segment) -> list[str]:
    """A tag before each word but the first; players want them to rise, and to lie inside the cue."""
    tags, last = [], _to_ms(cue.start)
    for word in cue.words:
        inside = last < _to_ms(word.start) < _to_ms(cue.end)
        tags.append(f"<{_clock(word.start, '.')}>" if inside else "")
        last = _to_ms(word.start) if inside else last
    return tags


def _label(transcript: Transcript, segment: Segment) -> str:
    return f"{segment.speaker}: " if segment.speaker and len(transcript.speakers) > 1 else ""


def _to_ms(seconds: Seconds) -> int:
    return round(seconds * 1000)


def _shown_until(start: Seconds, end: Seconds) -> Seconds:
    return max(end, start + 0.001)  # players drop cues of zero duration


def _clock(seconds: Seconds, mark: str) -> str:
    minutes, ms = divmod(_to_ms(seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}{mark}{ms % 1000:03d}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _wrapped(tokens: Sequence[str], written: Sequence[str], label: str = "") -> str:
    """Lines of at most 42 characters after a label; a longer word has a line of its own.

    Args:
        tokens: What is seen, which is measured.
        written: What is written for each token, with tags.
    """
    lines, length = [[label] if label else []], len(label)
    for seen, text in zip(tokens, written, strict=True):
        if lines[-1] and length + 1 + len(seen) > MAX_LINE_CHARS:
            lines.append([])
        length = length + 1 + len(seen) if lines[-1] else len(seen)
        lines[-1].append(text)
    return "\n".join(" ".join(line) for line in lines)
