"""What is said in recordings, from a list of texts."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lipscribe.errors import ManifestError
from lipscribe.text import count_of, read_text

SHOWN = 3  # names in a message


def read_prompts(path: Path, videos: Sequence[Path], folder: Path | None = None) -> list[str]:
    """The text of each video, as written.

    Each line is a video's name and its text, with a tab between them or else the first space; or all lines are texts,
    in the order of the videos. A name is a file's, with or without its ending, or its path in the folder. Lines have
    names if one has a tab, or if at least half of them begin with a video's name and go on: a text may begin with one
    by chance. Empty lines and those that begin with # do not count.

    Args:
        folder: That of the videos.

    Raises:
        ManifestError: The list cannot be read, names what is no single video, or lacks texts.
    """
    lines = [(number, line) for number, line in enumerate(read_file(path).splitlines(), 1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    named: defaultdict[str, set[Path]] = defaultdict(set)
    for video in videos:
        within = [video.relative_to(folder).as_posix()] if folder else []
        for name in (video.name, video.stem, *within):
            named[name].add(video)
    parts = [(number, *_parts(line)) for number, line in lines]
    begin_with_names = sum(name in named and text != "" for _, name, text in parts)
    if begin_with_names * 2 < len(lines) and not any("\t" in line for _, line in lines):
        return _in_order(path, videos, [line.strip() for _, line in lines])
    texts: dict[Path, str] = {}
    for number, name, text in parts:
        if len(named[name]) != 1:
            whose = "the name of several recordings" if named[name] else "no recording"
            raise ManifestError(
                f"{path}, line {number}: {name!r} is {whose}: name each file as it is, with a tab or space before its "
                "text, or give plain texts in the order of the files"
            )
        texts[next(iter(named[name]))] = text
    if missing := [video.name for video in videos if video not in texts]:
        raise ManifestError(
            f"{path} has no text for {shown(missing)}: add a line for each, the name, a tab, and what is said"
        )
    return [texts[video] for video in videos]


def read_file(path: Path) -> str:
    """The content of a text file.

    Raises:
        ManifestError: It cannot be read.
    """
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise ManifestError(f"{path} cannot be read ({reason}): give a text file in UTF-8") from None


def shown(names: Sequence[str]) -> str:
    """The first few names, for a message."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _parts(line: str) -> tuple[str, str]:
    """The name and the text of a line."""
    name, _, text = line.strip().partition("\t" if "\t" in line else " ")
    return name.strip(), text.strip()


def _in_order(path: Path, videos: Sequence[Path], texts: list[str]) -> list[str]:
    if len(texts) != len(videos):
        raise ManifestError(
            f"{path} has {count_of(len(texts), 'text')} for {count_of(len(videos), 'recording')}: give one for each in "
            f"the order of the files, or lines with the file's name first (`{videos[0].name} TEXT`)"
        )
    return texts
