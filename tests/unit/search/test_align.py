import numpy as np
import pytest
import torch

from lipscribe.errors import LipscribeError
from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.align import PRIOR_FRAMES, align, align_text, aligned_hypothesis, extents, with_extents
from lipscribe.search.hypothesis import Hypothesis, WordSpan
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


SAID = [(1, 12, 22), (2, 22, 30), (1, 40, 52)]  # a token, its first frame, and one past its last


def peaky(num_frames: int = 75, vocab_size: int = 4) -> np.ndarray:
    """What CTC without frame targets gives: one spike a token, and blank above it in all other frames of the token."""
    probs = np.full((num_frames, vocab_size), 1e-5)
    for token, start, stop in SAID:
        probs[start:stop, token] = 0.05
        probs[(start + stop) // 2, token] = 0.9
    probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
    return np.log(probs)


def test_a_spike_becomes_the_word_it_stands_for():
    tokens = tuple(token for token, _, _ in SAID)
    assert [span.end - span.start for span in align(peaky(), tokens).spans] == [1, 1, 1]
    assert extents(peaky(), tokens) == tuple((start, stop) for _, start, stop in SAID)


def test_extents_do_not_depend_on_how_long_the_clip_is():
    tokens = [token for token, _, _ in SAID]
    clip = peaky()
    still = np.tile(clip[:1], (1500, 1))
    alone, long = extents(clip, tokens), extents(np.concatenate([still, clip, still]), tokens)
    assert [(span.start - 1500, span.end - 1500) for span in long] == [tuple(span) for span in alone]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tokens", [(1, 2), (2, 2, 1)])
def test_extents_are_the_best_path_of_probabilities_over_their_means(tokens, seed, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(7, 3, seed=seed)
    assert len(log_probs) <= PRIOR_FRAMES  # the mean is of the whole clip
    divided = log_probs - np.log(np.exp(log_probs).mean(axis=0))
    best, score = None, -np.inf
    for path, spelt, _ in enumerate_paths(log_probs):
        if spelt == tokens and (here := divided[np.arange(7), list(path)].sum()) > score:
            best, score = path, here
    found = [0] * 7
    for token, span in zip(tokens, extents(log_probs, tokens), strict=True):
        found[span.start : span.end] = [token] * (span.end - span.start)
    assert found == list(best)


@pytest.mark.parametrize("num_frames", [5, 60, 200])
def test_extents_are_in_order_apart_and_within_the_clip(num_frames, random_log_probs):
    tokens = (1, 1, 2)
    spans = extents(random_log_probs(num_frames, 5, seed=num_frames), tokens)
    bounds = [frame for span in spans for frame in span]
    assert len(spans) == 3
    assert bounds == sorted(bounds)
    assert bounds[0] >= 0
    assert bounds[-1] <= num_frames
    assert all(span.end > span.start for span in spans)


def test_what_the_clip_rules_out_elsewhere_does_no_harm_to_extents():
    log_probs = np.full((5, 3), -np.inf)
    log_probs[np.arange(5), [0, 1, 1, 0, 2]] = 0.0
    assert extents(log_probs, (1, 2)) == ((1, 3), (4, 5))
    assert extents(log_probs, ()) == ()


def test_a_hypothesis_gets_extents_and_nothing_else_of_it_changes():
    tokens = tuple(token for token, _, _ in SAID)
    tokenizer = WordTokenizer(["a", "b", "c"])
    spans = align(peaky(), tokens).spans
    words = tuple(WordSpan(text, *span, 0.5) for text, span in zip("aba", spans, strict=True))
    spiky = Hypothesis(tokens, "a b a", -1.0, 0.5, spans, words)
    found = with_extents(spiky, peaky(), tokenizer)
    assert [(word.start, word.end) for word in found.words] == [(start, stop) for _, start, stop in SAID]
    assert [word.probability for word in found.words] == [0.5] * 3
    assert (found.tokens, found.text, found.score, found.posterior, found.spans) == (tokens, "a b a", -1.0, 0.5, spans)


@pytest.mark.parametrize("method", ["greedy", "beam", "grammar"])
def test_every_search_by_ctc_gives_words_their_extents(method):
    tokenizer = WordTokenizer(["a", "b", "c"])
    grammar = Grammar([["a", "c"], ["b", "c"], ["a", "c"]]) if method == "grammar" else None
    (found,) = search(peaky()[None], None, tokenizer, SearchOptions(method, grammar=grammar))[0]
    assert found.text == "a b a"
    assert [(word.start, word.end) for word in found.words] == [(start, stop) for _, start, stop in SAID]
    assert [span.end - span.start for span in found.spans] == [1, 1, 1]


def test_a_known_text_is_laid_over_its_clip():
    words = align_text(peaky(), "a b a", WordTokenizer(["a", "b", "c"]))
    assert [(word.text, word.start, word.end) for word in words] == [("a", 12, 22), ("b", 22, 30), ("a", 40, 52)]
    assert [word.probability for word in words] == pytest.approx(align(peaky(), (1, 2, 1)).probabilities)


def test_words_of_characters_last_from_their_first_to_their_last():
    tokenizer = CharacterTokenizer("ab ")
    probs = np.full((40, 4), 1e-5)
    probs[5:9, 1] = probs[12:16, 2] = probs[18:20, 3] = probs[24:30, 2] = 0.9  # "ab b"
    probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
    words = align_text(np.log(probs), "ab b", tokenizer)
    assert [(word.text, word.start, word.end) for word in words] == [("ab", 5, 16), ("b", 24, 30)]


def test_a_text_outside_the_vocabulary_is_named():
    with pytest.raises(LipscribeError, match="'z' of 'a z' are not among the 3"):
        align_text(peaky(), "a z", WordTokenizer(["a", "b", "c"]))
