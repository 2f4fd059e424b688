"""Which backend is taken, and what is said when none can be."""

import builtins
import sys
from typing import Any

import pytest

import lipscribe.faces.face_model
from lipscribe.errors import ConfigError, MissingExtraError
from lipscribe.faces import load_face_detector


def fail_import(monkeypatch: pytest.MonkeyPatch, start: str, error: Exception) -> None:
    """Makes every import of `start` and what is under it raise `error`, as if it were not installed."""
    real_import = builtins.__import__

    def import_or_fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == start or name.startswith(start + "."):
            raise error
        return real_import(name, *args, **kwargs)

    for name in list(sys.modules):
        if name in ("lipscribe.faces.solutions", "lipscribe.faces.tasks"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", import_or_fail)


def no_solutions(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'mediapipe.python'", name="mediapipe.python")
    fail_import(monkeypatch, "mediapipe.python", error)


@pytest.mark.parametrize("backend", ["", "Tasks", "dlib"])
def test_an_unknown_backend_is_answered_with_those_there_are(backend: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown face backend '{backend}': want one of auto, solutions, tasks"):
        load_face_detector(backend)


@pytest.mark.parametrize("max_faces", [0, -3])
def test_no_faces_cannot_be_asked_for(max_faces: int) -> None:
    with pytest.raises(ConfigError, match=f"max_faces is {max_faces}: want 1 or more"):
        load_face_detector(max_faces=max_faces)


def test_mediapipe_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_import(monkeypatch, "mediapipe", ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe"))
    with pytest.raises(MissingExtraError, match=r"MediaPipe.*is not installed: run `pip install mediapipe`"):
        load_face_detector()


def test_a_part_of_mediapipe_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_import(monkeypatch, "mediapipe", ModuleNotFoundError("No module named 'attr'", name="attr"))
    with pytest.raises(MissingExtraError, match="MediaPipe's own attr is not installed: run `pip install mediapipe`"):
        load_face_detector()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            ImportError("libGL.so.1: cannot open shared object file"),
            "apt-get install libgl1",
        ),
        (OSError("libGLESv2.so.2: cannot open shared object file"), "apt-get .*libgles2"),
        (ImportError("numpy.core.multiarray\nfailed to import"), "pip install --force-reinstall mediapipe"),
    ],
)
def test_mediapipe_does_not_start(monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str) -> None:
    fail_import(monkeypatch, "mediapipe", error)
    with pytest.raises(MissingExtraError, match=f"^MediaPipe does not start.*{remedy}") as caught:
        load_face_detector()
    assert "\n" not in str(caught.value)


def test_without_solutions_the_tasks_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so its model file is looked for."""
    no_solutions(monkeypatch)
    monkeypatch.setattr(lipscribe.faces.face_model, "find_face_model", lambda: _stop())
    with pytest.raises(MissingExtraError, match="looked for the model"):
        load_face_detector()


def _stop() -> None:
    raise MissingExtraError("looked for the model")


def test_solutions_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    no_solutions(monkeypatch)
    with pytest.raises(MissingExtraError, match=r'no `mediapipe.solutions`: run `pip install "mediapipe<=0.10.21"`'):
        load_face_detector("solutions")
