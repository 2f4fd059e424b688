"""The published beam search: against the reference's own results, against every sentence written out, and itself."""

import functools
import json
from collections import defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from auto_avsr_golden import GOLDEN, VOCAB, needs_golden, ours, video, weights
from table_scorer import Bigrams, TableScorer, read_by_decoder

from lipscribe.models.conformer import ConformerEncoder
from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.resnet import ResNetFrontend
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.transformer_decoder import TransformerDecoder
from lipscribe.search import Capabilities, Grammar, SearchOptions, resolve, search
from lipscribe.search.beam import EXACT, PUBLISHED, Finished, beam_search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.scorers import Scorer, Weighted
from lipscribe.tokenizer import WordTokenizer

EOS = VOCAB - 1
END = 3  # of the toys: a blank, two words and the end
TOKENIZER = WordTokenizer(["a", "b", "<eos>"])
SIZES = {"small": (64, 4, (128, 2), (128, 2)), "full": (768, 12, (3072, 12), (3072, 6))}


@functools.lru_cache(maxsize=1)  # of 1 GB
def network(config: str, variant: str) -> LipReader:
    hidden, heads, (ff, blocks), (decoder_ff, layers) = SIZES[config]
    reader = LipReader(
        ResNetFrontend((64, 128, 256, 512), 5, "average", None, 88, 88, 0.0, "swish"),
        ConformerEncoder(512, hidden, ff, blocks, heads, 31, espnet=True),
        CTCHead(hidden, VOCAB),
        TransformerDecoder(hidden, VOCAB, hidden, heads, decoder_ff, layers, 0.0),
    )
    reader.load_state_dict(ours(weights(config, variant), reader))
    return reader.eval()


@functools.lru_cache(maxsize=1)
def clip(config: str, variant: str, num_frames: int) -> tuple[DecoderScorer, np.ndarray]:
    """The decoder's view of the first frames of the golden clip, and CTC's (T, V)."""
    reader = network(config, variant)
    with torch.inference_mode():
        states = reader.encode(video()[None, :num_frames, None], torch.tensor([num_frames]))
        log_probs = reader.ctc(states)[0].double().numpy()
    return DecoderScorer(reader.decoder, states), log_probs


def published_search(
    decoder: Scorer | None,
    log_probs: np.ndarray | None,
    end: int,
    beam_size: int,
    max_tokens: int,
    ctc_weight: float = 0.1,
    end_detection: bool = False,
    lm: Weighted | None = None,
    length_bonus: float = 0.0,
) -> list[Finished]:
    scorers = [Weighted(decoder, 1 - ctc_weight), *([lm] if lm else [])]
    ctc = None if log_probs is None else CTCPrefixScorer(log_probs, end)
    rules = replace(PUBLISHED, end_detection=end_detection)
    bonus = {"length_bonus": length_bonus}
    return beam_search(scorers, beam_size, max_tokens, end, rules, ctc=ctc, ctc_weight=ctc_weight, **bonus)


def golden_cases(config: str) -> list[dict]:
    path = GOLDEN / f"beam_{config}.json"
    return json.loads(path.read_text())["cases"] if path.exists() else []


def as_written(found: Finished, max_tokens: int) -> list[int]:
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
    found = published_search(
        scorer, log_probs, EOS, case["beam_size"], max_tokens, case["ctc_weight"], end_detection=ratio == 0
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
        scores = scorer.scores(state, candidates)[0]
        np.testing.assert_allclose(scores, wanted, atol=2e-4)
        np.testing.assert_allclose(scorer.scores(state)[0, candidates[0]], scores, atol=1e-12)


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
    weighted = Weighted(lm, 0.4, in_probability=False)
    found = published_search(decoder, log_probs, END, 1000, 3, ctc_weight, lm=weighted, length_bonus=length_bonus)
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    assert [one.score for one in found] == pytest.approx(sorted(wanted.values(), reverse=True))
    assert all(one.complete == (len(one.tokens) < 3) for one in found)


def test_who_has_no_weight_is_not_asked(random_log_probs):
    log_probs = random_log_probs(4, END + 1, seed=3)
    assert published_search(None, log_probs, END, 3, 4, ctc_weight=1.0)
    assert published_search(toy_scorer(), None, END, 3, 4, ctc_weight=0.0)


@pytest.mark.parametrize("num_frames", [1, 2, 6])
def test_what_ctc_rules_out_is_not_followed(num_frames: int):
    log_probs = np.full((num_frames, END + 1), -np.inf)
    log_probs[:, :2] = np.log(0.5)  # only blanks and "a"
    found = published_search(toy_scorer(), log_probs, END, 10, 20)
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

    together = scorer.scores(after(sentences), candidates)
    alone = [scorer.scores(after(row[None]), candidates[:1])[0] for row in sentences]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    assert (together[:, 3] == -np.inf).all()


def test_readings_have_words_times_and_posteriors(random_log_probs):
    path = np.log(0.02 + 0.92 * np.eye(END + 1)[[0, 1, 1, 0, 0, 2]])
    found = read_by_decoder(toy_scorer(), 6, TOKENIZER, path, beam_size=8, nbest=5, ctc_weight=0.9)
    assert (found[0].text, found[0].spans) == ("a b", ((1, 3), (5, 6)))
    assert [word.text for word in found[0].words] == ["a", "b"]
    assert all(0 < word.probability <= 1 for word in found[0].words)
    assert len(found) == 5
    assert [one.posterior for one in found] == sorted((one.posterior for one in found), reverse=True)
    assert sum(one.posterior for one in found) <= 1
    without_ctc = read_by_decoder(toy_scorer(num_frames=6), 6, TOKENIZER, beam_size=8, nbest=5)
    assert all(0 not in one.tokens for one in without_ctc)
    assert read_by_decoder(toy_scorer(), 0, TOKENIZER, beam_size=8, nbest=5)[0].text == ""


def test_by_search_it_is_taken_for_decoders_with_an_end_of_their_own(random_log_probs):
    log_probs, lengths = random_log_probs(2, 6, END + 1, seed=4), [6, 0]
    scorers = [toy_scorer(num_frames=6), toy_scorer()]
    found = search(log_probs, lengths, TOKENIZER, SearchOptions("joint", nbest=3, ctc_weight=0.2), scorers)
    wanted = published_search(toy_scorer(num_frames=6), log_probs[0], END, 10, 6, 0.2, end_detection=True)
    assert [(one.tokens, one.score) for one in found[0]] == [(one.tokens, one.score) for one in wanted[:3]]
    assert [one.text for one in found[1]] == [""]
    by_decoder = search(None, lengths, TOKENIZER, SearchOptions("attention", nbest=3), scorers)[0]
    wanted = published_search(toy_scorer(num_frames=6), None, END, 10, 6, 0.0, end_detection=True)
    assert by_decoder[0].score == wanted[0].score
    options = SearchOptions("joint", alternatives=1, ctc_weight=0.2)
    (best,) = search(log_probs, lengths, TOKENIZER, options, scorers)[0]
    assert best.text == found[0][0].text
    assert any(word.alternatives for word in best.words)


def test_a_transformer_has_its_own_options():
    able = Capabilities(TOKENIZER, decoder=True, own_end=True)
    own = resolve(able)
    assert (own.method, own.beam_size, own.ctc_weight, own.rules) == ("joint", 10, 0.1, PUBLISHED)
    assert resolve(replace(able, ctc=False)).method == "attention"
    assert resolve(able, SearchOptions("beam")).beam_size == 16


def test_where_little_may_follow_nothing_is_pruned():
    able = Capabilities(TOKENIZER, decoder=True, own_end=True)
    for options in ({"grammar": Grammar((("a",), ("b",)))}, {"lm": Bigrams()}):
        assert resolve(able, SearchOptions(**options)).rules == EXACT
        assert resolve(able, SearchOptions(**options, exact=False)).rules == PUBLISHED
    assert resolve(able, SearchOptions(exact=True)).rules == EXACT


def test_by_published_rules_a_grammar_chooses_the_candidates(random_log_probs):
    tokenizer = WordTokenizer([*"abcdefghij", "<eos>"])
    scorer, log_probs = TableScorer(12, 6, seed=3, end=11), random_log_probs(6, 12, seed=5)
    options = {"grammar": Grammar((("a", "j"), ("b", "i"))), "beam_size": 2, "exact": False}
    found = read_by_decoder(scorer, 6, tokenizer, log_probs, **options)
    assert found[0].text in {"", *(f"{x} {y}" for x in "aj" for y in "bi")}
    assert found[0].score > -np.inf
