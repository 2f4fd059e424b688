"""Where the program begins, before a command is known; only the standard library is imported here."""

import atexit
import gc
import io
import os
import sys
from pathlib import Path


def main() -> None:
    """Runs the command line and exits: 0 ok, 1 ran with failures, 2 usage or unusable input."""
    if sys.stderr is None:  # closed by the caller (2>&-): `print` would then write its remarks among the results
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115, it stays open
    # Results are UTF-8 whatever the locale, and no character ends a program: a file name that is no text is escaped.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Torch's threads wait for each other awake, and on a busy machine keep those they wait for from working: several
    # times slower (docs/results.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Python searches all that is alive for garbage before it ends: with torch, 0.3 s for nothing.
    atexit.register(gc.freeze)
    try:
        from lipscribe.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command has begun
        print("interrupted", file=sys.stderr)
        sys.exit(1)
