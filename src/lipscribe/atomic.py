"""Atomic file writing: a file is complete or absent, even if the program is killed.

A file is written under a hidden temporary name in the same folder and renamed when it is complete. Files left by killed
processes end in `.partial`; their names say which process wrote them, so the next process that writes into the folder
removes those whose process is gone, and none of a process that runs beside it.
"""

import contextlib
import errno
import functools
import os
import re
import socket
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"


@contextlib.contextmanager
def writing_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path, for libraries that write by name; the file is renamed to `path` at the end.

    If two processes write the same file, the last one wins. An error in the block keeps the old file. For a device or a
    pipe (/dev/stdout), which cannot be replaced, it yields its own path; for a link it replaces the target.

    Raises:
        OSError: The file is write-protected, or cannot be renamed, for example to the name of a folder.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    if path.is_file() and not os.access(path, os.W_OK):  # renaming would succeed anyway
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    _remove_left(path.parent, os.getpid())
    # Names are at most 255 bytes long, and a character takes up to 4.
    partial = path.with_name(f".{path.name[:40]}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # renamed, or never created
            partial.unlink()


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[BinaryIO]:
    """Yields a binary file that becomes `path` if the block ends without an error (see `writing_path`).

    Raises:
        OSError: The file cannot be written.
    """
    with writing_path(path) as partial, partial.open("wb") as file:
        yield file
        file.close()  # before the rename: Windows cannot rename open files


def write_bytes(path: Path | str, content: bytes) -> None:
    """Writes a file atomically (see `writing_path`)."""
    with writing(path) as file:
        file.write(content)


def write_text(path: Path | str, text: str) -> None:
    """Writes a UTF-8 text file atomically, with the line ends of `text` (see `writing_path`)."""
    write_bytes(path, text.encode())


def make_private(folder: Path) -> Path:
    """Makes a folder that only this user may open, whatever the umask; what is in it is closed to others too.

    Raises:
        OSError: It cannot be made, or is another user's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def remove_partial(folder: Path) -> None:
    """Removes partial files of killed processes; no other process may be writing to the folder (see `resumable`)."""
    for partial in folder.rglob(f".*{PARTIAL}"):  # hidden as ours are: others, such as browsers, use the ending too
        partial.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def _remove_left(folder: Path, own: int) -> None:
    """Removes what killed processes of this machine left in a folder; a process looks once, since folders are large.

    Args:
        own: The id of this process: one that is forked looks again.
    """
    if os.name != "posix":  # elsewhere nothing harmless tells whether a process runs
        return
    of_ours = re.compile(rf"\..*\.{_machine()}-(\d+)-[0-9a-f]{{8}}\{PARTIAL}", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # a folder that is missing is told when used
        for entry in entries:
            found = of_ours.fullmatch(entry.name)
            if found and int(found[1]) != own and not _runs(int(found[1])):
                Path(entry.path).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # the latter: a number that no process has
        return False
    except OSError:  # another user's
        return True
    return True


@functools.cache
def _machine() -> str:
    """What tells apart machines, and containers, whose process ids mean nothing to each other."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{zlib.crc32(f'{socket.gethostname()} {space}'.encode()):08x}"
