"""Bars are drawn on a terminal only."""

import io
import sys

import pytest

from lipscribe.cli.bars import bars
from lipscribe.progress import tracked


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _able_to_draw(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # where it is "dumb", as in a bare system, no bar can be drawn


def test_a_task_is_drawn_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with bars() as progress:
        assert list(tracked(range(3), progress, "faces")) == [0, 1, 2]
        progress("mouths", 2, 7)
    assert "mouths" in sys.stderr.getvalue() and "2/7" in sys.stderr.getvalue()


def test_nothing_is_drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with bars() as progress:
        assert progress is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    with bars(shown=False) as progress:
        assert progress is None


def test_results_never_go_to_the_terminal_of_the_bar(monkeypatch):
    results = io.StringIO()
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", results)  # a file
    with bars() as progress:
        progress("faces", 1, 2)
        print("a result")
        print("a remark", file=sys.stderr)
    assert results.getvalue() == "a result\n"
    assert "a remark" in sys.stderr.getvalue() and "a result" not in sys.stderr.getvalue()
