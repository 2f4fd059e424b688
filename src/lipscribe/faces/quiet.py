"""Keeps MediaPipe's start-up chatter off the terminal.

MediaPipe writes to file descriptor 2 from C++ threads ("INFO: Created TensorFlow Lite XNNPACK delegate", "W0000 ...
Feedback manager"); in the versions that Lipscribe reads with, no setting or environment variable stops it.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

_CHATTER = re.compile(rb"^([IW]\d{4} |(INFO|WARNING): |WARNING: All log messages).*\n?", re.MULTILINE)
_LOCK = threading.RLock()  # one at a time may hold descriptor 2


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """While open, what is written to stderr is kept back; on leaving all but MediaPipe's chatter is written out."""
    with _LOCK, contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            terminal = os.dup(2)
        except (OSError, ValueError, AttributeError):  # no stderr at all (a daemon): nothing to keep quiet
            yield
            return
        stack.callback(os.close, terminal)
        held = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            held.seek(0)
            rest = _CHATTER.sub(b"", held.read())
            if rest:
                os.write(2, rest)
