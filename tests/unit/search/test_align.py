import numpy as np
import pytest
import torch

from lipscribe.errors import LipscribeError
from lipscribe.search.align import align, aligned_hypothesis
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer


@pytest.mark.parametrize("tokens", [(), (3,), (1, 2, 3), (2, 2, 1, 1)])
def test_total_is_the_ctc_loss_of_torch(tokens, random_log_probs):
    log_probs = random_log_probs(12, 4, seed=0)
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None],
        torch.tensor([tokens], dtype=torch.long),
        [12],
        [len(tokens)],
        reduction="sum",
    )
    assert align(log_probs, tokens).log_total == pytest.approx(-loss.item())


@pytest.mark.parametrize("tokens", [(1, 2, 1), (2, 2)])
def test_probabilities_are_averages_over_all_alignments(tokens, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(6, 3, seed=1)
    weight, weighted = np.zeros(len(tokens)), np.zeros(len(tokens))
    for path, spelt, score in enumerate_paths(log_probs):
        if spelt != tokens:
            continue
        place = -1
        for frame_idx, token in enumerate(path):
            place += token != 0 and (frame_idx == 0 or path[frame_idx - 1] != token)
            if token != 0:
                weight[place] += np.exp(score)
                weighted[place] += np.exp(score) * np.exp(log_probs[frame_idx, token])
    np.testing.assert_allclose(align(log_probs, tokens).probabilities, weighted / weight)


def test_spans_and_probabilities_of_a_planted_sequence():
    # Token 1 is sure in frames 2-4, token 2 has 0.4 in frames 5-9 against five others, then silence.
    probs = np.full((12, 8), 1e-6)
    probs[[0, 1, 10, 11], 0] = probs[2:5, 1] = 1.0
    probs[5:10, 2:] = [0.4, 0.12, 0.12, 0.12, 0.12, 0.12]
    alignment = align(np.log(probs / probs.sum(axis=1, keepdims=True)), (1, 2))
    assert alignment.spans == ((2, 5), (5, 10))
    np.testing.assert_allclose(alignment.probabilities, [1.0, 0.4], atol=1e-3)


def test_words_are_as_probable_as_their_tokens_together(random_log_probs):
    tokenizer = CharacterTokenizer("ab ")
    log_probs = random_log_probs(14, 4, seed=2)
    tokens = tuple(tokenizer.encode("ab b"))
    alignment = align(log_probs, tokens)
    hypothesis = aligned_hypothesis(log_probs, tokens, tokenizer, score=-1.0)
    first, second = hypothesis.words
    assert (first.text, first.start, first.end) == ("ab", alignment.spans[0].start, alignment.spans[1].end)
    assert first.probability == pytest.approx(alignment.probabilities[0] * alignment.probabilities[1])
    assert second.probability == pytest.approx(alignment.probabilities[3])
    assert hypothesis.text == "ab b"
    assert hypothesis.posterior == pytest.approx(np.exp(alignment.log_total))


def test_impossible_tokens_elsewhere_do_no_harm():
    log_probs = np.full((5, 3), -np.inf)
    log_probs[np.arange(5), [0, 1, 1, 0, 2]] = 0.0
    alignment = align(log_probs, (1, 2))
    assert alignment.spans == ((1, 3), (4, 5))
    assert alignment.probabilities == (1.0, 1.0)
    assert alignment.score == alignment.log_total == 0.0


def test_no_frames():
    alignment = align(np.zeros((0, 3)), ())
    assert (alignment.spans, alignment.score, alignment.log_total) == ((), 0.0, 0.0)
    hypothesis = aligned_hypothesis(np.zeros((0, 3)), (), WordTokenizer(["a", "b"]), score=0.0)
    assert (hypothesis.text, hypothesis.words, hypothesis.posterior) == ("", (), 1.0)


def test_a_long_unlikely_alignment_keeps_its_numbers():
    # Every frame is almost sure to be blank: the mass of the sentence is far below what a float64 holds.
    log_probs = np.tile(np.log([1 - 2e-300, 1e-300, 1e-300]), (40, 1))
    alignment = align(log_probs, (1, 2, 1, 2))
    assert -3000 < alignment.log_total < -2700
    assert all(0 <= probability < 1e-200 for probability in alignment.probabilities)


def test_what_cannot_be_aligned(random_log_probs):
    log_probs = random_log_probs(3, 3, seed=3)
    with pytest.raises(LipscribeError, match="3 tokens do not fit into 3 frames: want at least 4"):
        align(log_probs, (1, 1, 2))
    with pytest.raises(LipscribeError, match=r"tokens \[0, 3\] cannot be aligned: want ids from 1 to 2"):
        align(log_probs, (1, 0, 3))
    log_probs[:, 2] = -np.inf
    with pytest.raises(LipscribeError, match="rules out every alignment"):
        align(log_probs, (2,))
