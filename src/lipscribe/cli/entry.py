"""Entry point of the program; imports only the standard library."""

import atexit
import gc
import io
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    """Runs the command line and exits: 0 ok, 1 ran with failures, 2 usage or unusable input."""
    if sys.stderr is None:  # closed by the caller (2>&-): `print` would then write notes among the results
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115, it stays open
    # Results are UTF-8 whatever the locale, and undecodable file names are escaped instead of raising.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Torch's threads spin while they wait, which is several times slower on a busy machine (docs/results.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Skips the garbage collection at exit, which takes 0.3 s with torch.
    atexit.register(gc.freeze)
    threading.excepthook = _say_of_thread
    try:
        from lipscribe.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command has begun
        print("interrupted", file=sys.stderr)
        sys.exit(1)


def _say_of_thread(ended: threading.ExceptHookArgs) -> None:
    """One line for a thread that ended by an error; what waits for the thread ends by an error of its own.

    TensorBoard writes in a thread, which meets a disk that has gone before the training does.
    """
    if ended.exc_type is SystemExit:
        return
    if os.environ.get("LIPSCRIBE_DEBUG"):
        threading.__excepthook__(ended)
        return
    name = ended.thread.name if ended.thread else "unknown"
    reason = " ".join(str(ended.exc_value).split()) or "no message"
    print(f"note: thread {name} has ended ({ended.exc_type.__name__}: {reason})", file=sys.stderr)
