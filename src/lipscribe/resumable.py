"""Output folders filled step by step: each records its options, and one process at a time writes to it.

A call with the same options resumes an earlier one; a call with others is refused. `staged` is for folders that are
there whole or not at all, such as models.
"""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from lipscribe.atomic import PARTIAL, remove_partial
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.plain_data import check_format, parse_json
from lipscribe.storage import AnyPath, write_text

FORMAT_VERSION = 1  # of records
LOCK_FILE = ".lock"
_STAGED = ".lipscribe-"
_BEFORE = "before"  # what is being replaced, under its name


@contextlib.contextmanager
def resumable(
    folder: AnyPath, record_file: str, made_of: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Locks a folder while the block writes to it.

    Creates the folder if it is missing, writes its record or compares it, and removes partial files of killed
    processes. A folder in an object store is not locked.

    Args:
        record_file: The name of the record in the folder, a JSON file.
        made_of: The options that the contents depend on, as plain data.
        defaults: Values of options that an older record lacks.

    Raises:
        ManifestError: The folder was made with other options, is damaged or cannot be written.
        LipscribeError: Another process is writing to it.
    """
    wanted = json.loads(json.dumps(made_of))
    path = folder / record_file
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(folder, Path):  # object stores have no locks
                stack.enter_context(locked(folder))
            if not path.exists():
                write_text(path, json.dumps(wanted))
            found = parse_json(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError(f"{record_file} is not a valid record")
            check_format(found, FORMAT_VERSION, str(path), ManifestError)
            if isinstance(folder, Path):
                remove_partial(folder)
        except (OSError, ValueError) as error:
            raise ManifestError(f"{folder} cannot be used ({error}): give another --output") from None
        if other := differences({**(defaults or {}), **found}, wanted):
            raise ManifestError(
                f"{folder} was made with other options ({'; '.join(other)}): give another --output, or delete "
                "the folder"
            )
        yield


@contextlib.contextmanager
def locked(path: Path, remedy: str = "wait until it has finished, or give another --output") -> Iterator[None]:
    """Locks a folder, or a file that need not exist yet, against other processes within the block.

    The lock of a killed process ends with it. The lock file of a folder is in it, that of a file is next to it.

    Args:
        remedy: What to do if another process has it.

    Raises:
        LipscribeError: Another process has it.
        OSError: The folder cannot be written.
    """
    lock_path = path / LOCK_FILE if path.is_dir() else path.with_name(f".{path.name[:40]}{LOCK_FILE}")
    lock_path.touch()  # filelock waits for an unwritable file as for a locked one
    lock = filelock.FileLock(lock_path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LipscribeError(f"another process is writing to {path}: {remedy}") from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        if not path.is_dir():
            with contextlib.suppress(OSError):  # a disk that is gone: what ended the block is told
                lock_path.unlink(missing_ok=True)  # leaves no lock file next to the user's files
        lock.release()


@contextlib.contextmanager
def staged(target: Path, replaces: bool = False) -> Iterator[Path]:
    """Yields the path of a folder to make, which becomes `target` at the end of the block, or nothing changes.

    It is made in a hidden folder beside the target. Those of killed processes are removed first (`remove_staged`).

    Args:
        replaces: Whether the target exists, and is replaced.

    Raises:
        OSError: The folder cannot be written, or the target has come into being meanwhile (FileExistsError).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_staged(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=_STAGED, dir=target.parent))
    try:
        with locked(folder):
            made, before = folder / "made", folder / _BEFORE / target.name
            yield made
            if replaces:
                before.parent.mkdir()
                target.rename(before)
            elif target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            made.rename(target)
    finally:
        with contextlib.suppress(OSError):
            _clear(folder)


def remove_staged(parent: Path) -> None:
    """Removes what killed processes were making in a folder, and puts back what they were about to replace."""
    for folder in parent.glob(f"{_STAGED}*"):
        if not (folder / LOCK_FILE).is_file():  # made in this moment, or no folder of ours
            continue
        with contextlib.suppress(OSError, LipscribeError), locked(folder):  # refused: a process is making it
            _clear(folder)


def _clear(folder: Path) -> None:
    """Removes a hidden folder of `staged`; what is there of a target that was not replaced is put back before."""
    for before in (folder / _BEFORE).glob("*"):
        if not (folder.parent / before.name).exists():
            before.rename(folder.parent / before.name)
    shutil.rmtree(folder, ignore_errors=True)


def holds_other_files(folder: Path, record_file: str) -> bool:
    """Whether a folder without a record has foreign files."""
    if not folder.is_dir() or (folder / record_file).exists():
        return False
    return any(entry.name != LOCK_FILE and entry.suffix != PARTIAL for entry in folder.iterdir())


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Differences to a record, such as "optim.seed 1, now 2"; further entries of the record are ignored."""
    other: list[str] = []
    for key, value in wanted.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            other += differences(before, value, f"{prefix}{key}.")
        elif before != value:
            other.append(f"{prefix}{key} {before}, now {value}")
    return other
