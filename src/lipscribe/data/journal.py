"""Journals: files with a line for each result, from which an interrupted run resumes."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lipscribe.atomic import write_text
from lipscribe.errors import ManifestError
from lipscribe.plain_data import check_format, parse_json
from lipscribe.resumable import differences, locked
from lipscribe.transcript import Word

FORMAT_VERSION = 1  # of journals

Journal = TypeVar("Journal")


@contextlib.contextmanager
def open_journal(kind: Callable[[Path, dict[str, Any]], Journal], path: Path, how: dict[str, Any]) -> Iterator[Journal]:
    """Opens a journal, locked against other processes within the block; creates its folder if missing.

    Args:
        kind: Makes it of its file, created with a header if it is missing, and of the options that results depend on,
            which must equal those of the earlier run (`check_header`).

    Raises:
        ManifestError: The file is not a journal, has other options, or cannot be written.
        LipscribeError: Another process is writing to it.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))
            journal = kind(path, how)
        except OSError as error:
            raise ManifestError(f"{path} cannot be written ({error.strerror}): set another --output") from None
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{path} is damaged ({error}): delete it, or set another --output") from None
        yield journal


def check_header(path: Path, line: str | bytes, how: Mapping[str, Any]) -> None:
    """Compares a journal's first line with the options of this run.

    Raises:
        ManifestError: They differ, or a newer version wrote it.
        ValueError, TypeError: It is no header.
    """
    header = dict(parse_json(line))
    check_format(header, FORMAT_VERSION, str(path), ManifestError)
    if other := differences(header, how):
        raise ManifestError(
            f"{path} is of a run with other options ({'; '.join(other)}): delete it, or set another --output"
        )


class ReadingJournal:
    """A file with a header of options and one line per video: an interrupted run loses only the current video.

    Args:
        path, how: See `open_journal`.

    Attributes:
        words: Results so far, by the video's path.
    """

    def __init__(self, path: Path, how: dict[str, Any]):
        self.path = path
        self.words: dict[str, tuple[Word, ...]] = {}
        head = json.dumps(how)
        first, *lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [head]
        check_header(path, first, how)
        for line in lines[:-1]:  # an incomplete last line was interrupted, and is repeated
            video, words = parse_json(line)
            self.words[video] = tuple(_word(*word) for word in words)
        write_text(path, "\n".join([head, *map(_line, self.words, self.words.values()), ""]))

    def add(self, video: str, words: Sequence[Word]) -> tuple[Word, ...]:
        """Adds the result of a video, and returns it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(video, words) + "\n")
        self.words[video] = tuple(words)
        return self.words[video]


def _word(text: str, *numbers: float) -> Word:
    if not isinstance(text, str) or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError(f"a word is {text!r:.40}")
    start, end, probability = numbers
    return Word(text, start, end, probability)


def _line(video: str, words: Sequence[Word]) -> str:
    return json.dumps([video, [[word.text, word.start, word.end, word.probability] for word in words]])
