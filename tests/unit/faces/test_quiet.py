"""What is kept off the terminal: LiteRT's chatter, and nothing else."""

import os
import subprocess
import sys

import pytest

from lipscribe.faces.quiet import quiet_stderr

CHATTER = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795471041.1 13925 task_runner.cc:85] GPU suport is not available\n"
)


def test_chatter_is_dropped_and_the_rest_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, CHATTER.encode())
        print("from Python", file=sys.stderr)
        os.write(2, b"E0000 a real error\n" + CHATTER.encode() + b"WARNING: mine\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "from Python\nE0000 a real error\nWARNING: mine\nafterwards\n"


def test_what_was_written_before_an_exception_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), quiet_stderr():
        os.write(2, b"kept\n")
        _ = 1 / 0
    assert capfd.readouterr().err == "kept\n"


def test_it_nests(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr(), quiet_stderr():
        os.write(2, b"kept\n")
    assert capfd.readouterr().err == "kept\n"


def test_it_runs_without_a_folder_for_temporary_files(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    with quiet_stderr():
        os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_it_is_quiet_where_python_has_no_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with quiet_stderr():
        os.write(2, CHATTER.encode())
    assert capfd.readouterr().err == ""


def test_it_runs_without_any_stderr() -> None:
    code = "import os; os.close(2)\nfrom lipscribe.faces.quiet import quiet_stderr\nwith quiet_stderr(): print('ran')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "ran\n"


def test_it_leaves_no_descriptor_open() -> None:
    before = os.dup(2)
    os.close(before)
    for _ in range(20):
        with quiet_stderr():
            pass
    after = os.dup(2)
    os.close(after)
    assert after == before
