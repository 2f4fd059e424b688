"""Frames taken in advance by a thread: the same ones, the same errors, and nothing left running."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from lipscribe.errors import VideoError
from lipscribe.video.read_ahead import BATCH, BATCH_TIME, read_ahead


def frames(num: int, fails_after: int | None = None) -> Iterator[np.ndarray]:
    for t in range(num):
        if t == fails_after:
            raise VideoError("broken")
        yield np.full((2, 2, 3), t, np.uint8)


@pytest.mark.parametrize("num", [0, 1, BATCH, BATCH + 1, 30, 100])
def test_the_same_frames_in_the_same_order(num: int) -> None:
    assert [int(frame[0, 0, 0]) for frame in read_ahead(frames(num))] == list(range(num))


@pytest.mark.parametrize("after", [0, 1, BATCH, 10])
def test_an_error_comes_after_the_frames_before_it(after: int) -> None:
    got = []
    with pytest.raises(VideoError, match="broken"):
        for frame in read_ahead(frames(20, after)):
            got.append(int(frame[0, 0, 0]))  # noqa: PERF401, what came before the error counts
    assert got == list(range(after))


def test_no_more_than_a_few_are_taken() -> None:
    taken = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in frames(100):
            taken += 1
            yield frame

    ahead = read_ahead(counted(), 3)
    next(ahead)
    time.sleep(0.05)
    assert taken <= 4 * BATCH
    ahead.close()


def test_slow_frames_are_handed_over_one_by_one() -> None:
    taken = 0

    def slow() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in frames(10):
            time.sleep(2 * BATCH_TIME)
            taken += 1
            yield frame

    ahead = read_ahead(slow(), 1)
    next(ahead)
    assert taken <= 2
    ahead.close()


def test_who_stops_early_leaves_nothing_running() -> None:
    is_closed = threading.Event()

    def watched() -> Iterator[np.ndarray]:
        try:
            yield from frames(1000)
        finally:
            is_closed.set()

    before = threading.active_count()
    for _ in read_ahead(watched()):
        break
    assert is_closed.is_set()
    assert threading.active_count() == before
