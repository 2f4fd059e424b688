"""Long runs in bounded memory: every frame once, with what is around it, and cut where nobody speaks."""

import tracemalloc

import numpy as np
import pytest

from lipscribe.windows import LONG, PIECE, SHORT, Windows, WindowSizes, cut_into_pieces, see_in_windows

WINDOW, CONTEXT = SHORT.window, SHORT.context


def crops(num_frames: int) -> np.ndarray:
    """Crops whose first pixel counts the frames."""
    made = np.zeros((num_frames, 96, 96), np.uint8)
    made[:, 0, 0] = np.arange(num_frames) % 251
    return made


@pytest.mark.parametrize("sizes", [SHORT, LONG, WindowSizes(3, 0, 3)])
@pytest.mark.parametrize("lengths", [(0, 0, 0), (0, 0, 1), (1, 0, -1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)])
def test_windows_keep_every_frame_once_and_show_what_is_around(sizes: WindowSizes, lengths: tuple[int, int, int]):
    windows, contexts, more = lengths
    seen = []

    def see(window: np.ndarray) -> np.ndarray:
        seen.append(len(window))
        return window[:, 0, :1].astype(np.float32)

    for num_frames in (windows * sizes.window + contexts * sizes.context + more, 3 * sizes.window + 7):
        out = see_in_windows(see, iter(crops(num_frames)), sizes)
        np.testing.assert_array_equal(out[:, 0], np.arange(num_frames) % 251)
    assert max(seen) <= sizes.window + 2 * sizes.context


@pytest.mark.parametrize("sizes", [SHORT, LONG])
def test_a_run_of_a_window_and_its_context_is_read_whole(sizes: WindowSizes):
    seen = []
    for num_frames in (sizes.window + sizes.context, sizes.window + sizes.context + 1):
        see_in_windows(lambda window: seen.append(len(window)) or window[:, 0, :1], crops(num_frames), sizes)
    assert seen[0] == sizes.window + sizes.context
    assert len(seen) == 3


def test_long_windows_are_those_of_the_docs():
    assert LONG.decoder_piece == LONG.window + LONG.context == 13 * 25  # what is read whole is searched whole
    assert LONG.window + 2 * LONG.context == 16 * 25


def test_inner_windows_have_context_on_both_sides():
    seen = []
    see_in_windows(lambda window: (seen.append(window[[0, -1], 0, 0]), window[:, 0, :1])[1], crops(3 * WINDOW))
    first, last = 0, 3 * WINDOW - 1
    wanted = [(first, WINDOW + CONTEXT - 1), (WINDOW - CONTEXT, 2 * WINDOW + CONTEXT - 1), (2 * WINDOW - CONTEXT, last)]
    assert [tuple(ends) for ends in seen] == [(start % 251, end % 251) for start, end in wanted]


def test_what_stays_of_a_window_is_not_scattered_over_the_memory():
    # Small arrays kept from each window pin the freed memory of the network between them: 600 MB in an hour.
    windows = Windows(lambda window: np.zeros((len(window), 52), np.float32))
    crop = np.zeros((96, 96), np.uint8)
    for _ in range(3 * WINDOW):
        windows.add(crop)
    tracemalloc.start()
    for _ in range(40 * WINDOW):
        windows.add(crop)
    kept = [trace.size for trace in tracemalloc.take_snapshot().traces if trace.size > 5000]
    tracemalloc.stop()
    assert len(kept) <= 2, kept
    assert windows.finish().shape == (43 * WINDOW, 52)


def test_long_runs_are_cut_where_nobody_speaks():
    log_probs = np.log(np.full((4000, 2), [0.1, 0.9]))
    log_probs[1180:1220] = np.log([0.9, 0.1])
    log_probs[2480:2500] = np.log([0.9, 0.1])
    pieces = list(cut_into_pieces(log_probs))
    cuts = [stop for _, stop in pieces]
    assert [start for start, _ in pieces] == [0, *cuts[:-1]]
    assert 1180 <= cuts[0] < 1220
    assert 2480 <= cuts[1] < 2500
    assert cuts[-1] == 4000
    assert max(stop - start for start, stop in pieces) <= PIECE


def test_a_decoders_states_of_a_long_run_take_half_the_memory():
    crop = np.zeros((96, 96), np.uint8)
    for num_frames, kind in ((PIECE, np.float32), (PIECE + 200, np.float16)):
        states = see_in_windows(lambda crops: np.full((len(crops), 2, 3), 0.1, np.float32), [crop] * num_frames)
        assert (states.shape, states.dtype) == ((num_frames, 2, 3), kind)
        np.testing.assert_allclose(states, 0.1, rtol=1e-3)
    log_probs = see_in_windows(lambda crops: np.full((len(crops), 3), 0.1, np.float32), [crop] * (PIECE + 200))
    assert log_probs.dtype == np.float32
