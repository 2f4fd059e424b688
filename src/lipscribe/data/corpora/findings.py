"""What a corpus folder holds: its clips, and what is left out and why. All corpora collect their clips here."""

import contextlib
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from lipscribe.data.manifest import Clip, WordTime
from lipscribe.errors import ManifestError
from lipscribe.text import count_of, normalise, read_any_text
from lipscribe.units import Seconds
from lipscribe.video_files import files_below, is_hidden, is_video

Corpus = tuple[list[Clip], dict[str, str]]  # what every `prepare_x` returns: the clips, and why a path is left out


class Findings:
    """The files of a corpus folder, the clips made of them, and the reason for each file that is left out.

    Hidden files are no part of a corpus: those that look like videos (macOS writes `._x.mp4` beside `x.mp4`) are left
    out with that reason.

    Args:
        root: The corpus's folder.
        corpus: What messages call the corpus.

    Attributes:
        root: The folder.
        files: All its visible files, sorted by path.
        left_out: The reasons, by path.

    Raises:
        ManifestError: The root is no folder.
    """

    def __init__(self, root: Path | str, corpus: str):
        self.root, self.corpus = Path(root), corpus
        if not self.root.is_dir():
            raise ManifestError(f"{root} is not a folder: give the root of {corpus}")
        self.left_out: dict[str, str] = {}
        self._clips: dict[str, Clip] = {}
        self._counted: Counter[tuple[Path, str]] = Counter()
        self.files: list[Path] = []
        for path in sorted(files_below(self.root, self._unreadable)):
            if is_hidden(path, self.root):
                if is_video(path):
                    self.leave_out(path, "a hidden file")
            elif is_video(path) and not path.is_file():
                self.leave_out(path, "no file, but a link to one that is gone")
            else:
                self.files.append(path)
        self._by_name: defaultdict[tuple[Path, str], list[Path]] = defaultdict(list)
        for path in self.files:
            self._by_name[path.parent, path.stem.lower()].append(path)

    def videos(self, *layouts: str, others: Mapping[str, str] | None = None, text: str = "") -> list[Path]:
        """The videos whose path from the root fits one of the patterns, whatever stands before it; others are left out.

        Args:
            layouts: Such as "main/*/*", without the name's ending; none are all videos.
            others: Why videos in folders of these names are left out, if they fit no pattern.
            text: The ending of the texts beside the videos; those without a video are left out too.

        Raises:
            ManifestError: There is none.
        """
        found: list[Path] = []
        for path in self.files:
            fits = not layouts or any(_fits(path.relative_to(self.root), layout) for layout in layouts)
            if is_video(path) and fits:
                found.append(path)
            elif is_video(path):
                reason = (others or {}).get(path.parent.name, f"elsewhere than in {' or '.join(layouts)}")
                self.leave_out_of(path.parent, reason)
            elif text and fits and path.suffix.lower() == text and not self._has_video(path):
                self.leave_out_of(path.parent, "whose video is missing")
        if not found:
            where = f" in {' or '.join(layouts)}" if layouts else ""
            raise ManifestError(f"{self.root} holds no video{where}: give the root of {self.corpus}")
        return found

    def _has_video(self, path: Path) -> bool:
        return any(map(is_video, self._by_name[path.parent, path.stem.lower()]))

    def beside(self, video: Path, *suffixes: str, folder: Path | None = None) -> Path:
        """The file of a video's name with another ending, beside it or in a folder; capital letters do not count.

        Raises:
            ManifestError: It is missing.
        """
        folder = video.parent if folder is None else folder
        for path in self._by_name.get((folder, video.stem.lower()), []):
            if path.suffix.lower() in suffixes:
                return path
        where = "" if folder == video.parent else f" in {folder}"
        raise ManifestError(f"{video.stem}{' or '.join(suffixes)} is missing{where or ' beside it'}")

    def find_list(self, *names: str) -> Path | None:
        """An official list of one of these names: in the root, beside it, or below; None if there is none."""
        for folder in (self.root, self.root.parent):
            for name in names:
                if (folder / name).is_file():
                    return folder / name
        return next((path for name in names for path in self.files if path.name == name), None)

    def add(self, clip: Clip) -> None:
        """Adds a clip.

        Raises:
            ManifestError: It has a fault, or another clip has its id.
        """
        if clip.id in self._clips:
            raise ManifestError(f"a second video of {clip.id}, the first is {self._clips[clip.id].path}")
        if faults := clip.faults():
            raise ManifestError("; ".join(faults))
        for word in clip.words:
            if not 0 <= word.start <= word.end < float("inf"):
                raise ManifestError(f"{word.text!r} lasts from {word.start:g} to {word.end:g} s")
        self._clips[clip.id] = clip

    @contextlib.contextmanager
    def one(self, path: Path | str) -> Iterator[None]:
        """Leaves a file out if the block fails, with the error as the reason."""
        try:
            yield
        except ManifestError as error:
            self.leave_out(path, str(error))

    def leave_out(self, path: Path | str, reason: str) -> None:
        """Notes that a file, or something in it, is not used."""
        key = str(path)
        self.left_out[key] = f"{self.left_out[key]}; {reason}" if key in self.left_out else reason

    def _unreadable(self, error: OSError) -> None:
        self.leave_out(error.filename, f"the folder cannot be read ({error.strerror})")

    def leave_out_of(self, folder: Path, reason: str) -> None:
        """Notes that a clip of a folder is not used; the reason is listed once with the number of its clips."""
        self._counted[folder, reason] += 1

    def result(self) -> Corpus:
        """The clips, sorted by id, and the reasons for what is left out."""
        for (folder, reason), number in self._counted.items():
            self.leave_out(folder, f"{count_of(number, 'clip')} {reason}")
        self._counted.clear()
        return sorted(self._clips.values(), key=lambda clip: clip.id), self.left_out


def _fits(path: Path, layout: str) -> bool:
    """Whether the last parts of a path fit a pattern such as "main/*/*", without the name's ending."""
    wanted = layout.split("/")
    parts = [*path.parts[:-1], path.stem]
    return len(parts) >= len(wanted) and all(
        want in ("*", part.lower()) for want, part in zip(wanted, parts[-len(wanted) :], strict=True)
    )


def text_of(path: Path, fallback: str = "cp1252") -> str:
    """The content of a text file in any encoding.

    Raises:
        ManifestError: It cannot be read, or is empty.
    """
    try:
        text = read_any_text(path, fallback)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error})") from None
    if not text.strip():
        raise ManifestError(f"{path} is empty, wanted the text of its video")
    return text


def plain_words(words: list[tuple[str, Seconds, Seconds]]) -> tuple[WordTime, ...]:
    """Words (text, start, end) as texts have them, in small letters without punctuation: "Twenty-one" becomes two.

    Raises:
        ManifestError: One ends before it starts, or they run backwards.
    """
    found: list[WordTime] = []
    for text, start, end in words:
        if not 0 <= start <= end < float("inf") or (found and start < found[-1].start):
            raise ManifestError(f"{text!r} lasts from {start:g} to {end:g} s, wanted words one after the other from 0")
        parts = normalise(text).split()
        step = (end - start) / max(len(parts), 1)
        for idx, part in enumerate(parts):
            found.append(WordTime(part, start + idx * step, start + (idx + 1) * step if idx + 1 < len(parts) else end))
    return tuple(found)


def is_held_out(name: str, one_in: int = 10) -> bool:
    """Whether a clip or a person is of the dev split of a corpus that has none: one in so many, always the same."""
    return zlib.crc32(os.fsencode(name)) % one_in == 0


def listed_names(path: Path) -> list[str]:
    """The first word of each line of an official list, which may have a marker or a text behind it.

    Raises:
        ManifestError: It cannot be read, or is empty.
    """
    return [line.split()[0] for line in text_of(path).splitlines() if line.strip()]
