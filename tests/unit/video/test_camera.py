"""Frames that come by themselves: none is lost but for those that are dropped, and these are counted."""

import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipscribe.errors import VideoError
from lipscribe.video import Video, save_video
from lipscribe.video.camera import MAX_WAITING, LiveFrames, TimedFrame, open_camera, play_video

FRAME = np.zeros((4, 4, 3), np.uint8)


def timed(number: int, failure: Exception | None = None) -> Generator[TimedFrame]:
    for n in range(number):
        yield n / 25, FRAME + n
    if failure:
        raise failure


def times(frames: LiveFrames) -> list[int]:
    return [round(25 * at) for at, _ in frames]


def settle(frames: LiveFrames, number: int) -> None:
    """Waits until so many frames were taken."""
    until = time.monotonic() + 20
    while frames.num_frames < number and time.monotonic() < until:
        time.sleep(0.002)


def test_a_slow_reader_gets_every_frame_in_order_where_none_is_dropped():
    with LiveFrames(timed(100), drop=False) as frames:
        settle(frames, MAX_WAITING)
        time.sleep(0.02)
        assert frames.num_frames == MAX_WAITING  # the others wait
        assert times(frames) == list(range(100))
        assert (frames.num_frames, frames.num_dropped) == (100, 0)


def test_of_a_camera_the_oldest_frames_are_dropped_and_counted():
    with LiveFrames(timed(100), drop=True) as frames:
        settle(frames, 100)
        assert times(frames) == list(range(100 - MAX_WAITING, 100))
        assert (frames.num_frames, frames.num_dropped) == (100, 100 - MAX_WAITING)


def test_an_error_comes_after_the_frames_before_it():
    with LiveFrames(timed(3, VideoError("it broke")), drop=False) as frames:
        seen = []
        with pytest.raises(VideoError, match="it broke"):
            seen.extend(at for at, _ in frames)
        assert len(seen) == 3


def test_frames_that_wait_are_not_given_after_closing():
    frames = LiveFrames(timed(100), drop=False)
    settle(frames, MAX_WAITING)
    frames.close()
    assert times(frames) == []


def test_closing_ends_who_waits_and_what_gives_the_frames():
    let_go, closed = threading.Event(), threading.Event()

    def endless() -> Generator[TimedFrame]:
        try:
            yield 0.0, FRAME
            let_go.wait(20)
            while True:
                yield 1.0, FRAME
        finally:
            closed.set()

    frames = LiveFrames(endless(), drop=True)
    iterator: Iterator[TimedFrame] = iter(frames)
    assert next(iterator)[0] == 0.0
    threading.Timer(0.05, frames.close).start()
    assert list(iterator) == []
    let_go.set()
    assert closed.wait(20)


def test_a_camera_that_gives_nothing_is_told(monkeypatch):
    monkeypatch.setattr("lipscribe.video.camera.SILENT", 0.05)
    stuck = threading.Event()

    def silent() -> Generator[TimedFrame]:
        stuck.wait(20)
        yield 0.0, FRAME

    with LiveFrames(silent(), drop=True) as frames, pytest.raises(VideoError, match="no picture came"):
        next(iter(frames))
    stuck.set()


@pytest.fixture
def video(tmp_path: Path) -> Video:
    path = tmp_path / "clip.mp4"
    save_video(path, np.stack([np.full((32, 32, 3), 10 * n, np.uint8) for n in range(20)]), 25)
    return Video(path, 25)


@pytest.mark.parametrize("realtime", [False, True])
def test_a_video_is_played_like_a_camera(video: Video, realtime: bool):
    wanted = list(video)
    started = time.monotonic()
    with play_video(video, realtime) as frames:
        seen = list(frames)
    assert [at for at, _ in seen] == pytest.approx(np.arange(20) / 25)
    for (_, frame), same in zip(seen, wanted, strict=True):
        np.testing.assert_array_equal(frame, same)
    if realtime:
        assert time.monotonic() - started >= 19 / 25  # the last frame is not there earlier


class FakeCapture:
    """OpenCV's capture of a camera that gives three pictures."""

    opened = True

    def __init__(self, index: int):
        self.left = 3

    def isOpened(self) -> bool:
        return self.opened

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((2, 2, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.left = 0


def test_a_cameras_pictures_are_rgb_with_rising_times_until_it_is_unplugged(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    seen = []
    with open_camera(0) as camera, pytest.raises(VideoError, match="camera 0 gives no pictures: plug it in again"):
        seen.extend(camera)
    assert len(seen) == 3
    assert all(frame[0, 0].tolist() == [3, 2, 1] for _, frame in seen)
    assert [at for at, _ in seen] == sorted({at for at, _ in seen})
    assert 0 <= seen[0][0] < 20


@pytest.mark.parametrize(
    ("system", "exists", "may_open", "message"),
    [
        ("linux", False, True, r"there is no camera 7 \(/dev/video7\)"),
        ("linux", True, False, r"/dev/video7 may not be opened: run `sudo usermod -aG video"),
        ("linux", True, True, "end what else uses it"),
        ("darwin", False, True, "Privacy & Security"),
        ("win32", False, True, "allow programs to use it"),
    ],
)
def test_a_camera_that_cannot_be_opened_says_what_to_do(monkeypatch, system, exists, may_open, message):
    monkeypatch.setattr(cv2, "VideoCapture", type("Closed", (FakeCapture,), {"opened": False}))
    monkeypatch.setattr("lipscribe.video.camera.sys.platform", system)
    monkeypatch.setattr("lipscribe.video.camera.os.access", lambda path, mode: may_open)
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists if str(path) == "/dev/video7" else real(path))
    with pytest.raises(VideoError, match=message) as told:
        open_camera(7)
    assert "\n" not in str(told.value)
