"""The published beam search: against the reference's own results, against every sentence written out, and itself."""

import functools
import json
from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import torch
from auto_avsr_golden import GOLDEN, VOCAB, needs_golden, renamed, video, weights
from table_scorer import TableScorer

from lipscribe.models.auto_avsr import AutoAVSRFrontend
from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.rel_conformer import RelConformerEncoder
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.transformer_decoder import TransformerDecoder
from lipscribe.search import SearchOptions, own_search, search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.joint_beam import Ended, Sources, Weights, joint_beam_search, joint_search
from lipscribe.tokenizer import WordTokenizer

EOS = VOCAB - 1
END = 3  # of the toys: a blank, two words and the end
TOKENIZER = WordTokenizer(["a", "b", "<eos>"])
SIZES = {"small": (64, 4, (128, 2), (128, 2)), "full": (768, 12, (3072, 12), (3072, 6))}


@functools.lru_cache(maxsize=1)  # of 1 GB
def network(config: str, variant: str) -> LipReader:
    hidden, heads, (ff, blocks), (decoder_ff, layers) = SIZES[config]
    reader = LipReader(
        AutoAVSRFrontend((64, 128, 256, 512), 5, "swish", 0.0),
        RelConformerEncoder(512, hidden, ff, blocks, heads, 31),
        CTCHead(hidden, VOCAB),
        TransformerDecoder(hidden, VOCAB, hidden, heads, decoder_ff, layers, 0.0),
    )
    reader.load_state_dict(renamed(weights(config, variant)))
    return reader.eval()


@functools.lru_cache(maxsize=1)
def clip(config: str, variant: str, num_frames: int) -> tuple[DecoderScorer, np.ndarray]:
    """The decoder's view of the first frames of the golden clip, and CTC's (T, V)."""
    reader = network(config, variant)
    with torch.inference_mode():
        states = reader.encode(video()[None, :num_frames, None], torch.tensor([num_frames]))
        log_probs = reader.ctc(states)[0].double().numpy()
    return DecoderScorer(reader.decoder, states), log_probs


def golden_cases(config: str) -> list[dict]:
    path = GOLDEN / f"beam_{config}.json"
    return json.loads(path.read_text())["cases"] if path.exists() else []


def as_written(found: Ended, max_tokens: int) -> list[int]:
    """The reference ends every sentence at the last step, also one that has just ended."""
    twice = found.complete and len(found.tokens) + 1 == max_tokens
    return [EOS, *found.tokens, EOS] + [EOS] * twice


@needs_golden
@pytest.mark.parametrize(
    ("config", "case"),
    [("small", case) for case in golden_cases("small")]
    + [pytest.param("full", case, marks=pytest.mark.slow) for case in golden_cases("full")],
)
def test_the_reference_search_is_repeated(config: str, case: dict):
    scorer, log_probs = clip(config, case["variant"], case["T"])
    ratio = case["maxlenratio"]
    max_tokens = case["T"] if ratio == 0 else -int(ratio) if ratio < 0 else max(1, int(ratio * case["T"]))
    found = joint_beam_search(
        Sources(scorer, log_probs), EOS, case["beam_size"], max_tokens, Weights(case["ctc_weight"]), ratio == 0
    )
    written = [as_written(one, max_tokens) for one in found]
    assert written[:10] == [one["yseq"] for one in case["nbest_f32"]]
    assert [one.score for one in found[:10]] == pytest.approx(case["nbest_scores_f64"], abs=3e-4)
    assert sorted(map(len, written)) == sorted(case["ended_lengths_f32"])
    for one in found:
        end = 0.0 if not one.complete else one.score - sum(one.token_scores)
        assert sum(one.token_scores) + end == pytest.approx(one.score)


@needs_golden
@pytest.mark.parametrize("config", ["small", pytest.param("full", marks=pytest.mark.slow)])
def test_ctc_prefix_scores_are_the_reference_ones(config: str):
    golden = np.load(GOLDEN / f"{config}.npz")
    _, log_probs = clip(config, "base", 32)
    scorer, state = CTCPrefixScorer(log_probs, EOS), None
    candidates = golden["ctcprefix_candidates"].astype(np.int64)[None]
    for i, token in enumerate(golden["ctcprefix_prefix"].astype(np.int64)):
        state = scorer.extend(np.array([token]), state)
        if i:
            paths = np.stack([state.token[0, 1:], state.blank[0, 1:]], axis=1)
            wanted = golden[f"ctcprefix_r_f64_{i - 1}"]
            possible = wanted > -1e9
            np.testing.assert_array_equal(np.isfinite(paths), possible)
            np.testing.assert_allclose(paths[possible], wanted[possible], atol=2e-4)
        wanted = golden["ctcprefix_scores_f64"][i]
        shares = scorer.shares(state, candidates)[0]
        np.testing.assert_allclose(shares, wanted, atol=2e-4)
        np.testing.assert_allclose(scorer.shares(state)[0, candidates[0]], shares, atol=1e-12)


def toy_scorer(seed: int = 0, num_frames: int = 4) -> TableScorer:
    return TableScorer(END + 1, num_frames, seed, end=END)


@pytest.mark.parametrize("length_bonus", [0.0, 0.7])
@pytest.mark.parametrize("ctc_weight", [0.1, 0.6, 1.0])
def test_a_huge_beam_sums_what_every_sentence_gets(ctc_weight, length_bonus, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(4, END + 1, seed=3, sharpness=1.0)
    decoder, lm = toy_scorer(), toy_scorer(seed=7)
    whole, begun = defaultdict(float), defaultdict(float)  # mass of the paths of a text, and of those that begin so
    for _, tokens, score in enumerate_paths(log_probs):
        whole[tokens] += np.exp(score)
        for length in range(len(tokens) + 1):
            begun[tokens[:length]] += np.exp(score)
    wanted = {}
    for length in range(4):
        for tokens in product((1, 2), repeat=length):
            ends = length < 3
            mass = (whole if ends else begun)[tokens]
            if mass:
                by_model = (1 - ctc_weight) * decoder.score(tokens, ends) + 0.4 * lm.score(tokens, ends)
                wanted[tokens] = ctc_weight * np.log(mass) + by_model + length_bonus * (length + ends)
    options = Weights(ctc_weight, lm=0.4, length=length_bonus)
    found = joint_beam_search(Sources(decoder, log_probs, lm), END, 1000, 3, options, stop_early=False)
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    assert [one.score for one in found] == pytest.approx(sorted(wanted.values(), reverse=True))
    assert all(one.complete == (len(one.tokens) < 3) for one in found)


def test_who_has_no_weight_is_not_asked(random_log_probs):
    log_probs = random_log_probs(4, END + 1, seed=3)
    assert joint_beam_search(Sources(None, log_probs), END, 3, 4, Weights(ctc=1.0))
    assert joint_beam_search(Sources(toy_scorer(), None), END, 3, 4, Weights(ctc=0.0))


@pytest.mark.parametrize("num_frames", [1, 2, 6])
def test_what_ctc_rules_out_is_not_followed(num_frames: int):
    log_probs = np.full((num_frames, END + 1), -np.inf)
    log_probs[:, :2] = np.log(0.5)  # only blanks and "a"
    found = joint_beam_search(Sources(toy_scorer(), log_probs), END, 10, 20, stop_early=False)
    assert {one.tokens for one in found} == {(1,) * length for length in range((num_frames + 1) // 2 + 1)}


def test_running_sums_keep_their_digits_where_frames_rule_a_token_out(enumerate_paths):
    log_probs = np.log(np.random.default_rng(0).dirichlet(np.ones(4), size=6))
    log_probs[[0, 3], 1] = log_probs[[2, 3], 0] = -np.inf
    scorer, state = CTCPrefixScorer(log_probs, END), None
    for token in (END, 1, 2, 1):
        state = scorer.extend(np.array([token]), state)
    with np.errstate(divide="ignore"):
        paths = [(path, tokens) for path, tokens, score in enumerate_paths(log_probs) if score > -np.inf]
    masses = [np.exp(log_probs[range(6), path].sum()) for path, tokens in paths if tokens == (1, 2, 1)]
    assert state.total[0, -1] == pytest.approx(np.log(sum(masses)))


@needs_golden
def test_a_batch_of_sentences_is_scored_as_each_alone():
    _, log_probs = clip("small", "base", 32)
    scorer = CTCPrefixScorer(log_probs, EOS)
    sentences, candidates = np.array([[166, 166, 4818], [1720, 5, 5], [9, 8, 7]]), np.array([[5, 166, EOS, 0]] * 3)

    def after(rows):
        state = scorer.extend(np.full(len(rows), EOS), None)
        for u in range(3):
            state = scorer.extend(rows[:, u], state)
        return state

    together = scorer.shares(after(sentences), candidates)
    alone = [scorer.shares(after(row[None]), candidates[:1])[0] for row in sentences]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    assert (together[:, 3] == -np.inf).all()


def test_readings_have_words_times_and_posteriors(random_log_probs):
    path = np.log(0.02 + 0.92 * np.eye(END + 1)[[0, 1, 1, 0, 0, 2]])
    found = joint_search(toy_scorer(), 6, TOKENIZER, 8, 5, path, Weights(0.9))
    assert (found[0].text, found[0].spans) == ("a b", ((1, 3), (5, 6)))
    assert [word.text for word in found[0].words] == ["a", "b"]
    assert all(0 < word.probability <= 1 for word in found[0].words)
    assert len(found) == 5
    assert [one.posterior for one in found] == sorted((one.posterior for one in found), reverse=True)
    assert sum(one.posterior for one in found) <= 1
    without_ctc = joint_search(toy_scorer(num_frames=6), 6, TOKENIZER, 8, 5)
    assert all(0 not in one.tokens for one in without_ctc)
    assert joint_search(toy_scorer(), 0, TOKENIZER, 8, 5)[0].text == ""


def test_by_search_it_is_taken_for_decoders_with_an_end_of_their_own(random_log_probs):
    log_probs, lengths = random_log_probs(2, 6, END + 1, seed=4), [6, 0]
    scorers = [toy_scorer(num_frames=6), toy_scorer()]
    found = search(log_probs, lengths, TOKENIZER, SearchOptions("joint", nbest=3, ctc_weight=0.2), scorers)
    assert found[0] == joint_search(scorers[0], 6, TOKENIZER, 16, 3, log_probs[0], Weights(0.2))
    assert [one.text for one in found[1]] == [""]
    assert search(None, lengths, TOKENIZER, SearchOptions("attention"), scorers)[0][0].words is not None
    options = SearchOptions("joint", alternatives=1, ctc_weight=0.2)
    (best,) = search(log_probs, lengths, TOKENIZER, options, scorers)[0]
    assert best.text == found[0][0].text
    assert any(word.rivals for word in best.words)


def test_a_transformer_has_its_own_options():
    own = own_search(ctc=True, decoder="transformer", grammar=None)
    assert (own.method, own.beam_size, own.ctc_weight) == ("joint", 10, 0.1)
    assert own_search(ctc=False, decoder="transformer", grammar=None).method == "attention"
