"""A decoder held to a grammar, against every sentence written out."""

import numpy as np
import pytest
from table_scorer import TableScorer

from lipscribe.search import Grammar, SearchOptions, between_sentences, search
from lipscribe.search.allowed import GrammarScorer
from lipscribe.search.attention import beam_search
from lipscribe.search.hypothesis import Hypothesis, WordSpan
from lipscribe.tokenizer import END, CharacterTokenizer, WordTokenizer

WORDS = WordTokenizer(["a", "b", "c"])
SLOTS = (("a", "b"), ("b", "c"))
LETTERS = CharacterTokenizer(" abo")


def scores_of(scorer: TableScorer, texts: list[str], tokenizer) -> dict[tuple[int, ...], float]:
    return {tokens: scorer.score(tokens) for tokens in (tuple(tokenizer.encode(text)) for text in texts)}


@pytest.mark.parametrize("seed", range(3))
def test_all_that_the_grammar_allows_is_found_and_nothing_else(seed: int):
    scorer = TableScorer(vocab_size=4, seed=seed)
    allowed = GrammarScorer(Grammar(SLOTS).compile(WORDS), 4)
    found = beam_search([(scorer, 1.0)], beam_size=1000, max_tokens=4, allowed=allowed)
    ones = ["a b", "a c", "b b", "b c"]
    texts = ["", *ones, *(f"{first} {second}" for first in ones for second in ones)]
    assert {one.tokens: one.score for one in found} == pytest.approx(scores_of(scorer, texts, WORDS))


def test_words_of_several_tokens_with_doubled_letters():
    scorer = TableScorer(vocab_size=5, seed=1)
    allowed = GrammarScorer(Grammar((("oo", "o"), ("ba",))).compile(LETTERS), 5)
    found = beam_search([(scorer, 1.0)], beam_size=1000, max_tokens=5, allowed=allowed)
    assert {one.tokens: one.score for one in found} == pytest.approx(scores_of(scorer, ["", "oo ba", "o ba"], LETTERS))


def test_a_token_s_own_score_is_its_share_of_what_is_allowed():
    scorer = TableScorer(vocab_size=4, seed=2)
    allowed = GrammarScorer(Grammar(SLOTS).compile(WORDS), 4)
    best = beam_search([(scorer, 1.0)], beam_size=1000, max_tokens=2, allowed=allowed)[-1]
    for u, token in enumerate(best.tokens):
        expected = scorer.expects(best.tokens[:u])
        may_follow = [WORDS.encode(word)[0] for word in SLOTS[u]] + ([END] if u == 0 else [])
        share = expected[token] - np.logaddexp.reduce(expected[may_follow])
        assert best.token_scores[u] == pytest.approx(share)


def test_the_search_reads_the_grammar_alone_and_with_ctc(random_log_probs):
    log_probs = random_log_probs(6, 4, seed=3)
    scorer, grammar = TableScorer(vocab_size=4, num_frames=6, seed=3), Grammar(SLOTS)
    sentences = {"", "a b", "a c", "b b", "b c"}
    for method in ("attention", "joint"):
        options = SearchOptions(method, grammar=grammar, nbest=16)
        texts = [found.text for found in search(log_probs[None], None, WORDS, options, [scorer])[0]]
        assert len(texts) > 5
        assert all(" ".join(text.split()[i : i + 2]) in sentences for text in texts for i in range(0, 6, 2))


def test_cuts_lie_between_sentences():
    words = tuple(WordSpan("a", start, start + 4, 1.0) for start in (2, 10, 30, 36, 60))
    assert between_sentences(Hypothesis((), "", 0.0, 1.0, (), words), 2) == [22, 50]
    assert between_sentences(Hypothesis((), "", 0.0, 1.0, (), words[:2]), 2) == []
