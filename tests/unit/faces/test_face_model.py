"""Where the newer MediaPipe's model file is looked for, and how it is downloaded."""

import hashlib
import http.client
import io
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

import lipscribe.faces.face_model as face_model
from lipscribe.errors import CheckpointError, MissingExtraError
from lipscribe.faces.face_model import FACE_MODEL_URL, find_face_model


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("face_detector.tflite", b"weights")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's model path, in a folder that is not there yet; no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LIPSCRIBE_FACE_MODEL", raising=False)
    answer_with(monkeypatch, urllib.error.URLError("Name or service not known"))
    return tmp_path / "cache" / "lipscribe" / "face_landmarker.task"


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: bytes | Exception) -> None:
    def urlopen(url: str, timeout: float) -> io.BytesIO:
        assert url == FACE_MODEL_URL
        assert 0 < timeout < 60
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def test_the_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.task"
    path.write_bytes(archive())
    monkeypatch.setenv("LIPSCRIBE_FACE_MODEL", str(path))
    assert find_face_model() == path


@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>"])
def test_the_variable_names_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    path = tmp_path / "mine.task"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("LIPSCRIBE_FACE_MODEL", str(path))
    with pytest.raises(CheckpointError, match=r"LIPSCRIBE_FACE_MODEL names .*mine\.task, which is no MediaPipe model"):
        find_face_model()


def test_the_cache_is_used_without_asking_anybody(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(archive())
    assert find_face_model() == cache


def test_the_home_folder_holds_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache" / "lipscribe" / "face_landmarker.task"
    path.parent.mkdir(parents=True)
    path.write_bytes(archive())
    assert find_face_model() == path


@pytest.mark.parametrize("damaged", [False, True])
def test_it_is_downloaded_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool) -> None:
    if damaged:
        cache.parent.mkdir(parents=True)
        cache.write_bytes(archive()[:50])
    answer_with(monkeypatch, archive())
    monkeypatch.setattr(face_model, "FACE_MODEL_SHA256", hashlib.sha256(archive()).hexdigest())
    assert find_face_model() == cache
    assert cache.read_bytes() == archive()
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (urllib.error.URLError("Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (http.client.IncompleteRead(b"half"), "IncompleteRead"),
        (archive(), "another file"),
        (b"", "0 bytes"),
    ],
)
def test_without_it_the_user_is_told_where_it_is_and_belongs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | Exception, reason: str
) -> None:
    answer_with(monkeypatch, answer)
    with pytest.raises(MissingExtraError) as caught:
        find_face_model()
    message = str(caught.value)
    assert "\n" not in message
    for part in (reason, FACE_MODEL_URL, str(cache), "LIPSCRIBE_FACE_MODEL"):
        assert part in message
    assert not cache.exists()


def test_an_unwritable_cache_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.parent.write_bytes(b"a file where the folder should be")
    answer_with(monkeypatch, archive())
    monkeypatch.setattr(face_model, "FACE_MODEL_SHA256", hashlib.sha256(archive()).hexdigest())
    with pytest.raises(MissingExtraError, match="could not be downloaded"):
        find_face_model()
