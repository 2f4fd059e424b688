"""The recordings of phrases in a folder, and the text of each."""

import re
from dataclasses import dataclass
from pathlib import Path

from lipscribe.adaptation.prompts import read_file, read_prompts
from lipscribe.errors import ManifestError
from lipscribe.text import normalise
from lipscribe.video_files import is_hidden, is_video

PROMPTS_FILE = "prompts.txt"
# The number of a take, as people and file managers write it: "yes 2", "yes-2", "yes_02", "yes (2)".
_TAKE = re.compile(r"(?:[\s_-]*\(\d+\)|[\s_-]+\d+)$")


@dataclass(frozen=True)
class PhraseRecording:
    """A video in which one phrase is said once."""

    path: Path
    text: str


def find_recordings(folder: Path | str, prompts: Path | str | None = None) -> list[PhraseRecording]:
    """The videos of a folder and its subfolders, sorted by name, with what is said in each.

    Texts come from the first of these that is there: `prompts` or the folder's prompts.txt (see `read_prompts`), a text
    file beside the video (`a.txt` for `a.mp4`), the name of the subfolder, the name of the file without the number of a
    take at its end.

    Raises:
        ManifestError: There are no videos, or a text is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ManifestError(f"{folder} is not a folder: give one with a video of each phrase")
    visible = (path for path in folder.rglob("*") if not is_hidden(path, folder))
    videos = sorted((path for path in visible if is_video(path) and path.is_file()), key=_natural)
    if not videos:
        raise ManifestError(f"{folder} holds no video: record each phrase in one of its own")
    listed = folder / PROMPTS_FILE if prompts is None else Path(prompts)
    if prompts is not None or listed.is_file():
        written = zip(videos, read_prompts(listed, videos, folder), strict=True)
        texts = [_cleaned(text, f"the text of {video.name} in {listed}") for video, text in written]
    else:
        texts = [_own_text(video, folder) for video in videos]
    return [PhraseRecording(video, text) for video, text in zip(videos, texts, strict=True)]


def _own_text(video: Path, folder: Path) -> str:
    if (beside := video.with_suffix(".txt")).is_file():
        return _cleaned(read_file(beside), str(beside))
    said = video.parent.name if video.parent != folder else _TAKE.sub("", video.stem)
    return _cleaned(re.sub(r"[_-]+", " ", said), f"the name of {video}")


def _cleaned(text: str, where: str) -> str:
    """One form for the same phrase however it is written."""
    if not (text := normalise(text)):
        raise ManifestError(f"{where} has no words, wanted what is said: write it, or name the file by its phrase")
    return text


def _natural(path: Path) -> list[tuple[int, str]]:
    """A sorting key that puts "take 2" before "take 10"."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
