"""Subtitles -> what is said, roughly when: cues are read, cleaned by stated rules, and what is left out is listed."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from lipscribe.errors import ConfigError, ManifestError
from lipscribe.text import normalise, read_text
from lipscribe.units import Seconds

SUFFIXES = (".srt", ".vtt")

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")

_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")
_MUSIC = re.compile("[\N{EIGHTH NOTE}\N{BEAMED EIGHTH NOTES}\N{QUARTER NOTE}#]")
_DASH = re.compile(r"^\s*[-\N{EN DASH}\N{EM DASH}]+\s*")
_TURN = re.compile(r"^\s*>>+\s*")
_NAME = re.compile(r"^\s*[A-Z][A-Z .'-]{1,30}:\s+")  # "SPEAKER: "; only capitals, so that "Note: ..." stays
_SPELT_AS_SAID = re.compile(r"[\w'’.,;:!?\"“”‘…\-\s–—¿¡&%$€£]*")


@dataclass(frozen=True)
class Cue:
    """One subtitle: its text as in the file, lines separated by line ends."""

    start: Seconds
    end: Seconds
    text: str


@dataclass(frozen=True)
class Utterance:
    """What one person says, roughly from `start` to `end`.

    Attributes:
        text: Words in lower case without punctuation, separated by single spaces.
    """

    start: Seconds
    end: Seconds
    text: str


@dataclass(frozen=True)
class Dropped:
    """What became no clip, and why.

    Attributes:
        text: As in the subtitles.
        reason: One of a few, so that they can be counted.
    """

    start: Seconds
    end: Seconds
    text: str
    reason: str


def find_subtitles(film: Path) -> Path | None:
    """The subtitles beside a film: `film.srt`, `film.vtt`, or with a language as in `film.en.srt`."""
    exact = [film.with_suffix(suffix) for suffix in SUFFIXES]
    near = sorted(
        path
        for suffix in SUFFIXES
        for path in film.parent.glob(f"*{suffix}")
        if path.stem.rpartition(".")[0] == film.stem
    )
    return next((path for path in (*exact, *near) if path.is_file()), None)


def read_subtitles(path: Path) -> list[Cue]:
    """The cues of an SRT or WebVTT file in order of time.

    Raises:
        ManifestError: It cannot be read, or holds no cue.
    """
    try:
        lines = _decoded(path).splitlines()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}): give another file with --subtitles") from None
    cues: list[Cue] = []
    text: list[str] | None = None  # of the cue being read
    for line in [*lines, ""]:
        times = _TIMES.match(line)
        if times:
            numbers = times.groups()
            text = []
            start, end = _seconds(numbers[:4]), _seconds(numbers[4:])
        elif not line.strip() and text is not None:
            cues.append(Cue(start, end, "\n".join(text)))
            text = None
        elif text is not None:
            text.append(line.strip())
    cues = [cue for cue in cues if cue.end > cue.start]
    if not cues:
        raise ManifestError(f"{path} holds no cue: want SRT or WebVTT, with times such as 00:01:02,500 --> 00:01:04,000")
    return sorted(cues, key=lambda cue: cue.start)


def _decoded(path: Path) -> str:
    try:
        return read_text(path)
    except UnicodeDecodeError:
        data = path.read_bytes()
        return data.decode("utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode("cp1252", "replace")


def _seconds(parts: tuple[str | None, ...]) -> Seconds:
    hours, minutes, seconds, fraction = parts
    assert minutes and seconds and fraction  # by the pattern
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10 ** len(fraction)


def clean_cues(cues: list[Cue]) -> tuple[list[Utterance], list[Dropped]]:
    """What one person says in each cue, and the cues that say nothing or are said by several.

    Left out of a text: tags; notes in brackets, parentheses and asterisks; a dash, ">>" or a name in capitals before
    it. A cue is dropped if it holds music, nothing else than notes, several people, or digits and symbols, of which
    nobody knows how they are said.
    """
    utterances: list[Utterance] = []
    dropped: list[Dropped] = []
    for cue in cues:
        text, reason = clean_text(cue.text)
        if reason:
            dropped.append(Dropped(cue.start, cue.end, " ".join(cue.text.split()), reason))
        else:
            utterances.append(Utterance(cue.start, cue.end, text))
    return utterances, dropped


def clean_text(text: str) -> tuple[str, str]:
    """The words of a cue and an empty reason, or nothing and the reason to drop it."""
    text = html.unescape(_TAG.sub("", text))
    if _MUSIC.search(text):
        return "", "music"
    lines = [line for line in (_NOTE.sub(" ", line).strip() for line in text.split("\n")) if line]
    turns = sum(bool(_DASH.match(line) or _TURN.match(line) or _NAME.match(line)) for line in lines)
    if turns > 1 or (turns == 1 and not _begins_turn(lines[0])):
        return "", "several people"
    said = " ".join(_NAME.sub("", _TURN.sub("", _DASH.sub("", line))) for line in lines)
    if any(sign in said for sign in "[]()<>{}"):
        return "", "a note that does not end"
    words = normalise(said)
    if not words:
        return "", "nothing is said"
    if any(char.isdigit() for char in words) or not _SPELT_AS_SAID.fullmatch(said):
        return "", "digits or symbols"
    if any(sign in said for sign in "&%$€£"):
        return "", "digits or symbols"
    return words, ""


def _begins_turn(line: str) -> bool:
    return bool(_DASH.match(line) or _TURN.match(line) or _NAME.match(line))


def load_utterances(path: Path) -> tuple[list[Utterance], list[Dropped]]:
    """`read_subtitles`, then `clean_cues`."""
    return clean_cues(read_subtitles(path))


def chosen_subtitles(film: Path, subtitles: str) -> Path | None:
    """The subtitle file of a film.

    Args:
        subtitles: "auto" (beside the film), "none", or a file.

    Raises:
        ConfigError: The file is none.
    """
    if subtitles == "none":
        return None
    if subtitles == "auto":
        return find_subtitles(film)
    if not Path(subtitles).is_file():
        raise ConfigError(f"{subtitles} is no file: give auto, none, or subtitles as .srt or .vtt with --subtitles")
    return Path(subtitles)
