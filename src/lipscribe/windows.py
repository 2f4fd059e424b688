"""A long run of crops in bounded memory: the network reads it in windows, the search in pieces."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lipscribe.mouth import CROP_SIZE

PIECE = 1500  # frames searched at once: 60 s; longer runs are cut where nobody speaks


@dataclass(frozen=True)
class WindowSizes:
    """How long what a network and its decoder see at once is, in frames.

    Attributes:
        window: Frames read at once, whose output is kept.
        context: Frames beyond each side of a window that the network sees and whose output is thrown away. A run of up
            to `window + context` frames is read whole.
        decoder_piece: Frames that a decoder searches at once: what it attends to has to be about as long as what it
            learned from.
    """

    window: int
    context: int
    decoder_piece: int


SHORT = WindowSizes(150, 50, 150)  # 6 s, as long as two sentences of GRID
# For a network that attends to all that it sees, and learned from long utterances: up to 13 s are read whole and
# searched in one piece, as the published code does; at most 16 s are seen at once. What such a network says of a frame
# depends on all the others, so that windows come near to the whole and are not equal to it, least so at their seams.
LONG = WindowSizes(250, 75, 325)


class Windows:
    """Reads a run in windows as its crops come in; each window sees some context more on either side.

    What stays from window to window lies in two arrays. As many small ones, each allocated beside the network's own
    memory, it would keep the allocator from using that again: a quarter of a GB in half an hour of video.

    Args:
        see: Crops (T, 96, 96) uint8 -> a row of any shape for each.
    """

    def __init__(self, see: Callable[[np.ndarray], np.ndarray], sizes: WindowSizes = SHORT):
        self.num_frames = 0
        self._see = see
        self._sizes = sizes
        self._crops = np.empty((sizes.window + 2 * sizes.context, CROP_SIZE, CROP_SIZE), np.uint8)
        self._num_held = 0  # of the crops
        self._before = 0  # frames of context at the beginning of what is held
        self._out: np.ndarray | None = None  # a row a frame, and room for more
        self._num_read = 0

    def add(self, crop: np.ndarray) -> None:
        """Takes one crop (96, 96) uint8."""
        if self._num_held == self._before + self._sizes.window + self._sizes.context:
            self._read(self._sizes.window)
        self._crops[self._num_held] = crop
        self._num_held += 1
        self.num_frames += 1

    def finish(self) -> np.ndarray:
        """What was seen of all crops, a row a frame."""
        if self._num_held > self._before or not self._num_read:
            self._read(self._num_held - self._before)
        return self._out[: self._num_read]

    def _read(self, keep: int) -> None:
        end = self._before + keep
        self._store(self._see(self._crops[: self._num_held])[self._before : end])
        self._before = min(self._sizes.context, end)
        first = end - self._before
        self._crops[: self._num_held - first] = self._crops[first : self._num_held]
        self._num_held -= first

    def _store(self, seen: np.ndarray) -> None:
        stop = self._num_read + len(seen)
        if self._out is None:
            self._out = np.empty((stop, *seen.shape[1:]), seen.dtype)
        if stop > PIECE and seen.ndim > 2 and self._out.dtype != np.float16:
            kept = self._out[: self._num_read]  # a decoder's states: 230 MB an hour in float32, and no word better
            self._out = np.empty(self._out.shape, np.float16)
            self._out[: len(kept)] = kept
        if stop > len(self._out):
            room = np.empty((len(self._out) + len(seen), *seen.shape[1:]), self._out.dtype)
            self._out = np.concatenate([self._out, room])  # twice the room, and more
        self._out[self._num_read : stop] = seen
        self._num_read = stop


def see_in_windows(
    see: Callable[[np.ndarray], np.ndarray], crops: Iterable[np.ndarray], sizes: WindowSizes = SHORT
) -> np.ndarray:
    """Crops one by one, (96, 96) uint8 -> what `see` makes of them all, a row a frame."""
    windows = Windows(see, sizes)
    for crop in crops:
        windows.add(crop)
    return windows.finish()


def cut_into_pieces(log_probs: np.ndarray, piece: int = PIECE) -> Iterator[tuple[int, int]]:
    """Cuts a long run (T, V) into pieces of at most `piece` frames, each cut at the stillest half second there is.

    Yields:
        First frame of a piece, and the frame after its last.
    """
    start = 0
    while len(log_probs) - start > piece:
        silence = np.exp(log_probs[start + piece // 2 : start + piece, 0])
        stillest = np.argmax(np.convolve(silence, np.ones(13), mode="same"))
        stop = start + piece // 2 + int(stillest)
        yield start, stop
        start = stop
    yield start, len(log_probs)
