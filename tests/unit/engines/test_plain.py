"""Messages of workers that are not trusted."""

import errno
from typing import Any

import pytest

from lipscribe.engines import ForeignError
from lipscribe.engines.plain import MAX_TEXT, pack, unpack
from lipscribe.errors import NoFaceError


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.5, "text \u2581 \ud800", [1, ["two"]], {"a": {"b": [None]}}], ids=repr
)
def test_values(value: Any):
    assert unpack(pack("done", value)) == ("done", value)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b"[]",
        b'["done"]',
        b'["other", 1]',
        b'[["done"], 1]',
        b'["failed", 1]',
        b'["failed", {}]',
        b"\x80\x05",
        b"[" * 10**6,
        b"9" * 10**5,
    ],
    ids=lambda message: repr(message[:20]),
)
def test_messages_that_are_none(message: bytes):
    with pytest.raises(ValueError, match=r"message|exception"):
        unpack(message)


def error_of(error: Exception) -> Exception:
    kind, value = unpack(pack("failed", error))
    assert kind == "failed"
    return value


def test_exceptions():
    known = error_of(NoFaceError("nobody\nis there"))
    assert type(known) is NoFaceError and str(known) == "nobody is there"
    assert len(str(error_of(NoFaceError("x" * 10**6)))) == MAX_TEXT
    full = error_of(OSError(errno.ENOSPC, "full", "/home/somebody/secret.mp4"))
    assert isinstance(full, OSError) and full.errno == errno.ENOSPC and full.filename is None
    assert isinstance(error_of(MemoryError()), MemoryError)
    other = error_of(KeyError("/home/somebody/secret.mp4"))
    assert type(other) is ForeignError and str(other) == "KeyError in"


def test_names_of_other_classes_make_nothing():
    """Only the classes on the list are ever called."""
    for kind in ("SystemExit", "KeyboardInterrupt", "eval", "LipscribeError.__init__", "ApiError"):
        value = unpack(b'["failed", {"kind": "%s", "message": "x; y"}]' % kind.encode())[1]
        assert type(value) is ForeignError and str(value) == "x"
