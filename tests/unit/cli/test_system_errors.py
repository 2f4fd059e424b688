"""What the system refuses is one line with a remedy."""

import errno
import os

import pytest

from lipscribe.cli.edge import system_error


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        ("EDQUOT", 2, "error: your share of the disk (quota) is used up: make room, or write to another disk"),
        (
            "EROFS",
            1,
            "error: out/a.json cannot be used any more (Read-only file system): see whether its disk is there",
        ),
        ("ESTALE", 1, "error: out/a.json cannot be used any more ("),
        ("EIO", 1, "error: out/a.json cannot be used any more ("),
    ],
)
def test_a_disk_that_fails(number: str, code: int, message: str, capfd: pytest.CaptureFixture[str], monkeypatch):
    if (found := getattr(errno, number, None)) is None:
        pytest.skip(f"there is no {number} here")
    monkeypatch.setattr("lipscribe.cli.edge._drop_stdout", lambda: None)
    assert system_error(OSError(found, os.strerror(found), "out/a.json")) == code
    said = capfd.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1
