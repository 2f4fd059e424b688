"""What the program says when one of its threads fails."""

import threading

import pytest

from lipscribe.cli import app, entry


@pytest.fixture
def _failing_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is one thread, whose disk has gone."""

    def fail() -> None:
        raise OSError(5, "Input/output error", "logs/events")

    def command() -> None:
        thread = threading.Thread(target=fail, name="writer")
        thread.start()
        thread.join()

    monkeypatch.setattr(app, "app", command)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # is set back afterwards


@pytest.mark.usefixtures("_failing_thread")
def test_a_thread_that_fails_is_told_in_one_line(capfd: pytest.CaptureFixture[str]):
    entry.main()
    assert capfd.readouterr().err == (
        "note: thread writer has ended (OSError: [Errno 5] Input/output error: 'logs/events')\n"
    )


@pytest.mark.usefixtures("_failing_thread")
def test_its_traceback_is_there_for_developers(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("LIPSCRIBE_DEBUG", "1")
    entry.main()
    assert "Traceback" in capfd.readouterr().err
