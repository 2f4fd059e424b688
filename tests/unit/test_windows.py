"""Long runs in bounded memory: every frame once, with what is around it, and cut where nobody speaks."""

import tracemalloc

import numpy as np
import pytest

from lipscribe.encoded import Encoded
from lipscribe.models.encoder_specs import ATTENDS_TO_ALL as LONG
from lipscribe.models.encoder_specs import NEARBY as SHORT
from lipscribe.models.encoder_specs import WindowSizes
from lipscribe.windows import PIECE, Pieces, encode_in_windows

WINDOW, CONTEXT = SHORT.window, SHORT.context


def crops(num_frames: int) -> np.ndarray:
    """Crops whose first pixel counts the frames."""
    made = np.zeros((num_frames, 96, 96), np.uint8)
    made[:, 0, 0] = np.arange(num_frames) % 251
    return made


def first_pixels(window: np.ndarray) -> Encoded:
    return Encoded(None, window[:, 0, :1].copy())


@pytest.mark.parametrize("sizes", [SHORT, LONG, WindowSizes(3, 0, 3)])
@pytest.mark.parametrize("lengths", [(0, 0, 0), (0, 0, 1), (1, 0, -1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)])
def test_windows_keep_every_frame_once_and_show_what_is_around(sizes: WindowSizes, lengths: tuple[int, int, int]):
    windows, contexts, more = lengths
    seen = []

    def encode(window: np.ndarray) -> Encoded:
        seen.append(len(window))
        return Encoded(None, window[:, 0, :1].astype(np.float32))

    for num_frames in (windows * sizes.window + contexts * sizes.context + more, 3 * sizes.window + 7):
        out = encode_in_windows(encode, iter(crops(num_frames)), sizes).log_probs
        np.testing.assert_array_equal(out[:, 0], np.arange(num_frames) % 251)
    assert max(seen) <= sizes.window + 2 * sizes.context


@pytest.mark.parametrize("sizes", [SHORT, LONG])
def test_a_run_of_a_window_and_its_context_is_read_whole(sizes: WindowSizes):
    seen = []
    for num_frames in (sizes.window + sizes.context, sizes.window + sizes.context + 1):
        encode_in_windows(lambda window: seen.append(len(window)) or first_pixels(window), crops(num_frames), sizes)
    assert seen[0] == sizes.window + sizes.context
    assert len(seen) == 3


def test_long_windows_are_those_of_the_docs():
    assert LONG.decoder_piece == LONG.window + LONG.context == 13 * 25  # what is read whole is searched whole
    assert LONG.window + 2 * LONG.context == 16 * 25


def test_inner_windows_have_context_on_both_sides():
    seen = []
    encode_in_windows(lambda window: (seen.append(window[[0, -1], 0, 0]), first_pixels(window))[1], crops(3 * WINDOW))
    first, last = 0, 3 * WINDOW - 1
    wanted = [(first, WINDOW + CONTEXT - 1), (WINDOW - CONTEXT, 2 * WINDOW + CONTEXT - 1), (2 * WINDOW - CONTEXT, last)]
    assert [tuple(ends) for ends in seen] == [(start % 251, end % 251) for start, end in wanted]


def test_what_is_kept_of_a_long_run_is_not_scattered_over_the_memory():
    # Small arrays kept from each window pin the freed memory of the network between them: 600 MB in an hour.
    tracemalloc.start()
    crop = np.zeros((96, 96), np.uint8)
    encode = lambda window: Encoded(None, np.zeros((len(window), 52), np.float32))  # noqa: E731
    encoded = encode_in_windows(encode, (crop for _ in range(43 * WINDOW)))
    kept = [trace.size for trace in tracemalloc.take_snapshot().traces if trace.size > 5000]
    tracemalloc.stop()
    assert encoded.log_probs.shape == (43 * WINDOW, 52)
    assert len(kept) <= 2, kept


def pieces_of(encoded: Encoded, parts: int, length: int = PIECE) -> list[tuple[int, int]]:
    pieces = Pieces(lambda some: some.log_probs[:, 0], length)
    found = []
    for start in range(0, len(encoded), parts):
        found += [(at, at + len(piece)) for at, piece in pieces.add(encoded[start : start + parts])]
    return found + [(at, at + len(piece)) for at, piece in pieces.finish()]


@pytest.mark.parametrize("parts", [1, 150, 4000])
def test_long_runs_are_cut_where_nobody_speaks(parts: int):
    log_probs = np.log(np.full((4000, 2), [0.1, 0.9]))
    log_probs[1180:1220] = np.log([0.9, 0.1])
    log_probs[2480:2500] = np.log([0.9, 0.1])
    pieces = pieces_of(Encoded(None, log_probs), parts)
    cuts = [stop for _, stop in pieces]
    assert [start for start, _ in pieces] == [0, *cuts[:-1]]
    assert 1180 <= cuts[0] < 1220
    assert 2480 <= cuts[1] < 2500
    assert cuts[-1] == 4000
    assert max(stop - start for start, stop in pieces) <= PIECE


def test_a_piece_is_cut_in_the_middle_of_the_longest_silence_of_half_a_second():
    # Twelve silent frames, one short of the window, lose against thirteen: the window counts.
    blanks = np.full(400, 0.01)
    blanks[110:122] = 0.99
    blanks[170:183] = 0.98
    log_probs = np.log(np.stack([blanks, 1 - blanks], axis=1))
    assert pieces_of(Encoded(None, log_probs), 400, length=200)[0] == (0, 176)


def test_a_short_and_sure_silence_of_half_a_second_is_stiller_than_a_long_one():
    # Over 13 frames the first sums to 13 and the second to 12.35; over 14 frames the second would win.
    blanks = np.zeros(400)
    blanks[110:123] = 1.0
    blanks[150:190] = 0.95
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.stack([blanks, 1 - blanks], axis=1))
    assert pieces_of(Encoded(None, log_probs), 400, length=200)[0] == (0, 116)


def test_of_nothing_there_is_one_empty_piece():
    assert pieces_of(Encoded(None, np.zeros((0, 2))), 10) == []
    pieces = Pieces(lambda some: some.log_probs[:, 0])
    assert list(pieces.add(Encoded(None, np.zeros((0, 2))))) == []
    assert [(start, len(piece)) for start, piece in pieces.finish()] == [(0, 0)]


def test_a_decoders_states_of_a_long_run_take_half_the_memory():
    crop = np.zeros((96, 96), np.uint8)
    for num_frames, kind in ((PIECE, np.float32), (PIECE + 200, np.float16)):
        encode = lambda crops: Encoded(np.full((len(crops), 2, 3), 0.1, np.float32), None)  # noqa: E731
        states = encode_in_windows(encode, [crop] * num_frames).states
        assert (states.shape, states.dtype) == ((num_frames, 2, 3), kind)
        np.testing.assert_allclose(states, 0.1, rtol=1e-3)
    encode = lambda crops: Encoded(None, np.full((len(crops), 3), 0.1, np.float32))  # noqa: E731
    assert encode_in_windows(encode, [crop] * (PIECE + 200)).log_probs.dtype == np.float32
