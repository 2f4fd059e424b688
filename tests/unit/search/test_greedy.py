import numpy as np
import pytest

from lipscribe.search.greedy import greedy_search


def test_the_best_path_collapsed(random_log_probs, enumerate_paths):
    log_probs = random_log_probs(4, 6, 3, seed=0)
    for found, clip in zip(greedy_search(log_probs, np.full(4, 6)), log_probs, strict=True):
        _, tokens, score = max(enumerate_paths(clip), key=lambda item: item[2])
        assert found.tokens == tokens
        assert found.score == pytest.approx(score)


def test_repeats_and_blanks():
    path = [1, 1, 0, 1, 2, 2, 0, 0, 2, 1]
    assert greedy_search(np.log(np.eye(3)[path] + 1e-9)[None], np.array([10]))[0].tokens == (1, 1, 2, 2, 1)


def test_padding_is_not_read(random_log_probs):
    log_probs = random_log_probs(2, 8, 4, seed=1)
    alone = greedy_search(log_probs[1:, :5], np.array([5]))
    log_probs[1, 5:] = np.nan
    assert greedy_search(log_probs, np.array([8, 5]))[1:] == alone


def test_no_frames():
    assert greedy_search(np.zeros((2, 0, 3)), np.array([0, 0])) == [((), 0.0), ((), 0.0)]
