"""What the process that learns tells, and what becomes of it: plain data, checked, and no content in logs."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.engines import Tell
from lipscribe.errors import ManifestError
from lipscribe.server import learning
from lipscribe.server.enrolment_folder import EnrolmentFolder
from lipscribe.server.errors import UNEXPECTED
from lipscribe.server.learning import Learner

PATIENCE = 60.0  # s, on a busy machine


def learns(folder: Path, name: str, base: str, tell: Tell) -> dict[str, Any]:
    tell({"task": "learn", "done": 1, "total": 2})
    tell({"message": "a note"})
    return {"lines": ["two\nlines"], "estimate": {"right": 2}}


def fails(folder: Path, name: str, base: str, tell: Tell) -> dict[str, Any]:
    raise KeyError("/home/somebody/secret.mp4")


def refuses(folder: Path, name: str, base: str, tell: Tell) -> dict[str, Any]:
    raise ManifestError("too few recordings")


def returns_nothing(folder: Path, name: str, base: str, tell: Tell) -> Any:
    return None


def tells_another_name(folder: Path, name: str, base: str, tell: Tell) -> dict[str, Any]:
    tell({"unknown": 1})
    return {"lines": [], "estimate": {}}


Learn = Callable[[Callable[..., Any]], dict[str, Any]]


@pytest.fixture
def learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learn:
    """The record of an enrolment after a function has learned from it."""
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))

    def learned(function: Callable[..., Any]) -> dict[str, Any]:
        folder = EnrolmentFolder(tmp_path / "enrolments", "mine")
        folder.create("phrases", "talkers", ["good morning", "i need water"])
        (tmp_path / "video").write_bytes(b"x")
        for number in (1, 2):
            folder.keep(number, folder.check_place(number, None), tmp_path / "video", ".webm", [])
        monkeypatch.setattr(learning, "_learn_phrases", function)
        learner = Learner()
        learner.start(folder)
        deadline = time.monotonic() + PATIENCE
        while learner.job is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return folder.load()

    return learned


def test_what_is_learned(learn: Learn):
    record = learn(learns)
    assert record["result"] == {"lines": ["two lines"], "estimate": {"right": 2}, "recordings": 2}
    assert not record["failed"] and not record["learning"]


def test_faults_of_a_person_are_told(learn: Learn):
    assert learn(refuses)["failed"] == "too few recordings"


def test_faults_of_the_program_are_logged_without_content(learn: Learn, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        assert learn(fails)["failed"] == UNEXPECTED
    assert "KeyError in fails" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("function", [returns_nothing, tells_another_name])
def test_what_is_no_message(learn: Learn, function: Callable[..., Any]):
    record = learn(function)
    assert "ended the process" in record["failed"] and not record.get("result")


@pytest.mark.parametrize("fails_at", [1, 2], ids=["at the start", "at the end"])
def test_a_full_disk_does_not_keep_others_from_learning(
    learn: Learn, monkeypatch: pytest.MonkeyPatch, fails_at: int, capsys: pytest.CaptureFixture[str]
):
    original, calls = EnrolmentFolder.update, iter(range(1, 100))

    def update(folder: EnrolmentFolder, **changes: Any) -> None:
        if next(calls) == fails_at:
            raise OSError(28, "No space left on device")
        original(folder, **changes)

    monkeypatch.setattr(EnrolmentFolder, "update", update)
    monkeypatch.setattr(threading, "excepthook", lambda ended: None)  # the command prints a line, see `cli.entry`
    learner = Learner()
    monkeypatch.setattr(learning, "Learner", lambda: learner)
    if fails_at == 1:
        with pytest.raises(OSError, match="No space"):
            learn(learns)
    else:
        learn(learns)
    assert learner.job is None
