"""The input videos of a command: files, folders, URLs, or standard input."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lipscribe.errors import LipscribeError
from lipscribe.storage import AnyPath, is_stored, is_url, location
from lipscribe.video_files import list_videos

VIDEOS_HELP = "Video files, folders of them, URLs (https://...), or - for standard input."


@dataclass(frozen=True)
class Source:
    """One video.

    Attributes:
        path: The file to open.
        name: Its name in messages, as given by the user.
        stem: The stem of its results' names; of a video in a folder below the one given, with the folders between.
    """

    path: str
    name: str
    stem: str


def find_videos(arguments: Iterable[str], until: ExitStack, below: bool = False) -> list[Source]:
    """Expands arguments to videos, in order. Of a folder, files with a video suffix; others are listed as skipped.

    Args:
        until: Standard input is kept in a temporary file until this closes.
        below: The folders in a folder are looked into, too; subtitles are read beside the videos.

    Raises:
        LipscribeError: A folder holds no video, or standard input cannot be one.
    """
    sources: list[Source] = []
    for given in arguments:
        if given == "-":
            if any(source.name == "-" for source in sources):
                raise LipscribeError("- is given twice, and standard input can be read once: give it once")
            sources.append(_from_stdin(until))
        elif is_stored(given) and (folder := location(given)).is_dir():
            sources += _in_folder(folder)
        elif is_url(given):
            sources.append(Source(given, given, _stem(given)))
        elif os.path.isdir(given):  # noqa: PTH112, an invalid name is not a folder
            sources += _in_folder(Path(given), below)
        else:
            sources.append(Source(given, given, Path(given).stem))
    return sources


def _stem(address: str) -> str:
    try:
        return Path(urlsplit(address).path).stem or "video"
    except ValueError:  # it is no address, which is told when it is read, of this one alone
        return "video"


def _in_folder(folder: AnyPath, below: bool = False) -> list[Source]:
    videos, skipped = list_videos(folder, below)
    if below:
        from lipscribe.footage.subtitles import SUFFIXES

        skipped = [path for path in skipped if path.suffix.lower() not in SUFFIXES]
    if skipped:
        names = ", ".join(_name(path, folder) for path in skipped)
        print(f"note: {folder}: skipped {len(skipped)} that are not video files: {names}", file=sys.stderr)
    return [Source(str(path), str(path), _name(path, folder).removesuffix(path.suffix)) for path in videos]


def _name(path: AnyPath, folder: AnyPath) -> str:
    """The name of a file from a folder on."""
    if isinstance(path, Path) and isinstance(folder, Path):
        return path.relative_to(folder).as_posix()
    return path.name


def _from_stdin(until: ExitStack) -> Source:
    if sys.stdin is None or sys.stdin.isatty():
        raise LipscribeError("- is standard input, which is a terminal: pipe a video in, as in `... - < clip.mp4`")
    folder = until.enter_context(tempfile.TemporaryDirectory(prefix="lipscribe-"))
    path = Path(folder) / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return Source(str(path), "-", "stdin")
