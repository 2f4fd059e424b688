"""Child processes: what they may use, and what becomes of those that crash, hang or are no longer wanted."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.engines import Tell
from lipscribe.errors import VideoError
from lipscribe.server.children import Children, Limits, Stopped, TooSlowError
from lipscribe.server.errors import as_api_error
from lipscribe.server.opening import Clip, extract
from lipscribe.talker import Talker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    children = Children(1, tmp_path_factory.mktemp("children"), Limits(2_000_000_000, 1_000_000), seconds=100)
    yield children
    children.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "talker.mp4"
    Talker(3).say("red", duration=1.2).save(path)
    return path


def process(tell: Tell) -> int:
    return os.getpid()


def crash(tell: Tell) -> None:
    os.abort()


def sleep(tell: Tell) -> None:
    tell("asleep")
    time.sleep(1000)


def allocate(tell: Tell) -> int:
    return len(bytes(5_000_000_000))


def write(path: str, tell: Tell) -> None:
    Path(path).write_bytes(bytes(5_000_000))


def mask(tell: Tell) -> tuple[int, str]:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        return Path(file.name).stat().st_mode & 0o777, file.name


def run(children: Children, function, *args, seconds: float | None = None):
    return children.run(function, *args, stop=threading.Event(), seconds=seconds)


def test_one_process_serves_many_calls(children: Children):
    assert run(children, process) == run(children, process) != os.getpid()


def test_a_crash_costs_one_call(children: Children):
    before = run(children, process)
    with pytest.raises(VideoError, match="ended the process that read it"):
        run(children, crash)
    assert run(children, process) != before


def test_a_call_ends_when_it_takes_too_long_or_is_stopped(children: Children):
    run(children, process)
    with pytest.raises(TooSlowError, match=r"over 0\.2 s"):
        run(children, sleep, seconds=0.2)
    stop = threading.Event()
    with pytest.raises(Stopped), children.call(sleep, stop=stop) as call:
        for told in call:
            assert told == "asleep"
            stop.set()
    assert len(children.pids()) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such limits")
def test_limits(children: Children, tmp_path: Path):
    with pytest.raises(MemoryError) as error:
        run(children, allocate)
    assert "more memory than is allowed" in str(as_api_error(error.value))
    with pytest.raises(OSError, match="large"):
        run(children, write, str(tmp_path / "large"))


def test_temporary_files_are_private_and_in_the_folder(children: Children):
    mode, name = run(children, mask)
    assert mode == 0o600
    assert "children" in name


def test_videos_that_are_too_long_or_too_large(clip: Path):
    """Here, without a child."""

    def read(**limits: float) -> object:
        limits = {"max_duration": 60.0, "max_pixels": 10_000_000, **limits}
        return extract(Clip(str(clip), 25.0, "lipscribe", "moving", None, **limits), lambda told: None)

    assert read().num_frames == 30
    with pytest.raises(VideoError, match=r"longer than 1 s, the limit here"):
        read(max_duration=1.0)
    with pytest.raises(VideoError, match="megapixels"):
        read(max_pixels=10_000)
    with pytest.raises(VideoError, match=r"^the file: no such file"):
        extract(Clip("/nowhere/at-all", 25.0, "lipscribe", "moving", None, 1.0, 1), lambda told: None)
