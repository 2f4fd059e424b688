"""Subtitles -> what is said, roughly when: cues are cleaned by stated rules, and what is left out is listed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lipscribe.data.captions import read_captions
from lipscribe.errors import ConfigError
from lipscribe.text import normalise, unsayable
from lipscribe.transcript import Segment
from lipscribe.units import Seconds

SUFFIXES = (".srt", ".vtt")  # looked for beside a film; a file given by name may be of any format of `data.captions`

PAST_THE_END = "past the end of the film"
_NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")
_MUSIC = re.compile("[\N{EIGHTH NOTE}\N{BEAMED EIGHTH NOTES}\N{QUARTER NOTE}#]")
# What begins the words of another person: a dash, ">>" or a name in capitals with a colon, at the start of the text or
# after the end of a sentence. ("Note: ..." and "well - perhaps" are one person's.)
_NAME = r"[A-Z][A-Z .'-]{1,30}:(?=\s)"
_TURN = re.compile(rf"(?:^|(?<=[.!?\u2026\]\)\"'\u201d\u00bb])\s+)(?:[-\u2013\u2014]+|{_NAME})\s*|>>+\s*")


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


def clean_cues(cues: Sequence[Segment]) -> tuple[list[Utterance], list[Dropped]]:
    """What one person says in each cue, and the cues that say nothing or are said by several.

    Left out of a text: notes in brackets, parentheses and asterisks; a dash, ">>" or a name in capitals before it. A
    cue is dropped if it holds music, nothing else than notes, several people, or digits and symbols, of which nobody
    knows how they are said.
    """
    utterances: list[Utterance] = []
    dropped: list[Dropped] = []
    for cue in cues:
        text, reason = clean_text(cue.text)
        if not reason and cue.end <= cue.start:
            reason = "no time"
        if reason:
            dropped.append(Dropped(cue.start, cue.end, cue.text, reason))
        else:
            utterances.append(Utterance(cue.start, cue.end, text))
    return utterances, dropped


def clean_text(text: str) -> tuple[str, str]:
    """The words of a cue and an empty reason, or nothing and the reason to drop it."""
    if _MUSIC.search(text):
        return "", "music"
    said = _NOTE.sub(" ", text).strip()
    turns = list(_TURN.finditer(said))
    if len(turns) > 1 or any(turn.start() > 0 for turn in turns):
        return "", "several people"
    said = said[turns[0].end() :] if turns else said
    if any(sign in said for sign in "[]()<>{}"):
        return "", "a note that does not end"
    if unsayable(said):
        return "", "digits or symbols"
    words = normalise(said)
    return (words, "") if words else ("", "nothing is said")


def load_utterances(path: Path, duration: Seconds) -> tuple[list[Utterance], list[Dropped]]:
    """`clean_cues` of a file; what begins after the film's end is dropped too.

    Args:
        duration: Of the film.

    Raises:
        ManifestError: It cannot be read; see `read_captions`.
    """
    utterances, dropped = clean_cues(read_captions(path))
    late = [Dropped(one.start, one.end, one.text, PAST_THE_END) for one in utterances if one.start >= duration]
    return [one for one in utterances if one.start < duration], dropped + late


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
