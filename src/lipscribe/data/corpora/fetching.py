"""Downloads of corpora: those that Zenodo has come resumed, verified and unpacked; others are given on request."""

import fnmatch
import hashlib
import logging
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lipscribe.atomic import write_text, writing
from lipscribe.download import download as download_file
from lipscribe.errors import LipscribeError
from lipscribe.plain_data import parse_json
from lipscribe.progress import Progress
from lipscribe.resumable import locked

ZENODO = "https://zenodo.org"
DONE_FOLDER = ".downloaded"  # in the corpus's folder: the checksums of the archives that are unpacked
SPARE_BYTES = 100_000_000
MAX_FILES, MAX_RATIO = 1_000_000, 20  # of an archive; videos hardly shrink, and texts beside them are small
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """Where a corpus goes, and what of it is wanted.

    Attributes:
        folder: For its files; created if missing.
        only: Patterns of the names of its archives, such as "s1.zip"; none are all.
        say: Called with a line for each step.
        progress: Called with the bytes of each archive, and with the files unpacked.
    """

    folder: Path
    only: tuple[str, ...] = ()
    say: Callable[[str], None] = _LOG.info
    progress: Progress | None = None


class OnRequestError(LipscribeError):
    """A corpus is given by its authors alone.

    Attributes:
        instructions: Whom to ask, how its folder looks, and the next command; several lines.
    """

    def __init__(self, name: str, instructions: str):
        super().__init__(f"{name} is given by its authors on request, and cannot be downloaded: see the instructions")
        self.instructions = instructions


@dataclass(frozen=True)
class _Archive:
    """A file of a Zenodo record; its checksum is published as "md5:..."."""

    name: str
    url: str
    size: int
    checksum: str


def fetch_zenodo(record: str, download: Download, wanted: Sequence[str]) -> None:
    """Downloads archives of a Zenodo record and unpacks them; what an earlier call has unpacked is not fetched again.

    An archive is deleted once it is unpacked. What does not have the checksum of the record is deleted too.

    Args:
        record: Its number.
        wanted: Patterns of the names of the archives that make up the corpus.

    Raises:
        LipscribeError: A file cannot be fetched or has another checksum, no archive is wanted, there is no room, or
            another process is writing to the folder.
    """
    folder = download.folder
    try:
        (folder / DONE_FOLDER).mkdir(parents=True, exist_ok=True)
        with locked(folder):
            archives = _wanted(_archives_of(record, folder), download.only, wanted)
            todo = [archive for archive in archives if _unpacked(folder, archive) != archive.checksum]
            _check_room(folder, todo)
            for archive in archives:
                if archive not in todo:
                    download.say(f"{archive.name} is there already")
            for archive in todo:
                _fetch(archive, download)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another --output") from None


def _archives_of(record: str, folder: Path) -> list[_Archive]:
    """The files of a record, as Zenodo's API describes it today."""
    path, url = folder / DONE_FOLDER / f"zenodo-{record}.json", f"{ZENODO}/api/records/{record}"
    path.unlink(missing_ok=True)
    download_file(url, path)
    try:
        files = parse_json(path.read_text(encoding="utf-8"))["files"]
        found = [(file["key"], file["links"]["self"], file["checksum"], int(file["size"])) for file in files]
        if not all(isinstance(text, str) for *texts, _ in found for text in texts):
            raise ValueError("a name, an address or a checksum is no text")
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise LipscribeError(f"{url} is no record of files ({error!r}): its API has changed, report it") from None
    for name, *_ in found:
        if name != PurePosixPath(name).name or "\\" in name or name in ("", ".."):
            raise LipscribeError(f"the record has a file called {name!r}, wanted a plain name: report it")
    return [_Archive(name, address, size, checksum) for name, address, checksum, size in found]


def _wanted(archives: Sequence[_Archive], only: Sequence[str], wanted: Sequence[str]) -> list[_Archive]:
    of_corpus = [archive for archive in archives if _matches(archive.name, wanted)]
    found = [archive for archive in of_corpus if not only or _matches(archive.name, only)]
    if not found:
        there = ", ".join(archive.name for archive in of_corpus or archives)
        raise LipscribeError(f"--only {' '.join(only)} fits no archive: give some of {there}")
    return found


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _unpacked(folder: Path, archive: _Archive) -> str:
    path = folder / DONE_FOLDER / archive.name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _check_room(folder: Path, archives: Sequence[_Archive]) -> None:
    """Whether all archives fit when they are unpacked, videos being compressed, and the largest beside them."""
    if not archives:
        return
    needed = sum(archive.size for archive in archives) + max(archive.size for archive in archives) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LipscribeError(
            f"{folder} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed: make room, give another "
            "--output, or fetch a part with --only"
        )


def _fetch(archive: _Archive, download: Download) -> None:
    path = download.folder / archive.name
    if not path.is_file():
        download.say(f"fetching {archive.name} ({archive.size / 1e6:.0f} MB) from {archive.url}")
        download_file(archive.url, path, download.progress)
    _verify(path, archive.checksum)
    _unpack(path, download)
    write_text(download.folder / DONE_FOLDER / archive.name, archive.checksum)
    path.unlink()


def _verify(path: Path, checksum: str) -> None:
    algorithm, _, published = checksum.partition(":")
    if algorithm not in hashlib.algorithms_available:
        raise LipscribeError(f"{path.name} has the checksum {checksum!r}, wanted one such as md5:...: report it")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).hexdigest()
    if digest != published:
        path.unlink()
        raise LipscribeError(
            f"{path.name} came with {algorithm} {digest}, wanted {published}: it was deleted, fetch it again"
        )


def _unpack(path: Path, download: Download) -> None:
    """Unpacks an archive, each file whole or not at all; those of an interrupted call are kept."""
    task = f"{path.name} (files)"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(path, download.folder, members)
            for number, member in enumerate(members, 1):
                target = download.folder / member.filename
                if not (target.is_file() and target.stat().st_size == member.file_size):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, writing(target) as file:
                        shutil.copyfileobj(source, file, 1 << 20)
                if download.progress is not None:
                    download.progress(task, number, len(members))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise LipscribeError(f"{path} is damaged ({error}): delete it and run the same command again") from None


def _check_members(path: Path, folder: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuses an archive before anything of it is written: names that lead out of the folder, and bombs."""
    for name in (member.filename for member in members):
        pure = PurePosixPath(name)
        leads_out = pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name
        if leads_out or not (folder / name).resolve().is_relative_to(folder.resolve()):  # by a link that is there
            raise LipscribeError(
                f"{path} holds a file called {name[:80]!r}, which leads out of the folder: it was not unpacked"
            )
    size = sum(member.file_size for member in members)
    if len(members) > MAX_FILES or size > MAX_RATIO * path.stat().st_size + SPARE_BYTES:
        raise LipscribeError(
            f"{path} unpacks to {len(members)} files of {size / 1e9:.1f} GB together, and has "
            f"{path.stat().st_size / 1e6:.0f} MB: it was not unpacked, report it"
        )
