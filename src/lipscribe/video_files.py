"""Names of video files, by which they are found in a folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lipscribe.errors import ManifestError
from lipscribe.storage import AnyPath

SUFFIXES = frozenset(
    "3gp asf avi dv flv gif m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm webp wmv y4m".split()  # noqa: SIM905
)


def list_videos(folder: AnyPath, below: bool = False) -> tuple[list[AnyPath], list[AnyPath]]:
    """The videos of a folder, sorted by name, and what else lies in it; hidden files are neither.

    Args:
        below: Those of the folders in it too, but of hidden ones; for folders on disk.

    Raises:
        ManifestError: It cannot be read, or holds no video.
    """
    try:
        inside = files_below(folder, _refuse) if below and isinstance(folder, Path) else folder.iterdir()
        found = sorted(path for path in inside if not is_hidden(path, folder))
    except OSError as error:
        where = error.filename or folder
        raise ManifestError(f"folder {where} cannot be read ({error.strerror}): give the videos by name") from None
    videos: list[AnyPath] = []
    others: list[AnyPath] = []
    for path in found:
        (videos if is_video(path) and _is_file(path) else others).append(path)
    if not videos:
        raise ManifestError(f"folder {folder} holds no video file: give one that does, or videos by name")
    return videos, others


def is_video(path: AnyPath) -> bool:
    """Whether a file is called like a video, in small or capital letters."""
    return path.suffix.lower()[1:] in SUFFIXES


def files_below(root: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """All files below a folder, also hidden ones; links to folders are followed, each folder once.

    Args:
        unreadable: Called with the error of a folder that cannot be read.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, onerror=unreadable, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(folder) / name for name in names)


def is_hidden(path: AnyPath, folder: AnyPath) -> bool:
    """Whether a file is hidden, or in a hidden folder below the one given, which may itself lie in one."""
    parts = path.relative_to(folder).parts if isinstance(path, Path) and isinstance(folder, Path) else (path.name,)
    return any(part.startswith(".") for part in parts)


def _refuse(error: OSError) -> None:
    raise error


def _is_file(path: AnyPath) -> bool:
    return not isinstance(path, Path) or path.is_file()  # a store is not asked for each
