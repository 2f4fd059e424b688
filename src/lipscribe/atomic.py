"""Files that are complete or absent, whenever the program ends.

A file is written under a hidden name of its own in the same folder, and takes its real name when it is whole. What a
killed process leaves behind ends in `.partial`.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"


@contextlib.contextmanager
def writing_path(path: Path | str) -> Iterator[Path]:
    """A path to write a file under, for libraries that write by name; the file is renamed to `path` at the end.

    Two processes may write the same file: the last one to finish wins. An error in the block leaves an older file as it
    was. A device or a pipe (/dev/stdout) cannot be replaced, so its own path is given; behind a link, the file that it
    leads to is written.

    Raises:
        OSError: The file is write-protected, or cannot be renamed, for example to the name of a folder.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    if path.is_file() and not os.access(path, os.W_OK):  # renaming would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    # Names are at most 255 bytes long, and a character takes up to 4.
    partial = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:8]}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made
            partial.unlink()


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file to write to, which is at `path` when the block ends without an error (see `writing_path`).

    Raises:
        OSError: The file cannot be written.
    """
    with writing_path(path) as partial, partial.open("wb") as file:
        yield file
        file.close()  # before it is renamed: Windows renames no open file


def write_bytes(path: Path | str, content: bytes) -> None:
    """Writes a file whole or not at all (see `writing_path`)."""
    with writing(path) as file:
        file.write(content)


def write_text(path: Path | str, text: str) -> None:
    """Writes a text file in UTF-8 with line ends as they are in `text`, whole or not at all (see `writing_path`)."""
    write_bytes(path, text.encode())


def remove_partial(folder: Path) -> None:
    """Removes what killed processes left behind in a folder that no other process writes to now (see `resumable`)."""
    for partial in folder.rglob(f"*{PARTIAL}"):
        partial.unlink(missing_ok=True)
