"""Frames with their capture times as they come, from a camera or from a video that is played like one."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from lipscribe.errors import VideoError
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video.video import Video

MAX_WAITING = 12  # frames: half a second, below the gap at which a stream begins again
SILENT: Seconds = 10.0  # without a picture for so long, a camera is taken for stuck

TimedFrame = tuple[Seconds, np.ndarray]


class LiveFrames:
    """Iterates over pairs of capture time and frame (H, W, 3) uint8 RGB, which a thread of its own takes.

    Use it in a `with` block, or call `close`.

    Args:
        frames: What gives them; it is closed in that thread.
        drop: Whether the oldest frames are dropped where they are not taken in time; otherwise they wait.

    Attributes:
        num_frames: Taken so far.
        num_dropped: Of these, dropped.
    """

    def __init__(self, frames: Generator[TimedFrame], drop: bool):
        self._frames, self._drop = frames, drop
        self._waiting: deque[TimedFrame] = deque()
        self._changed = threading.Condition()  # of all that follows
        self._closed = self._ended = False
        self._error: Exception | None = None
        self.num_frames = self.num_dropped = 0
        self._thread = threading.Thread(target=self._take, name="camera", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[TimedFrame]:
        while (item := self._next()) is not None:
            yield item

    def close(self) -> None:
        """Ends the frames, also for who waits for one; may be called from a signal handler."""
        with self._changed:
            self._closed = True  # and no more: a signal handler may run in the middle of `_next`
            self._changed.notify_all()

    def _next(self) -> TimedFrame | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._ended or self._closed, SILENT):
                raise VideoError(f"no picture came for {SILENT:g} s: plug the camera in again, or choose another one")
            if self._closed:
                return None
            if self._waiting:
                self._changed.notify_all()  # there is room again
                return self._waiting.popleft()
            if self._error is not None:
                raise self._error
            return None

    def _take(self) -> None:
        try:
            for item in self._frames:
                if not self._put(item):
                    break
        except Exception as error:
            self._error = error
        finally:
            self._frames.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: TimedFrame) -> bool:
        """Hands a frame over; False once nobody wants any more."""
        with self._changed:
            if not self._drop:
                self._changed.wait_for(lambda: len(self._waiting) < MAX_WAITING or self._closed)
            elif len(self._waiting) == MAX_WAITING:
                self._waiting.popleft()
                self.num_dropped += 1
            if self._closed:
                return False
            self._waiting.append(item)
            self.num_frames += 1
            self._changed.notify_all()
            return True


def open_camera(index: int = 0) -> LiveFrames:
    """Opens a camera; times are seconds since then.

    Args:
        index: Its number, from 0; on Linux that of /dev/video0.

    Raises:
        VideoError: It cannot be opened; the message says what to do. Iterating raises it where the camera stops.
    """
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # OpenCV prints its own account of a missing camera
    try:
        capture = cv2.VideoCapture(index)
    finally:
        logging.setLogLevel(level)
    if not capture.isOpened():
        raise VideoError(_why_closed(index))
    return LiveFrames(_captured(capture, index), drop=True)


def play_video(video: Video, realtime: bool = False) -> LiveFrames:
    """Plays a video like a camera; times are those of the file.

    Args:
        realtime: Whether frames come when they are due, and are dropped where they are not taken in time; otherwise
            they come as fast as they are taken.
    """
    return LiveFrames(_played(video, realtime), drop=realtime)


def _captured(capture: cv2.VideoCapture, index: int) -> Generator[TimedFrame]:
    started = time.monotonic()
    try:
        while True:
            came, picture = capture.read()
            captured = time.monotonic() - started
            if not came:
                raise VideoError(f"camera {index} gives no pictures: plug it in again, or end what else uses it")
            yield captured, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _played(video: Video, realtime: bool) -> Generator[TimedFrame]:
    started: Seconds | None = None
    for idx, frame in enumerate(video):
        due = frame_to_seconds(idx, video.fps)
        if realtime:
            started = time.monotonic() if started is None else started  # decoding has begun
            time.sleep(max(started + due - time.monotonic(), 0))
        yield frame_to_seconds(video.first_frame, video.fps) + due, frame


def _why_closed(index: int) -> str:
    """Why a camera cannot be opened, and what to do, in one line."""
    if sys.platform == "darwin":
        return (
            f"camera {index} cannot be opened: connect one, and allow this terminal to use it (System Settings, "
            "Privacy & Security, Camera)"
        )
    if not sys.platform.startswith("linux"):
        return f"camera {index} cannot be opened: connect one, allow programs to use it, or end what else uses it"
    device = Path(f"/dev/video{index}")
    if not device.exists():
        others = _devices()
        remedy = f"choose one of {', '.join(others)}" if others else "none is connected: connect one"
        return f"there is no camera {index} ({device}): {remedy}, or play a video like a camera"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened: run `sudo usermod -aG video $USER`, then log out and in again"
    return f"camera {index} ({device}) gives no pictures: end what else uses it, or choose another one"


def _devices() -> list[str]:
    """The video devices of Linux, such as "0 (Integrated Camera)"."""
    named = []
    for device in sorted(Path("/dev").glob("video[0-9]*"), key=lambda path: int(path.name[5:])):
        name = Path(f"/sys/class/video4linux/{device.name}/name")
        named.append(device.name[5:] + (f" ({name.read_text().strip()})" if name.is_file() else ""))
    return named
