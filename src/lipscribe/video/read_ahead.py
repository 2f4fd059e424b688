"""Decoding beside the work on the frames that are already there."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

FRAMES_AHEAD = 4

Item = TypeVar("Item")


def read_ahead(frames: Iterator[Item], num_frames: int = FRAMES_AHEAD) -> Iterator[Item]:
    """The same frames (or crops) in the same order, a few of them taken in advance by a thread.

    Decoding and scaling leave Python's lock free, so that they run beside what the frames are used for. Errors come
    where they would have come; who stops early leaves nothing running. The thread does not follow into a forked
    process: begin again there.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting = deque(pool.submit(next, frames, None) for _ in range(num_frames))
        try:
            while (frame := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, frames, None))
                yield frame
        finally:
            for future in waiting:
                future.cancel()
