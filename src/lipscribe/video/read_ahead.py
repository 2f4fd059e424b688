"""Decoding beside the work on the frames that are already there."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lipscribe.units import Seconds

BATCHES_AHEAD = 2
BATCH = 3  # frames handed over at once, at most
BATCH_TIME: Seconds = 0.002  # a batch that took longer is handed over as it is: large frames come one by one

Item = TypeVar("Item")


def read_ahead(frames: Iterator[Item], num_batches: int = BATCHES_AHEAD) -> Iterator[Item]:
    """The same frames (or crops) in the same order, some of them taken in advance by a thread.

    Decoding and scaling leave Python's lock free, so that they run beside what the frames are used for. Errors come
    where they would have come; who stops early leaves nothing running. The thread does not follow into a forked
    process: begin again there.

    Args:
        frames: What to take.
        num_batches: Taken in advance, of up to `BATCH` frames each: to hand over a small frame by itself takes a fifth
            of the time that decoding it does.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting = deque(pool.submit(_take, frames) for _ in range(num_batches))
        try:
            while batch := waiting.popleft().result():
                waiting.append(pool.submit(_take, frames))
                while batch:
                    frame = batch.popleft()  # those that are done with are let go
                    if isinstance(frame, _Failure):
                        raise frame.error
                    yield frame
        finally:
            for future in waiting:
                future.cancel()


class _Failure:
    """An error that comes in the place of a frame."""

    def __init__(self, error: Exception):
        self.error = error


def _take(frames: Iterator[Item]) -> deque[Item | _Failure]:
    """The next frames; none at the end."""
    batch: deque[Item | _Failure] = deque()
    until = time.perf_counter() + BATCH_TIME
    try:
        for frame in frames:
            batch.append(frame)
            if len(batch) == BATCH or time.perf_counter() >= until:
                break
    except Exception as error:
        batch.append(_Failure(error))
    return batch
