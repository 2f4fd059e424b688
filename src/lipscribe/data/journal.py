"""What a model read in which video, kept as it comes: an interrupted run loses no more than the video it was at."""

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
    """A journal that no other process writes to within the block; its folder is made where it is missing.

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
    """A file with a line a video, behind one that says how they were read; it resumes an earlier run's.

    Args:
        path: The journal's file, made with its first line.
        how: What the readings depend on; it has to be that of the earlier run.

    Attributes:
        words: What was read so far, by the video's path.

    Raises:
        ManifestError: The file is no journal, or of readings of another kind, or cannot be written.
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
            for line in lines[:-1]:  # what follows the last line's end was cut off, and is read again
                video, words = json.loads(line)
                self.words[video] = tuple(Word(*word) for word in words)
            write_text(path, "\n".join([head, *map(_line, self.words, self.words.values()), ""]))
        except OSError as error:
            raise _unwritable(path, error) from None
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{path} is damaged ({error}): delete it, or set another --output") from None

    def add(self, video: str, words: Sequence[Word]) -> tuple[Word, ...]:
        """Adds what was read in a video, and gives it back."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(video, words) + "\n")
        self.words[video] = tuple(words)
        return self.words[video]


def _line(video: str, words: Sequence[Word]) -> str:
    return json.dumps([video, [[word.text, word.start, word.end, word.probability] for word in words]])
