"""A decoder held to a grammar, against every sentence written out."""

import numpy as np
import pytest
from table_scorer import TableScorer

from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.beam import beam_search
from lipscribe.search.grammar_file import load_phrases
from lipscribe.search.grammar_scorer import GrammarScorer
from lipscribe.search.hypothesis import Hypothesis, Span, between_sentences
from lipscribe.search.scorers import Weighted
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
    found = beam_search([Weighted(scorer)], beam_size=1000, max_tokens=4, grammar=allowed)
    ones = ["a b", "a c", "b b", "b c"]
    texts = ["", *ones, *(f"{first} {second}" for first in ones for second in ones)]
    assert {one.tokens: one.score for one in found} == pytest.approx(scores_of(scorer, texts, WORDS))


def test_words_of_several_tokens_with_doubled_letters():
    scorer = TableScorer(vocab_size=5, seed=1)
    allowed = GrammarScorer(Grammar((("oo", "o"), ("ba",))).compile(LETTERS), 5)
    found = beam_search([Weighted(scorer)], beam_size=1000, max_tokens=5, grammar=allowed)
    assert {one.tokens: one.score for one in found} == pytest.approx(scores_of(scorer, ["", "oo ba", "o ba"], LETTERS))


def test_a_token_s_own_score_is_its_share_of_what_is_allowed():
    scorer = TableScorer(vocab_size=4, seed=2)
    allowed = GrammarScorer(Grammar(SLOTS).compile(WORDS), 4)
    best = beam_search([Weighted(scorer)], beam_size=1000, max_tokens=2, grammar=allowed)[-1]
    for u, token in enumerate(best.tokens):
        expected = scorer.expects(best.tokens[:u])
        may_follow = [WORDS.encode(word)[0] for word in SLOTS[u]] + ([END] if u == 0 else [])
        share = expected[token] - np.logaddexp.reduce(expected[may_follow])
        assert best.token_scores[u] == pytest.approx(share)


def load(tmp_path, text: str) -> Grammar:
    (tmp_path / "phrases.txt").write_text(text, encoding="utf-8")
    return load_phrases(tmp_path / "phrases.txt")


def test_a_heavy_phrase_is_not_lost_before_its_end(tmp_path):
    letters = CharacterTokenizer("abcdefghijklmnopqrstuvwxyz ")
    phrases = load(tmp_path, "".join(f"{letter}a\n" for letter in "abcdefghijklmnopqrstuvwx") + "zz : 1e6\n")
    allowed = GrammarScorer(phrases.compile(letters), len(letters.vocab))
    scorer = TableScorer(len(letters.vocab), seed=1)
    small, huge = (beam_search([Weighted(scorer)], size, max_tokens=4, grammar=allowed) for size in (2, 1000))
    assert letters.decode(huge[0].tokens) == "zz"
    assert small[0] == huge[0]
    assert huge[0].score == pytest.approx(scorer.score(huge[0].tokens) + np.log(1e6))
    assert len(huge) == 26


@pytest.mark.parametrize("sure", [0.9, 0.99])
def test_a_long_phrase_is_read_to_its_end_though_short_ones_have_ended(tmp_path, sure: float):
    letters = CharacterTokenizer(" abcdefghijklmnopqrstuvwxyz")
    true = (*letters.encode("turn left"), END)

    class Sure(TableScorer):
        def expects(self, beginning):
            wanted = true[min(len(beginning), len(true) - 1)]
            return np.log(np.where(np.arange(28) == wanted, sure, (1 - sure) / 27))

    phrases = load(tmp_path, "no\nyes\nstop\nturn left\nturn right\n")
    allowed = GrammarScorer(phrases.compile(letters), 28)
    scorer = Sure(28)
    found = beam_search([Weighted(scorer)], 10, max_tokens=75, grammar=allowed)
    assert letters.decode(found[0].tokens) == "turn left"
    assert scorer.num_steps < 15


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
    spans = tuple(Span(start, start + 4) for start in (2, 10, 30, 36, 60))
    assert between_sentences(Hypothesis((1,) * 5, "", 0.0, 1.0, spans, ()), 2, WORDS) == [22, 50]
    assert between_sentences(Hypothesis((1,) * 2, "", 0.0, 1.0, spans[:2], ()), 2, WORDS) == []
