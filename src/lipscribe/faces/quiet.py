"""Keeps LiteRT's start-up chatter off the terminal.

LiteRT writes to file descriptor 2 from C++ ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."); no setting or
environment variable of its Python package stops it.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

# No more than what LiteRT says: other threads may write in the meantime.
_CHATTER = re.compile(
    rb"^((INFO|WARNING): .*(TensorFlow Lite|XNNPACK|TfLite|absl::Init)|[IW]\d{4} ).*\n?", re.MULTILINE
)
_LOCK = threading.RLock()  # one at a time may hold descriptor 2


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """While open, what is written to stderr is kept back; on leaving all but LiteRT's chatter is written out."""
    with _LOCK, contextlib.ExitStack() as stack:
        try:
            _flush()
            terminal = os.dup(2)
            stack.callback(os.close, terminal)
            held = stack.enter_context(tempfile.TemporaryFile())
        except (OSError, ValueError):  # no stderr at all (a daemon), or nowhere to hold anything back
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            os.dup2(terminal, 2)
            held.seek(0)
            rest = _CHATTER.sub(b"", held.read())
            if rest:
                os.write(2, rest)


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
