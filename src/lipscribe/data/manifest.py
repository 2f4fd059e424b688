"""Manifests: clips as plain records in JSON Lines, validated on loading."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from lipscribe.errors import ManifestError
from lipscribe.plain_data import check_format, parse_json
from lipscribe.schema import from_dict, to_dict, within
from lipscribe.storage import AnyPath, is_url, location, write_text
from lipscribe.text import count_of
from lipscribe.transcript import Word
from lipscribe.units import Seconds

FORMAT_VERSION = 1  # of a record
SPLITS = ("train", "dev", "test")
OTHER_SPLIT_NAMES = {
    "training": "train",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "development": "dev",
    "testing": "test",
}


@dataclass(frozen=True)
class WordTime:
    """One word of a clip's text and when it is said."""

    text: str
    start: Seconds = within(0.0, 0)
    end: Seconds = within(0.0, 0)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        faults = [] if self.text.strip() else ["the word is empty"]
        faults += [f"{self.text!r} lasts until {self.end} s"] if self.end == math.inf else []
        if self.end < self.start:
            faults.append(f"{self.text!r} ends at {self.end} s, before its start at {self.start} s")
        return faults


@dataclass(frozen=True)
class Clip:
    """One utterance.

    Attributes:
        id: Unique in its manifest, such as "s1/bbaf2n"; used in messages and file names.
        path: The video; in a manifest file a relative path is relative to the file's folder.
        text: What is said, words separated by single spaces. Empty only where the clip is silent.
        words: When each word is said, if known; then one entry for each word of the text. Times count from `start`.
        split: "train", "dev" or "test".
        silent: Nothing is said, and a model is to learn so.
        start, end: The part of the video that the clip is, in seconds from the file's start; None is the file's end.
    """

    id: str
    path: str
    text: str
    words: tuple[WordTime, ...] = ()
    speaker: str = ""
    split: str = "train"
    start: Seconds = within(0.0, 0)
    end: Seconds | None = within(None, 0)
    silent: bool = False

    @property
    def is_part(self) -> bool:
        """Whether it is a part of its video."""
        return self.start > 0 or self.end is not None

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        faults = [] if self.id.strip() else ["the id is empty"]
        if self.id.strip() and not _is_file_name(self.id):
            faults.append(
                f"the id is {self.id!r}, wanted a relative name that stays in its folder, such as "
                f"{_as_file_name(self.id)!r}: it names files"
            )
        if not self.silent and not self.text.strip():
            faults.append("the text is empty, wanted what is said (or `silent: true`)")
        if self.silent and self.text:
            faults.append(f"the clip is silent, its text is {self.text!r}: leave out one of both")
        faults += split_faults(self.split)
        if self.words and [word.text for word in self.words] != self.text.split():
            faults.append(f"the word times are of {' '.join(w.text for w in self.words)!r}, the text is {self.text!r}")
        if any(after.start < before.start for before, after in pairwise(self.words)):
            faults.append("the word times run backwards")
        if self.start == math.inf or self.end == math.inf:
            faults.append("it starts or ends at infinity, wanted seconds, or no end")
        if self.end is not None and self.end <= self.start:
            faults.append(f"it ends at {self.end:g} s, not after its start at {self.start:g} s")
        return faults


def word_times(words: Iterable[Word]) -> tuple[WordTime, ...]:
    """The times of words that a model read or aligned."""
    return tuple(WordTime(word.text, word.start, word.end) for word in words)


def split_faults(split: str) -> list[str]:
    """Faults of a split's name: synonyms of train, dev and test are refused."""
    if not re.fullmatch(r"[\w-]+", split):  # it becomes part of file names
        return [f"the split is {split!r}, wanted a name such as train, dev or test"]
    meant = OTHER_SPLIT_NAMES.get(split.lower(), split.lower())
    if meant in SPLITS and split != meant:
        return [f"the split is {split!r}, wanted {meant!r}"]
    return []


def _is_file_name(text: str) -> bool:
    """Whether a file of this name stays in its folder, on any system and in any archive."""
    parts = text.split("/")
    return text.isprintable() and not re.search(r"\\|^[A-Za-z]:", text) and not {"", ".", ".."} & set(parts)


def _as_file_name(text: str) -> str:
    """The nearest name that `_is_file_name` accepts."""
    parts = [re.sub(r"[^\w.-]+", "-", part).strip("-") for part in re.split(r"[/\\:]", text)]
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "clip-1"


def load_manifest(path: AnyPath | str, parts: bool = False) -> list[Clip]:
    """Loads a manifest; relative paths are joined to its folder.

    Args:
        parts: Whether the caller reads clips that are parts of their videos as such.

    Raises:
        ManifestError: It is missing or empty, or lines are invalid: the message has the first five and their number. Or
            it has clips that are parts of videos, and the caller reads whole ones.
    """
    path = location(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would also split within JSON strings
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error}): give a JSONL manifest such as prepare writes") from None
    clips, faults, seen = [], [], set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
            check_format(record, FORMAT_VERSION, f"line {number}", ManifestError)
            if isinstance(record, dict):
                record.pop("format_version", None)
            clip = from_dict(Clip, record, f"line {number}", ManifestError)
        except ValueError as error:
            faults.append(f"line {number}: not JSON ({getattr(error, 'msg', error)})")
            continue
        except ManifestError as error:
            faults.append(str(error))
            continue
        if clip.id in seen:
            faults.append(f"line {number}: id {clip.id!r} is not unique")
        seen.add(clip.id)
        clips.append(clip if is_url(clip.path) else replace(clip, path=str(path.parent / clip.path)))
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        count = "1 bad line" if len(faults) == 1 else f"{len(faults)} bad lines"
        raise ManifestError(f"{path}: {count}: {'; '.join(faults[:5])}{more}")
    if not clips:
        raise ManifestError(f"{path} holds no clip")
    if cut := [clip.id for clip in clips if clip.is_part and not parts]:
        raise ManifestError(
            f"{path}: {count_of(len(cut), 'clip')} with a start or an end, such as {cut[0]}, are parts of longer "
            "videos, and here whole videos are read: `lipscribe prepare` reads parts; else cut the videos first"
        )
    return clips


def clip_record(clip: Clip) -> dict[str, Any]:
    """A clip as plain data for JSON, as `from_dict` reads it; what earlier versions lack is left out if unset."""
    unset = (() if clip.is_part else ("start", "end")) + (() if clip.silent else ("silent",))
    return {name: value for name, value in to_dict(clip).items() if name not in unset}


def save_manifest(path: AnyPath | str, clips: Iterable[Clip]) -> None:
    """Writes a manifest atomically."""
    write_text(path, "".join(json.dumps(clip_record(clip)) + "\n" for clip in clips))
