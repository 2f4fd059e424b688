from collections import defaultdict

import numpy as np
import pytest

from lipscribe.search.align import align
from lipscribe.search.ctc_beam import ctc_beam_search


@pytest.mark.parametrize(("num_frames", "vocab_size"), [(5, 3), (4, 4), (7, 2)])
@pytest.mark.parametrize("sharpness", [0.5, 2.0, 8.0])
def test_a_huge_beam_is_exact(num_frames, vocab_size, sharpness, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(3, num_frames, vocab_size, seed=0, sharpness=sharpness)
    beams = ctc_beam_search(log_probs, np.full(3, num_frames), beam_size=400)
    for clip, beam in zip(log_probs, beams, strict=True):
        totals = defaultdict(float)
        for _, tokens, score in enumerate_paths(clip):
            totals[tokens] += np.exp(score)
        assert {found.tokens: np.exp(found.score) for found in beam} == pytest.approx(dict(totals))
        assert [found.score for found in beam] == sorted((found.score for found in beam), reverse=True)


def test_the_sum_beats_the_best_path():
    # The best path is all blank (0.36), but "1" has three paths with 0.24 + 0.24 + 0.16 = 0.64.
    log_probs = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]]))
    best, second = ctc_beam_search(log_probs, np.array([2]), beam_size=4)[0][:2]
    assert (best.tokens, np.exp(best.score)) == ((1,), pytest.approx(0.64))
    assert (second.tokens, np.exp(second.score)) == ((), pytest.approx(0.36))


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_small_beam_never_counts_a_path_twice(beam_size, random_log_probs):
    for seed in range(20):
        log_probs = random_log_probs(1, 12, 5, seed=seed, sharpness=1.5)
        beam = ctc_beam_search(log_probs, np.array([12]), beam_size)[0]
        assert 1 <= len(beam) <= beam_size
        assert len({found.tokens for found in beam}) == len(beam)
        for found in beam:
            assert found.score <= align(log_probs[0], found.tokens).log_total + 1e-9


@pytest.mark.parametrize("beam_size", [1, 2, 3])
@pytest.mark.parametrize("vocab_size", [4, 30])
def test_tokens_left_out_cannot_matter(beam_size, vocab_size, random_log_probs):
    # Against a plain search that tries every token.
    log_probs = random_log_probs(20, 8, vocab_size, seed=5, sharpness=1.0)
    for clip, found in zip(log_probs, ctc_beam_search(log_probs, np.full(20, 8), beam_size), strict=True):
        wanted = plain_beam_search(clip, beam_size)
        assert [item.tokens for item in found] == [tokens for tokens, _ in wanted]
        np.testing.assert_allclose([item.score for item in found], [score for _, score in wanted])


def plain_beam_search(log_probs, beam_size):
    """The textbook's loops and dictionary."""
    beam = {(): (0.0, -np.inf)}
    for frame in log_probs:
        grown = defaultdict(lambda: (-np.inf, -np.inf))
        for prefix, (blank, token) in beam.items():
            total = np.logaddexp(blank, token)
            grown[prefix] = (np.logaddexp(grown[prefix][0], total + frame[0]), grown[prefix][1])
            for idx in range(1, len(frame)):
                repeats = prefix[-1:] == (idx,)
                if repeats:
                    grown[prefix] = (grown[prefix][0], np.logaddexp(grown[prefix][1], token + frame[idx]))
                longer = (*prefix, idx)
                gained = (blank if repeats else total) + frame[idx]
                grown[longer] = (grown[longer][0], np.logaddexp(grown[longer][1], gained))
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))
        beam = dict(ranked[:beam_size])
    return [(prefix, np.logaddexp(*mass)) for prefix, mass in beam.items()]


def test_a_clip_reads_the_same_alone_and_padded_in_a_batch(random_log_probs):
    log_probs = random_log_probs(3, 9, 6, seed=6)
    lengths = np.array([9, 0, 5])
    log_probs[2, 5:] = np.nan
    log_probs[1] = np.nan
    batch = ctc_beam_search(log_probs, lengths, beam_size=4)
    for clip, length in enumerate(lengths):
        alone = ctc_beam_search(log_probs[clip : clip + 1, :length], lengths[clip : clip + 1], beam_size=4)[0]
        assert [found.tokens for found in batch[clip]] == [found.tokens for found in alone]
        np.testing.assert_allclose([found.score for found in batch[clip]], [found.score for found in alone])
    assert batch[1] == [((), 0.0)]


def test_impossible_tokens(enumerate_paths, random_log_probs):
    log_probs = random_log_probs(1, 6, 3, seed=7)
    log_probs[0, 1::2, 1] = -np.inf
    log_probs[0, 2] = [-np.inf, -np.inf, 0.0]
    totals = defaultdict(float)
    for _, tokens, score in enumerate_paths(log_probs[0]):
        totals[tokens] += np.exp(score)
    beam = ctc_beam_search(log_probs, np.array([6]), beam_size=200)[0]
    possible = {tokens: total for tokens, total in totals.items() if total > 0}
    assert {found.tokens: np.exp(found.score) for found in beam} == pytest.approx(possible)


def test_no_clips():
    assert ctc_beam_search(np.zeros((0, 4, 3)), np.zeros(0, dtype=np.int64), beam_size=2) == []
