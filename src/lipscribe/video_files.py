"""Names of video files, by which they are found in a folder."""

from pathlib import Path

from lipscribe.errors import ManifestError
from lipscribe.storage import AnyPath

SUFFIXES = frozenset(
    "3gp asf avi dv flv gif m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm webp wmv y4m".split()  # noqa: SIM905
)


def list_videos(folder: AnyPath) -> tuple[list[AnyPath], list[AnyPath]]:
    """The videos of a folder, sorted by name, and what else lies in it; hidden files are neither.

    Raises:
        ManifestError: It cannot be read, or holds no video.
    """
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ManifestError(f"folder {folder} cannot be read ({error.strerror}): give the videos by name") from None
    videos = [path for path in found if path.suffix.lower()[1:] in SUFFIXES and _is_file(path)]
    if not videos:
        raise ManifestError(f"folder {folder} holds no video file: give one that does, or videos by name")
    return videos, [path for path in found if path not in videos]


def _is_file(path: AnyPath) -> bool:
    return not isinstance(path, Path) or path.is_file()  # a store is not asked for each
