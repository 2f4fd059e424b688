"""The private folder of a server: uploads live there until they are answered."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lipscribe.errors import LipscribeError
from lipscribe.zoo.cache import cache_folder

LOCK = "lock"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user may open; it is removed at the end, or by the next server after a crash.

    Raises:
        LipscribeError: It cannot be made.
    """
    root = cache_folder() / "serve"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        with FileLock(root / LOCK):  # others start too, and a folder that has no lock yet looks like one that is left
            _remove_left(root)
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=root))  # 0700
            lock = FileLock(folder / LOCK)
            lock.acquire()
    except OSError as error:
        raise LipscribeError(
            f"{root} cannot be written ({error.strerror}): name another folder in $LIPSCRIBE_CACHE"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _remove_left(root: Path) -> None:
    """Removes the folders of servers that are gone: the system has freed their locks."""
    for folder in root.glob("run-*"):
        with suppress(OSError, Timeout), FileLock(folder / LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
