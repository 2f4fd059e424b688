"""Child processes: what they may use, and what becomes of those that crash, hang or are no longer wanted."""

import inspect
import json
import os
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from lipscribe.engines import ForeignError, Tell, plain
from lipscribe.errors import NoFaceError, VideoError
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


class Program:
    """A pickle that leaves a file where it is read."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (Path(self.path),)


def taken_over(content: bytes, tell: Tell) -> None:
    """Sends whatever it likes, as a decoder would that a file has taken over."""
    send = inspect.getclosurevars(tell).nonlocals["send"]
    connection = inspect.getclosurevars(send).nonlocals["connection"]
    connection.send_bytes(content)
    time.sleep(1000)


def half_a_message(tell: Tell) -> None:
    send = inspect.getclosurevars(tell).nonlocals["send"]
    os.write(inspect.getclosurevars(send).nonlocals["connection"].fileno(), b"\0\0\1\0half")
    time.sleep(1000)


def fail(tell: Tell) -> None:
    raise KeyError("/home/somebody/secret.mp4")


def refuse(tell: Tell) -> None:
    raise NoFaceError("nobody is there")


def odd(tell: Tell) -> object:
    return Path("somewhere")


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


@pytest.mark.parametrize("number", range(4))
def test_nothing_that_a_child_sends_is_executed(children: Children, tmp_path: Path, number: int):
    path = tmp_path / "executed"
    content = [
        pickle.dumps(("done", Program(str(path)))),
        pickle.dumps(Program(str(path))),
        b'["done", ' + b"[" * 100_000,
        b'["executed", null]',
    ][number]
    pickle.loads(pickle.dumps(Program(str(path))))
    assert path.exists()  # it is such a program
    path.unlink()
    with pytest.raises(VideoError, match="ended the process that read it"):
        run(children, taken_over, content)
    assert not path.exists()
    assert run(children, process) > 0


def test_messages_have_a_greatest_size(children: Children):
    with pytest.raises(VideoError, match="ended the process that read it"):
        run(children, taken_over, json.dumps(["done", "x" * plain.MAX_BYTES]).encode())


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows has whole messages")
def test_half_a_message_is_not_waited_for(children: Children):
    run(children, process)
    with pytest.raises(VideoError, match="ended the process that read it"):
        run(children, half_a_message, seconds=0.2)
    assert run(children, process) > 0


def test_exceptions_come_back_by_name(children: Children):
    with pytest.raises(NoFaceError, match="nobody is there"):
        run(children, refuse)
    with pytest.raises(ForeignError, match=r"^KeyError in fail:\d+ < ") as error:
        run(children, fail)
    assert "secret" not in str(error.value)
    with pytest.raises(ForeignError, match=r"^TypeError in "):
        run(children, odd)


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

    assert read()["num_frames"] == 30
    with pytest.raises(VideoError, match=r"longer than 1 s, the limit here"):
        read(max_duration=1.0)
    with pytest.raises(VideoError, match="megapixels"):
        read(max_pixels=10_000)
    with pytest.raises(VideoError, match=r"^the file: no such file"):
        extract(Clip("/nowhere/at-all", 25.0, "lipscribe", "moving", None, 1.0, 1), lambda told: None)
