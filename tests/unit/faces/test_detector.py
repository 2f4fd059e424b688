"""Which runtime is taken, what is said when none can be, and that all of them find the same."""

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lipscribe.errors import CheckpointError, ConfigError, MissingExtraError
from lipscribe.faces import load_face_detector, track_faces
from lipscribe.faces.networks import SHA256, find_runtime, load_network, read_checked
from lipscribe.talker import Talker

OPENCV_RUNS = int(cv2.__version__.split(".")[0]) < 5
needs_opencv_4 = pytest.mark.skipif(not OPENCV_RUNS, reason=f"OpenCV {cv2.__version__} cannot run the networks")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A talker: (T, 288, 360, 3) uint8."""
    return Talker(seed=3).say("place red", scene={"width": 360, "height": 288}).frames


def fail_import(monkeypatch: pytest.MonkeyPatch, start: str, error: Exception) -> None:
    """Makes every import of `start` and what is under it raise `error`, as if it were not installed."""
    real_import = builtins.__import__

    def import_or_fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == start or name.startswith(start + "."):
            raise error
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_or_fail)


@pytest.mark.parametrize("runtime", ["", "LiteRT", "mediapipe"])
def test_an_unknown_runtime_is_answered_with_those_there_are(runtime: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown face runtime '{runtime}': want one of auto, litert, opencv"):
        load_face_detector(runtime)


@pytest.mark.parametrize("max_faces", [0, -3, 1.5, "a"])
def test_no_faces_cannot_be_asked_for(max_faces: int) -> None:
    with pytest.raises(ConfigError, match=f"max_faces is {max_faces!r}: want a whole number from 1"):
        load_face_detector(max_faces=max_faces)


def test_litert_is_taken_where_it_is_installed() -> None:
    assert find_runtime() == "litert"


def test_without_litert_opencv_4_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_import(monkeypatch, "ai_edge_litert", ModuleNotFoundError("No module", name="ai_edge_litert"))
    monkeypatch.setattr(cv2, "__version__", "4.14.0")
    assert find_runtime() == "opencv"


def test_neither_runtime_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_import(monkeypatch, "ai_edge_litert", ModuleNotFoundError("No module", name="ai_edge_litert"))
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    with pytest.raises(MissingExtraError, match=r"run `pip install ai-edge-litert`.*'opencv-python-headless<5'"):
        load_face_detector()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No", name="ai_edge_litert"), "LiteRT is not installed: run `pip install ai-edge-litert`"),
        (ModuleNotFoundError("No", name="flatbuffers"), "LiteRT's own flatbuffers is not installed: run `pip install"),
        (
            ImportError("libx.so: cannot\nopen"),
            r"LiteRT does not start \(libx.so: cannot open\): run `pip install --fo",
        ),
        (OSError("invalid ELF header"), r"LiteRT does not start \(invalid ELF header\): run `pip install --force"),
    ],
)
def test_litert_does_not_start(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    fail_import(monkeypatch, "ai_edge_litert.interpreter", error)
    with pytest.raises(MissingExtraError, match=message) as caught:
        load_face_detector("litert")
    assert "\n" not in str(caught.value)


def test_litert_that_is_broken_is_told_from_one_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_import(monkeypatch, "ai_edge_litert", ImportError("libx.so: cannot open"))
    with pytest.raises(MissingExtraError, match=r"LiteRT does not start \(libx.so: cannot open\)"):
        load_face_detector()


def test_opencv_5_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    with pytest.raises(MissingExtraError, match=r"OpenCV 5\.0\.0 cannot run .*: run `pip install 'opencv-python-h"):
        load_face_detector("opencv")


def test_a_damaged_network_is_told_from_a_missing_one(tmp_path: Path) -> None:
    good = read_checked("face_landmark")
    (tmp_path / "face_landmark.tflite").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"face_landmark\.tflite is damaged .*: install Lipscribe again"):
        read_checked("face_landmark", tmp_path)
    (tmp_path / "face_landmark.tflite").unlink()
    with pytest.raises(CheckpointError, match=r"face_landmark\.tflite cannot be read \(No such file.*: install Lips"):
        read_checked("face_landmark", tmp_path)


@pytest.mark.parametrize("name", sorted(SHA256))
def test_the_networks_are_there(name: str) -> None:
    assert len(read_checked(name)) > 200_000


@needs_opencv_4
def test_opencv_has_no_full_range() -> None:
    with pytest.raises(ConfigError, match=r"OpenCV cannot run the face network .*: want the runtime litert"):
        load_network("face_detection_full_range_sparse", "opencv")


@needs_opencv_4
@pytest.mark.parametrize(("name", "size"), [("face_landmark", 192), ("face_detection_short_range", 128)])
def test_both_runtimes_compute_the_same(frames: np.ndarray, name: str, size: int) -> None:
    picture = cv2.resize(frames[0], (size, size))
    by_litert, by_opencv = (load_network(name, runtime).run(picture) for runtime in ("litert", "opencv"))
    for ours, theirs in zip(by_litert, by_opencv, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=5e-3)


@needs_opencv_4
def test_opencv_finds_the_same_faces(frames: np.ndarray) -> None:
    (by_litert,), (by_opencv,) = (track_faces(frames, 25.0, load_face_detector(name)) for name in ("litert", "opencv"))
    assert by_litert.coverage == by_opencv.coverage == 1.0
    assert np.linalg.norm(by_litert.landmarks - by_opencv.landmarks, axis=-1).mean() < 0.05


def test_outputs_are_the_callers() -> None:
    """Those of one picture stay as they are when the next one is computed."""
    network = load_network("face_landmark", "litert")
    first = network.run(np.zeros((192, 192, 3), np.uint8))
    as_they_were = [out.copy() for out in first]
    network.run(np.full((192, 192, 3), 255, np.uint8))
    for kept, wanted in zip(first, as_they_were, strict=True):
        np.testing.assert_array_equal(kept, wanted)
    assert [out.size for out in first] == [468 * 3, 1]


def test_nothing_is_written_to_the_terminal(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from lipscribe.faces import track_faces; "
        "print(len(track_faces(np.zeros((3, 288, 360, 3), np.uint8))))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")
