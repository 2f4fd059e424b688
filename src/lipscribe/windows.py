"""Long runs of crops in bounded memory: the network encodes windows, the search takes pieces."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from lipscribe.encoded import Encoded, halved, joined
from lipscribe.models.encoder_specs import NEARBY, WindowSizes
from lipscribe.mouth import CROP_SIZE

STILL = 13  # frames, half a second: length of the still stretch at which a piece is cut
PIECE = 1500  # frames searched at once: 60 s; longer runs are cut where nobody speaks


class Windows:
    """Encodes a run in windows as its crops arrive; each window has context on both sides.

    Args:
        encode: Crops (T, 96, 96) uint8 -> `Encoded`.
        encode_window: The same for the windows of a run that does not fit in one; None is `encode`.
        times: How many times as long such windows are: less of them is context, but they take more memory.

    Attributes:
        is_whole: Whether the run fits in one window, as far as it has come.
    """

    def __init__(
        self,
        encode: Callable[[np.ndarray], Encoded],
        sizes: WindowSizes = NEARBY,
        encode_window: Callable[[np.ndarray], Encoded] | None = None,
        times: int = 1,
    ):
        self._encode_whole = encode
        self._encode_window = encode_window or encode
        self._max_whole = sizes.window + sizes.context
        self._sizes = sizes = replace(sizes, window=times * sizes.window)
        self._crops = np.empty((sizes.window + 2 * sizes.context, CROP_SIZE, CROP_SIZE), np.uint8)
        self._num_held = 0  # of the crops
        self._before = 0  # frames of context at the start of the buffer
        self.is_whole = True

    def add(self, crop: np.ndarray) -> Encoded | None:
        """Adds one crop (96, 96) uint8; yields the frames of a window that it completes."""
        full = self._num_held == self._before + self._sizes.window + self._sizes.context
        encoded = self._read(self._encode_window, self._sizes.window) if full else None
        self._crops[self._num_held] = crop
        self._num_held += 1
        self.is_whole &= self._num_held <= self._max_whole
        return encoded

    def finish(self) -> Encoded:
        """The frames of the last window."""
        return self._read(self._encode_whole if self.is_whole else self._encode_window, self._num_held - self._before)

    def _read(self, encode: Callable[[np.ndarray], Encoded], keep: int) -> Encoded:
        end = self._before + keep
        encoded = encode(self._crops[: self._num_held])[self._before : end]
        self._before = min(self._sizes.context, end)
        first = end - self._before
        self._crops[: self._num_held - first] = self._crops[first : self._num_held]
        self._num_held -= first
        return encoded


class Pieces:
    """Cuts a run into pieces as its frames are encoded, at the stillest half second of each.

    Args:
        blanks: Returns the (T,) log-probabilities of the blank for encoded frames.
        length: Maximum number of frames of a piece.
    """

    def __init__(self, blanks: Callable[[Encoded], np.ndarray], length: int = PIECE):
        self._find_blanks = blanks
        self._length = length
        self._start = 0  # index in the run of the first buffered frame
        self._held: Encoded | None = None
        self._blanks = np.zeros(0)

    def add(self, encoded: Encoded) -> Iterator[tuple[int, Encoded]]:
        """Adds the next frames; yields the pieces that they complete: index of the first frame, and the frames."""
        self._held = encoded if self._held is None else joined(self._held, encoded)
        self._blanks = np.concatenate([self._blanks, self._find_blanks(encoded)])
        while len(self._held) > self._length:
            silence = np.exp(self._blanks[self._length // 2 : self._length])
            stillest = np.argmax(np.convolve(silence, np.ones(STILL), mode="same"))
            yield self._take(self._length // 2 + int(stillest))

    def finish(self) -> Iterator[tuple[int, Encoded]]:
        """Yields the last piece, if any."""
        if self._held is not None:
            yield self._take(len(self._held))

    def _take(self, length: int) -> tuple[int, Encoded]:
        assert self._held is not None
        start, piece = self._start, self._held[:length]
        self._start, self._held, self._blanks = start + length, self._held[length:], self._blanks[length:]
        return start, piece


class _Rows:
    """An array that grows by rows.

    Many small arrays between the network's buffers would fragment memory: a quarter of a GB in half an hour of video.

    Args:
        halve: Store long arrays as float16: a decoder's states take 230 MB an hour in float32, without a gain in WER.
    """

    def __init__(self, halve: bool = False):
        self._halve = halve
        self._array: np.ndarray | None = None  # the rows, and spare capacity
        self._length = 0

    @property
    def rows(self) -> np.ndarray | None:
        return None if self._array is None else self._array[: self._length]

    def add(self, rows: np.ndarray | None) -> None:
        if rows is None:
            return
        stop = self._length + len(rows)
        if self._array is None:
            self._array = np.empty((stop, *rows.shape[1:]), rows.dtype)
        if self._halve and stop > PIECE and self._array.dtype != np.float16:
            kept = self._array[: self._length]
            self._array = np.empty(self._array.shape, np.float16)
            self._array[: len(kept)] = halved(kept)
        if stop > len(self._array):
            room = np.empty((len(self._array) + len(rows), *rows.shape[1:]), self._array.dtype)
            self._array = np.concatenate([self._array, room])  # at least doubled
        self._array[self._length : stop] = halved(rows) if self._array.dtype == np.float16 else rows
        self._length = stop


def encode_in_windows(
    encode: Callable[[np.ndarray], Encoded], crops: Iterable[np.ndarray], sizes: WindowSizes = NEARBY
) -> Encoded:
    """An iterable of crops, (96, 96) uint8 each -> the `Encoded` of all."""
    windows, states, log_probs = Windows(encode, sizes), _Rows(halve=True), _Rows()
    for crop in crops:
        if (encoded := windows.add(crop)) is not None:
            states.add(encoded.states)
            log_probs.add(encoded.log_probs)
    last = windows.finish()
    states.add(last.states)
    log_probs.add(last.log_probs)
    return replace(last, states=states.rows, log_probs=log_probs.rows)
