"""What a process that may have been taken over sends: JSON, out of which nothing but plain data can come.

A pickle is a program that runs where it is read. A decoder that a hostile file takes over could send one, so whoever
reads files of strangers in a worker process has it send these messages instead.
"""

import errno
import json
import os
import re
import traceback
from typing import Any

from lipscribe import errors
from lipscribe.errors import LipscribeError

MAX_BYTES = 16_000_000  # of a message
MAX_TEXT = 2000  # characters of an exception's message
_FAILURES = ("refused", "failed")
_KINDS = ("ready", "told", "done", *_FAILURES)
_OURS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LipscribeError)]
_KNOWN: dict[str, type[Exception]] = {kind.__name__: kind for kind in (*_OURS, MemoryError)}
_PLACE = re.compile(r"[\w.:<> ]*")


class ForeignError(Exception):
    """An exception of a worker process that is on no list: its type, and the functions that it passed."""


def place_of(error: BaseException) -> str:
    """The functions that an error passed, with their lines, the innermost first: what may be logged of any error."""
    passed = [f"{frame.f_code.co_name}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    return " < ".join(reversed(passed))


def pack(kind: str, value: Any) -> bytes:
    """A message.

    Args:
        kind: See `Worker`.
        value: Numbers, texts, truth values, None, lists, tuples and dicts of these by text; an exception of a failure.

    Raises:
        TypeError: The value is something else.
    """
    plain = _pack_error(value) if kind in _FAILURES else value
    return json.dumps([kind, plain], separators=(",", ":")).encode()


def unpack(message: bytes) -> tuple[str, Any]:
    """Kind and value of a message; tuples have become lists.

    Raises:
        ValueError: It is none.
    """
    try:
        kind, value = json.loads(message)
    except (RecursionError, TypeError, ValueError):
        raise ValueError("a message is damaged") from None
    if kind not in _KINDS:
        raise ValueError("a message is of no known kind")
    return kind, _unpack_error(value) if kind in _FAILURES else value


def _pack_error(error: Exception) -> dict[str, Any]:
    if isinstance(error, OSError):
        return {"kind": "OSError", "errno": error.errno}  # without the name of a file
    if type(error).__name__ in _KNOWN:
        return {"kind": type(error).__name__, "message": str(error)[:MAX_TEXT]}
    return {"kind": "other", "message": f"{type(error).__name__} in {place_of(error)}"[:MAX_TEXT]}


def _unpack_error(value: Any) -> Exception:
    if not isinstance(value, dict):
        raise ValueError("an exception is no mapping")
    kind, message, number = value.get("kind"), value.get("message", ""), value.get("errno")
    if kind == "OSError":
        if isinstance(number, int) and number in errno.errorcode:
            return OSError(number, os.strerror(number))
        return OSError("unknown")
    if not isinstance(message, str) or not isinstance(kind, str):
        raise ValueError("an exception has no message")
    message = " ".join(message[:MAX_TEXT].split())  # one line
    if kind in _KNOWN:
        return _KNOWN[kind](message)
    found = _PLACE.match(message)
    return ForeignError(found.group() if found else "")
