"""Searches and alignments against everything written out, for clips and grammars that hypothesis draws."""

from collections import defaultdict
from itertools import groupby, pairwise, product

import numpy as np
import pytest
from properties import examples
from table_scorer import TableScorer

from lipscribe.errors import LipscribeError
from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.align import align, extents
from lipscribe.search.beam import EXACT, beam_search
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.grammar import grammar_search
from lipscribe.search.greedy import greedy_search
from lipscribe.search.scorers import Weighted
from lipscribe.search.word_graph import (
    InOrder,
    Maybe,
    OneOf,
    Repeated,
    Rule,
    graph_of_rule,
    graph_of_texts,
    state_after,
)
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import assume, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

WORDS = ("a", "b")
NEVER = -np.inf


@st.composite
def clips(draw: st.DrawFn, max_frames: int = 5, max_vocab: int = 4, impossible: bool = True) -> np.ndarray:
    """(T, V) log-probabilities, sure or unsure, with tokens that are ruled out in some frames."""
    shape = draw(st.integers(0, max_frames)), draw(st.integers(2, max_vocab))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    logits = draw(st.sampled_from([0.0, 0.5, 2.0, 10.0, 80.0])) * rng.normal(size=shape)
    if impossible and draw(st.booleans()) and shape[0]:
        ruled_out = rng.random(shape) < 0.3
        ruled_out[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = False
        logits[ruled_out] = NEVER
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(path) if token)


def all_paths(log_probs: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    """Every path that is possible, and its log-probability."""
    num_frames, vocab_size = log_probs.shape
    scored = (
        (path, float(sum(log_probs[t, token] for t, token in enumerate(path))))
        for path in product(range(vocab_size), repeat=num_frames)
    )
    return [(path, score) for path, score in scored if score > NEVER]


def totals_of(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """The log-probability of each token sequence: the sum over its paths."""
    totals: dict[tuple[int, ...], float] = defaultdict(lambda: NEVER)
    for path, score in all_paths(log_probs):
        tokens = collapsed(path)
        totals[tokens] = float(np.logaddexp(totals[tokens], score))
    return dict(totals)


@examples(60)
@given(clips())
def test_the_prefix_beam_sums_over_all_paths(log_probs: np.ndarray):
    (beam,) = ctc_beam_search(log_probs[None], np.array([len(log_probs)]), beam_size=2000)
    assert {found.tokens: found.score for found in beam} == pytest.approx(totals_of(log_probs), abs=1e-9)
    assert [found.score for found in beam] == sorted((found.score for found in beam), reverse=True)


@examples(60)
@given(clips(max_frames=7), st.integers(1, 4))
def test_a_small_prefix_beam_never_claims_more_than_there_is(log_probs: np.ndarray, beam_size: int):
    (beam,) = ctc_beam_search(log_probs[None], np.array([len(log_probs)]), beam_size)
    totals = totals_of(log_probs)
    assert 1 <= len({found.tokens for found in beam}) == len(beam) <= beam_size
    assert all(found.score <= totals[found.tokens] + 1e-9 for found in beam)


@examples(60)
@given(clips())
def test_greedy_is_the_best_path(log_probs: np.ndarray):
    (found,) = greedy_search(log_probs[None], np.array([len(log_probs)]))
    best = max(score for _, score in all_paths(log_probs))
    assert found.score == pytest.approx(best, abs=1e-9)
    assert any(collapsed(path) == found.tokens for path, score in all_paths(log_probs) if score >= best - 1e-9)


@examples(80)
@given(clips(max_frames=6, max_vocab=3), st.lists(st.integers(1, 2), max_size=4))
def test_alignment_against_every_alignment(log_probs: np.ndarray, tokens: list[int]):
    assume(max(tokens, default=0) < log_probs.shape[1])
    paths = [(path, score) for path, score in all_paths(log_probs) if collapsed(path) == tuple(tokens)]
    if not paths:
        with pytest.raises(LipscribeError, match=r"do not fit into|rules out every alignment"):
            align(log_probs, tokens)
        return
    found = align(log_probs, tokens)
    best = max(score for _, score in paths)
    assert found.score == pytest.approx(best, abs=1e-9)
    assert found.log_total == pytest.approx(np.logaddexp.reduce([score for _, score in paths]), abs=1e-9)
    assert any(found.spans == spans_of(path) for path, score in paths if score >= best - 1e-9)
    seen = np.zeros((len(log_probs), len(tokens)))
    weight = np.zeros(len(tokens))
    for path, score in paths:
        for place, (start, end) in enumerate(spans_of(path)):
            share = np.exp(score - found.log_total)
            weight[place] += share * (end - start)
            seen[start:end, place] += share * np.exp(log_probs[start:end, tokens[place]])
    np.testing.assert_allclose(found.seen, seen, atol=1e-9)
    np.testing.assert_allclose(found.probabilities, seen.sum(0) / weight, atol=1e-9)


def spans_of(path: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    spans, at = [], 0
    for token, run in groupby(path):
        at, start = at + len(list(run)), at
        if token:
            spans.append((start, at))
    return tuple(spans)


@examples(80)
@given(clips(max_frames=40, max_vocab=5, impossible=False), st.lists(st.integers(1, 4), max_size=8))
def test_extents_rise_and_stay_inside_the_run(log_probs: np.ndarray, tokens: list[int]):
    needed = len(tokens) + sum(left == right for left, right in pairwise(tokens))
    assume(needed <= len(log_probs) and max(tokens, default=0) < log_probs.shape[1])
    spans = extents(log_probs, tokens)
    assert len(spans) == len(tokens)
    assert all(0 <= span.start < span.end <= len(log_probs) for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))


@examples(60)
@given(clips(max_frames=30, max_vocab=4), st.sampled_from(["greedy", "beam"]), st.integers(1, 3))
def test_words_of_a_search_rise_and_stay_inside_the_run(log_probs: np.ndarray, method: str, nbest: int):
    tokenizer = CharacterTokenizer("ab "[: log_probs.shape[1] - 1])
    options = SearchOptions(method, nbest=nbest) if method == "beam" else SearchOptions(method)
    for found in search(log_probs[None], None, tokenizer, options)[0]:
        words = found.words
        assert " ".join(word.text for word in words) == found.text == tokenizer.decode(found.tokens)
        assert all(0 <= word.start < word.end <= len(log_probs) for word in words)
        assert all(before.end <= after.start for before, after in pairwise(words))
        assert all(0 <= word.probability <= 1 for word in words)
        assert 0 <= found.posterior <= 1 + 1e-9


def rules(words: tuple[str, ...] = WORDS) -> st.SearchStrategy[Rule]:
    return st.recursive(
        st.sampled_from(words),
        lambda inner: st.one_of(
            st.builds(OneOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(InOrder, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(Maybe, inner),
            st.builds(Repeated, inner),
        ),
        max_leaves=5,
    )


Texts = frozenset[tuple[str, ...]]


def texts_of(rule: Rule, most: int) -> Texts:
    """The texts of a rule of at most so many words, by what the rules mean."""
    match rule:
        case str():
            return frozenset({(rule,)}) if most else frozenset()
        case OneOf():
            return frozenset().union(*(texts_of(each, most) for each in rule.rules))
        case InOrder():
            texts: Texts = frozenset({()})
            for each in rule.rules:
                texts = joined(texts, texts_of(each, most), most)
            return texts
        case Maybe():
            return texts_of(rule.rule, most) | {()}
        case Repeated():
            return repeated(texts_of(rule.rule, most), most)
    raise AssertionError(rule)


def joined(first: Texts, second: Texts, most: int) -> Texts:
    return frozenset(one + two for one in first for two in second if len(one) + len(two) <= most)


def repeated(once: Texts, most: int) -> Texts:
    texts, before = once, frozenset()
    while texts != before:
        before, texts = texts, texts | joined(texts, once, most)
    return texts


@examples(400)
@given(rules())
def test_a_graph_has_the_texts_of_its_rule(rule: Rule):
    graph = graph_of_rule(rule)
    wanted = repeated(texts_of(rule, 4), 4) | {()}  # any number of sentences
    ends = dict(graph.ends)
    found = [text for length in range(5) for text in product(WORDS, repeat=length) if state_after(graph, text) in ends]
    assert set(found) == wanted
    if graph.sentence_words is not None:
        assert all(len(text) % graph.sentence_words == 0 for text in wanted)


def check_grammar(log_probs: np.ndarray, grammar: Grammar, tokenizer: WordTokenizer, texts: dict[tuple, float]) -> None:
    """A search against all texts: the score is that of the best path and the text, the posterior has all paths."""
    best: dict[tuple[int, ...], float] = {}
    total: dict[tuple[int, ...], float] = {}
    for path, score in all_paths(log_probs):
        tokens = collapsed(path)
        weight = texts.get(tuple(tokenizer.decode(tokens).split()))
        if weight is not None:
            best[tokens] = max(best.get(tokens, NEVER), score + weight)
            total[tokens] = float(np.logaddexp(total.get(tokens, NEVER), score + weight))
    found = grammar_search(log_probs, grammar.compile(tokenizer), tokenizer, nbest=1000)
    if not best:
        assert [(one.text, one.score) for one in found] == [("", NEVER)]
        return
    assert {one.tokens: one.score for one in found} == pytest.approx(best, abs=1e-9)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    mass = np.logaddexp.reduce(list(total.values()))
    shares = {tokens: float(np.exp(score - mass)) for tokens, score in total.items()}
    assert {one.tokens: one.posterior for one in found} == pytest.approx(shares, abs=1e-9)


@examples(50)
@given(clips(max_frames=5, max_vocab=3), rules())
def test_the_search_of_a_grammar_against_every_sentence(log_probs: np.ndarray, rule: Rule):
    assume(log_probs.shape[1] == 3 and len(log_probs))
    texts = dict.fromkeys(repeated(texts_of(rule, 5), 5) | {()}, 0.0)
    check_grammar(log_probs, Grammar(graph_of_rule(rule)), WordTokenizer(WORDS), texts)


@examples(50)
@given(
    clips(max_frames=5, max_vocab=3),
    st.dictionaries(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple), st.floats(-3, 3), min_size=1),
)
def test_the_search_of_weighted_phrases_against_every_phrase(log_probs: np.ndarray, phrases: dict[tuple, float]):
    assume(log_probs.shape[1] == 3 and len(log_probs))
    grammar = Grammar(graph_of_texts((" ".join(words), weight) for words, weight in phrases.items()))
    check_grammar(log_probs, grammar, WordTokenizer(WORDS), {(): 0.0, **phrases})


@examples(40)
@given(
    clips(max_frames=4, max_vocab=3),
    st.integers(0, 1000),
    st.sampled_from([0.2, 0.5, 1.0]),
    st.sampled_from([0.0, 0.7, -0.4]),
    st.none() | rules(),
)
def test_the_joint_beam_is_the_weighted_sum_over_all_sentences(
    log_probs: np.ndarray, seed: int, ctc_weight: float, bonus: float, rule: Rule | None
):
    assume(log_probs.shape[1] == 3 and len(log_probs))
    decoder, tokenizer, num_frames = TableScorer(seed=seed), WordTokenizer(WORDS), len(log_probs)
    grammar = None if rule is None else Grammar(graph_of_rule(rule))
    allowed = None if rule is None else repeated(texts_of(rule, num_frames), num_frames) | {()}
    wanted = {
        tokens: ctc_weight * total + (1 - ctc_weight) * decoder.score(tokens) + bonus * (len(tokens) + 1)
        for tokens, total in totals_of(log_probs).items()
        if allowed is None or tuple(tokenizer.decode(tokens).split()) in allowed
    }
    found = beam_search(
        [Weighted(decoder, 1 - ctc_weight)],
        beam_size=2000,
        max_tokens=num_frames,
        rules=EXACT,
        ctc=CTCPrefixScorer(log_probs),
        ctc_weight=ctc_weight,
        grammar=None if grammar is None else grammar.scorer(tokenizer),
        length_bonus=bonus,
    )
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted, abs=1e-7)
