"""Room for frames that are kept."""

import numpy as np

BLOCK_BYTES = 16_000_000  # numpy asks the system for huge pages from 4 MB on


class Blocks:
    """Copies frames into few large arrays.

    Memory that is touched for the first time costs a page fault every 4 KB: in a frame of 360x288 that sums up to as
    much as decoding it. Large arrays are backed by huge pages where the system has them, and have few faults.
    """

    def __init__(self) -> None:
        self._block = np.empty((0, 0, 0, 3), np.uint8)
        self._num_used = 0

    def copy(self, frame: np.ndarray) -> np.ndarray:
        """A copy of a frame (H, W, 3) uint8."""
        if self._num_used == len(self._block) or frame.shape != self._block.shape[1:]:
            self._block = np.empty((max(1, BLOCK_BYTES // frame.nbytes), *frame.shape), np.uint8)
            self._num_used = 0
        copied = self._block[self._num_used]
        self._num_used += 1
        np.copyto(copied, frame)
        return copied
