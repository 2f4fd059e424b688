"""Output folders filled step by step: each records its options, and one process at a time writes to it.

A call with the same options resumes an earlier one; a call with others is refused.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from lipscribe.atomic import PARTIAL, remove_partial
from lipscribe.errors import LipscribeError, ManifestError
from lipscribe.plain_data import parse_json
from lipscribe.storage import AnyPath, write_text

LOCK_FILE = ".lock"


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
def locked(path: Path) -> Iterator[None]:
    """Locks a folder, or a file that need not exist yet, against other processes within the block.

    The lock of a killed process ends with it. The lock file of a folder is in it, that of a file is next to it.

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
        raise LipscribeError(
            f"another process is writing to {path}: wait until it has finished, or give another --output"
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        if not path.is_dir():
            lock_path.unlink(missing_ok=True)  # leaves no lock file next to the user's files
        lock.release()


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
