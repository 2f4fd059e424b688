"""Where results go: stdout, one file, or a folder."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lipscribe.cli.sources import Source
from lipscribe.errors import LipscribeError
from lipscribe.storage import is_url

# A folder with such a name is probably meant as a file.
_FILE_SUFFIXES = (".txt", ".json", ".srt", ".vtt", ".tsv", ".csv", ".mp4", ".png", ".html", ".jsonl", ".yaml")


class Format(StrEnum):  # noqa: D101
    txt = "txt"
    json = "json"
    srt = "srt"
    vtt = "vtt"
    tsv = "tsv"
    mp4 = "mp4"
    all = "all"


TEXTS = (Format.txt, Format.json, Format.srt, Format.vtt, Format.tsv)  # the formats of "all"


@dataclass(frozen=True)
class Results:
    """Where the results of each video go, and in which formats.

    Attributes:
        formats: Without "all".
        file: The only one.
        folder: None with no file is stdout.
    """

    formats: tuple[Format, ...]
    file: Path | None = None
    folder: Path | None = None

    @property
    def to_stdout(self) -> bool:
        """Whether nothing is written to files."""
        return self.file is None and self.folder is None

    def path(self, stem: str, format: Format) -> Path | None:
        """The file for one result; None is stdout. A captioned video never has the name of its source."""
        if self.folder is None:
            return self.file
        return self.folder / (f"{stem}.captioned.mp4" if format is Format.mp4 else f"{stem}.{format}")


def find_results(output: str | None, format: Format | None, sources: Sequence[Source]) -> Results:
    """Resolves `--output` and `--format`: a name that ends in a format is a file, any other a folder.

    Raises:
        LipscribeError: It cannot be written.
        BadParameter: The two contradict each other, or name one file for several videos.
    """
    import typer  # here, since workers import this module and have no use for it

    formats = TEXTS if format is Format.all else (format or Format.txt,)
    if output is None or output == "-":
        if sys.stdout is None:
            raise LipscribeError("stdout is closed: leave it open, or give a file with --output")
        if format in (Format.all, Format.mp4):
            raise typer.BadParameter(f"--format {format} needs --output FOLDER", param_hint="--output")
        if len(sources) > 1 and format not in (None, Format.txt, Format.json):
            raise typer.BadParameter(f"several videos as {format} need --output FOLDER", param_hint="--output")
        return Results(formats)
    if not output:
        raise typer.BadParameter("the name is empty: give a file or a folder", param_hint="--output")
    if is_url(output):
        raise LipscribeError(f"output {output} is an address: results are files, so give a folder of this machine")
    path = Path(output)
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in (*TEXTS, Format.mp4) or path.is_dir() or output.endswith(("/", "\\")):
        return Results(formats, folder=result_folder(path))
    if format not in (None, suffix):
        remedy = "leave one of them out, or give a folder"
        raise typer.BadParameter(f"{output} is not a file of --format {format}: {remedy}", param_hint="--output")
    if len(sources) > 1:
        raise typer.BadParameter(
            f"{output} is one file, for {len(sources)} videos: give a folder", param_hint="--output"
        )
    if path.exists() and any(Path(source.path).exists() and path.samefile(source.path) for source in sources):
        raise typer.BadParameter(f"{output} is the video itself: give another file", param_hint="--output")
    result_folder(path.parent)
    return Results((Format(suffix),), file=path)


def is_among(output: Path, inputs: Iterable[Path | str]) -> bool:
    """Whether an output is one of a command's inputs, by this or another name."""
    return output.resolve() in {Path(each).resolve() for each in inputs}


def result_folder(folder: Path) -> Path:
    """Makes a folder for results.

    Raises:
        LipscribeError: It cannot be made or written, or has a file's name.
    """
    if folder.suffix.lower() in _FILE_SUFFIXES and not folder.is_dir():
        raise LipscribeError(
            f"output {folder} has the name of a file, wanted a folder: give one such as {folder.stem}/"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".lipscribe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LipscribeError(f"output {folder} cannot be written ({error.strerror}): give another folder") from None
    return folder


def check_video_name(path: Path) -> None:
    """Raises a BadParameter where a video would have the name of another format: they are MP4."""
    import typer

    if path.suffix.lower() not in ("", ".mp4", ".m4v"):
        raise typer.BadParameter(f"{path}: videos are written as MP4: give {path.stem}.mp4", param_hint="--output")


def all_different(stems: Iterable[str]) -> list[str]:
    """Unique names for results: `a`, then `a-2` for the next `a`, or for an `A`: file systems of Windows and macOS take
    both for one, as macOS does letters with an accent in one character or two."""
    names: list[str] = []
    taken: set[str] = set()
    for stem in stems:
        name, number = stem, 1
        while (key := unicodedata.normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
        taken.add(key)
    return names
