"""A journal of results per video: an interrupted run loses only the current video."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.errors import ManifestError
from lipscribe.resumable import differences, locked
from lipscribe.transcript import Word


@contextlib.contextmanager
def reading_journal(path: Path, how: dict[str, str]) -> Iterator["ReadingJournal"]:
    """Opens a journal, locked against other processes within the block; creates its folder if missing.

    Raises:
        ManifestError: See `ReadingJournal`.
        LipscribeError: Another process is writing to it.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))
        except OSError as error:
            raise _unwritable(path, error) from None
        yield ReadingJournal(path, how)


def _unwritable(path: Path, error: OSError) -> ManifestError:
    return ManifestError(f"{path} cannot be written ({error.strerror}): set another --output")


class ReadingJournal:
    """A file with a header of options and one line per video; resumes that of an earlier run.

    Args:
        path: The journal's file, created with its first line.
        how: The options that results depend on; they must equal those of the earlier run.

    Attributes:
        words: Results so far, by the video's path.

    Raises:
        ManifestError: The file is not a journal, has other options, or cannot be written.
    """

    def __init__(self, path: Path, how: dict[str, str]):
        self.path = path
        self.words: dict[str, tuple[Word, ...]] = {}
        head = json.dumps(how)
        try:
            first, *lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [head]
            if other := differences(dict(json.loads(first)), how):
                raise ManifestError(
                    f"{path} is of a run with other options ({'; '.join(other)}): delete it, or set another --output"
                )
            for line in lines[:-1]:  # an incomplete last line was interrupted, and is repeated
                video, words = json.loads(line)
                self.words[video] = tuple(Word(*word) for word in words)
            write_text(path, "\n".join([head, *map(_line, self.words, self.words.values()), ""]))
        except OSError as error:
            raise _unwritable(path, error) from None
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{path} is damaged ({error}): delete it, or set another --output") from None

    def add(self, video: str, words: Sequence[Word]) -> tuple[Word, ...]:
        """Adds the result of a video, and returns it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(video, words) + "\n")
        self.words[video] = tuple(words)
        return self.words[video]


def _line(video: str, words: Sequence[Word]) -> str:
    return json.dumps([video, [[word.text, word.start, word.end, word.probability] for word in words]])
