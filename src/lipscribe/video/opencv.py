"""How many threads OpenCV uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, OpenCV computes in the calling thread; afterwards as before.

    Its pictures are small here. With two threads half an hour of video took 4.0 ms of processor time a frame instead of
    3.2, most of the difference in the system, to wake the second one.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
