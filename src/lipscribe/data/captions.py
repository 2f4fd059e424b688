"""Texts with times that others wrote: SubRip, WebVTT, Praat's TextGrid, CTM, and the JSON of speech recognisers.

All are read into `Segment`s with times in seconds of the file; words have times only where the format has them.
"""

import html
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lipscribe.errors import ManifestError
from lipscribe.plain_data import parse_json
from lipscribe.text import collapse_spaces, read_any_text
from lipscribe.transcript import Segment, Word
from lipscribe.units import Seconds

MAX_PAUSE: Seconds = 1.0  # words further apart are in different segments, where a format has only words
MAX_LENGTH: Seconds = 15.0  # a longer stretch of words is split at its longest pause
SILENCES = frozenset(("", "sil", "sp", "spn", "<eps>", "<sil>", "<unk>", "#", "_"))  # labels that are no words
WORD_TIERS = ("words", "word", "ort", "transcription", "orthography")  # of TextGrids, the first that is there

_CLOCK = r"(?:(\d{1,5}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_CUE_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
_VOICE = re.compile(r"\s*<v(?:\.[^ >]*)?\s+([^>]+)>")
_WORD_TIME = re.compile(rf"<{_CLOCK}>")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|\{\\[^{}\n]*\}")  # <i>, <v Ann>, {\an8}; "<3" is text
_TEXTGRID_TOKEN = re.compile(r'"(?:[^"]|"")*"|\[\d*\]|<exists>|(?<![\w.])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w.])')


def read_captions(path: Path | str, recording: str | None = None) -> list[Segment]:
    """The segments of a file, in order of their start, by the ending of its name (see `READERS`).

    Args:
        recording: Of a CTM file with several recordings, the one that is wanted; None is that of the file's name, or
            the only one.

    Raises:
        ManifestError: It cannot be read, or is not in its format; the message has the line where there is one.
    """
    path = Path(path)
    try:
        text = read_any_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error}): give a text file in UTF-8") from None
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ManifestError(f"{path}: its ending is {suffix or 'missing'}, wanted one of {', '.join(READERS)}")
    try:
        if suffix == ".ctm":
            recordings = read_ctm(text)
            name = path.stem if recording is None else recording
            words = recordings.get(name, next(iter(recordings.values())) if len(recordings) == 1 else [])
            segments = segments_of(words)
        else:
            segments = READERS[suffix](text)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None
    return sorted(segments, key=lambda segment: segment.start)


def read_subtitles(text: str) -> list[Segment]:
    """The cues of SubRip or WebVTT; in WebVTT words may have times of their own, and a voice is the speaker.

    Raises:
        ManifestError: There is no cue, or one ends before it starts.
    """
    lines = text.lstrip("\ufeff").split("\n")
    starts = [idx for idx, line in enumerate(lines) if _CUE_TIMES.fullmatch(line)]
    if not starts:
        raise ManifestError("it has no cue, wanted lines such as 00:00:01,000 --> 00:00:02,500")
    is_vtt = lines[0].startswith("WEBVTT")
    segments = []
    for idx, following in pairwise([*starts, len(lines)]):
        start, end = _cue_times(lines[idx])
        if end < start:
            raise ManifestError(f"line {idx + 1}: {lines[idx].strip()!r} ends before it starts")
        body = lines[idx + 1 : following]
        if following < len(lines) and body and body[-1].strip().isdigit():
            body.pop()  # the number of the next cue
        if is_vtt and (empty := [n for n, line in enumerate(body) if not line.strip()]):
            del body[empty[0] :]  # what follows is the name of the next cue, a note or a style
        segments.append(_cue("\n".join(body), start, end))
    return segments


def _cue(body: str, start: Seconds, end: Seconds) -> Segment:
    voice = _VOICE.match(body)
    if len(_VOICE.findall(body)) > 1:  # of several people
        body, voice = _VOICE.sub(" >> ", body), None
    parts = _WORD_TIME.split(body)  # text, then four parts of a time and text again and again
    times = [start, *(_seconds(parts[idx : idx + 4]) for idx in range(1, len(parts), 5)), end]
    texts = [collapse_spaces(_unescaped(_TAG.sub("", part))) for part in parts[::5]]
    words: list[Word] = []
    for text, (begin, stop) in zip(texts, pairwise(times), strict=True):
        words += spread(text.split(), begin, max(begin, min(stop, end)))
    text = " ".join(word.text for word in words)
    return Segment(text, start, end, tuple(words) if len(parts) > 1 else (), voice[1].strip() if voice else None)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # &#...; of thousands of digits
        return text


def _cue_times(line: str) -> tuple[Seconds, Seconds]:
    found = _CUE_TIMES.fullmatch(line)
    assert found is not None
    return _seconds(found.groups()[:4]), _seconds(found.groups()[4:])


def _seconds(clock: Sequence[str | None]) -> Seconds:
    hours, minutes, seconds, fraction = clock
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def read_textgrid(text: str) -> list[Segment]:
    """The segments of Praat's TextGrid, long or short: the words' tier (see `WORD_TIERS`), else the first of intervals.

    Intervals of a tier of words are words; those of any other tier are segments.

    Raises:
        ManifestError: It is no TextGrid, is cut off, or has no tier of intervals.
    """
    tokens = (token for token in _TEXTGRID_TOKEN.findall(text) if not token.startswith("["))
    try:
        if _string(next(tokens)) != "ooTextFile" or _string(next(tokens)) != "TextGrid":
            raise ValueError
        _span(tokens)
        if next(tokens) != "<exists>":
            raise ManifestError("it is a TextGrid without tiers")
        tiers = [_tier(tokens) for _ in range(int(next(tokens)))]
    except (ValueError, StopIteration):
        raise ManifestError("it is no TextGrid of Praat, or is cut off") from None
    named = {name.lower(): intervals for name, intervals in reversed(tiers) if intervals is not None}
    if not named:
        raise ManifestError("it has no tier of intervals, wanted one such as 'words'")
    name = next((name for name in WORD_TIERS if name in named), None)
    if name is None:
        name = next(tier.lower() for tier, intervals in tiers if intervals is not None)
    spoken = [interval for interval in named[name] if interval[0].strip().lower() not in SILENCES]
    if name in ("words", "word") or all(len(label.split()) == 1 for label, _, _ in spoken):
        return segments_of([Word(collapse_spaces(label), start, end, 1.0) for label, start, end in spoken])
    return [Segment(collapse_spaces(label), start, end) for label, start, end in spoken]


def _span(tokens: Iterator[str]) -> tuple[Seconds, Seconds]:
    return float(next(tokens)), float(next(tokens))


def _tier(tokens: Iterator[str]) -> tuple[str, list[tuple[str, Seconds, Seconds]] | None]:
    """Name and intervals of the next tier; None for one of points."""
    kind, name = _string(next(tokens)), _string(next(tokens))
    _span(tokens)
    number = int(next(tokens))
    if kind != "IntervalTier":
        for _ in range(number):
            _ = float(next(tokens)), _string(next(tokens))
        return name, None
    intervals = []
    for _ in range(number):
        start, end = _span(tokens)
        if not 0 <= start <= end < math.inf:
            raise ManifestError(f"an interval of tier {name!r} lasts from {start:g} to {end:g} s")
        intervals.append((_string(next(tokens)), start, end))
    return name, intervals


def _string(token: str) -> str:
    if not token.startswith('"'):
        raise ValueError(token)
    return token[1:-1].replace('""', '"')


def read_ctm(text: str) -> dict[str, list[Word]]:
    """The words of each recording of a CTM file: `RECORDING CHANNEL START DURATION WORD [CONFIDENCE]` a line.

    Raises:
        ManifestError: A line is not of this form.
    """
    recordings: defaultdict[str, list[Word]] = defaultdict(list)
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        if not line.strip() or line.startswith((";;", "#")):
            continue
        parts = line.split()
        try:
            name, _, start, duration, word = parts[:5]
            begin, length = float(start), float(duration)
            if not (begin >= 0 and length >= 0 and begin + length < math.inf):
                raise ValueError
        except ValueError:
            raise ManifestError(
                f"line {number}: {line.strip()!r}, wanted `RECORDING CHANNEL START DURATION WORD`"
            ) from None
        if word.lower() not in SILENCES and not word.startswith("<"):  # <ALT_BEGIN> and the like
            recordings[name].append(Word(word, begin, begin + length, _confidence(parts[5:])))
    return {name: sorted(words, key=lambda word: word.start) for name, words in recordings.items()}


def _confidence(parts: list[str]) -> float:
    try:
        return min(max(float(parts[0]), 0.0), 1.0)
    except (IndexError, ValueError):  # none, or NA
        return 1.0


def read_recogniser_json(text: str) -> list[Segment]:
    """The segments of a speech recogniser's JSON: whisper's and WhisperX's, faster-whisper's, and our own transcripts.

    Words that lack times, as WhisperX leaves those of digits, get the time between their neighbours.

    Raises:
        ManifestError: It is not JSON, or has no list of segments with start, end and text.
    """
    try:
        record = parse_json(text)
    except ValueError as error:
        raise ManifestError(f"not JSON ({error})") from None
    found = record.get("segments") if isinstance(record, dict) else record
    if not isinstance(found, list):
        raise ManifestError('it has no segments, wanted {"segments": [{"start": 0.0, "end": 1.0, "text": "hello"}]}')
    segments = []
    for number, item in enumerate(found, 1):
        try:
            start, end, said = float(item["start"]), float(item["end"]), collapse_spaces(item["text"])
            timed = _timed_words(item.get("words") or [], start, end)
            speaker = item.get("speaker")
            if not all(math.isfinite(time) for word in timed for time in (start, end, word.start, word.end)):
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise ManifestError(f"segment {number} has no start, end and text, or words without text") from None
        if not 0 <= start <= end < math.inf:
            raise ManifestError(f"segment {number} lasts from {start:g} to {end:g} s")
        words = _onto(said.split(), timed)
        segments.append(Segment(said, start, end, words, speaker if isinstance(speaker, str) else None))
    return segments


def _timed_words(items: list[dict[str, Any]], start: Seconds, end: Seconds) -> list[Word]:
    """Words as they stand, with the time between their neighbours where they have none."""
    words: list[Word] = []
    for idx, item in enumerate(items):
        text = item["word"] if "word" in item else item["text"]
        before = words[-1].end if words else start
        after = next((float(later["start"]) for later in items[idx + 1 :] if later.get("start") is not None), end)
        begin = float(item["start"]) if item.get("start") is not None else before
        stop = float(item["end"]) if item.get("end") is not None else max(begin, after)
        probability = item.get("probability", item.get("score"))
        words.append(Word(text.strip(), begin, max(begin, stop), 1.0 if probability is None else float(probability)))
    return words


def _onto(tokens: list[str], words: list[Word]) -> tuple[Word, ...]:
    """The times of the words for the words of the text, which may be made of several; none if they say something else.

    Whisper splits "twenty-one" into two words, and its words have the space before them.
    """
    found, idx = [], 0
    for token in tokens:
        first, joined = idx, ""
        while idx < len(words) and len(joined) < len(token):
            joined += words[idx].text
            idx += 1
        if joined != token:
            return ()
        parts = words[first:idx]
        found.append(Word(token, parts[0].start, parts[-1].end, min(part.probability for part in parts)))
    return tuple(found) if idx == len(words) else ()


def spread(tokens: Sequence[str], start: Seconds, end: Seconds, probability: float = 1.0) -> list[Word]:
    """Words one after the other from start to end, each as long as its share of the letters."""
    total = sum(map(len, tokens))
    words, done = [], 0
    for token in tokens:
        begin, done = done, done + len(token)
        first, last = (start + (end - start) * place / total for place in (begin, done))
        words.append(Word(token, first, last, probability))
    return words


def segments_of(words: Sequence[Word]) -> list[Segment]:
    """Words -> segments: split at pauses over `MAX_PAUSE`, and at the longest pause of what is over `MAX_LENGTH`."""
    segments: list[Segment] = []
    rest = [list(words)] if words else []
    while rest:
        part = rest.pop()
        pauses = [after.start - before.end for before, after in pairwise(part)]
        longest = max(range(len(pauses)), key=lambda idx: (pauses[idx], -abs(2 * idx + 2 - len(part))), default=None)
        too_long = part[-1].end - part[0].start > MAX_LENGTH
        if longest is not None and (too_long or pauses[longest] > MAX_PAUSE):
            rest += [part[longest + 1 :], part[: longest + 1]]
            continue
        text = " ".join(word.text for word in part)
        segments.append(Segment(text, part[0].start, part[-1].end, tuple(part)))
    return segments


READERS: dict[str, Callable[[str], Any]] = {  # by ending; what has more times comes first
    ".json": read_recogniser_json,
    ".textgrid": read_textgrid,
    ".ctm": read_ctm,
    ".vtt": read_subtitles,
    ".srt": read_subtitles,
}
