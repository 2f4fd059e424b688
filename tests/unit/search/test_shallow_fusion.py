"""A language model of words beside a decoder, against every sentence scored on its own."""

import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from table_scorer import Bigrams, TableScorer

from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.beam import beam_search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.grammar_scorer import GrammarScorer
from lipscribe.search.readings import readings
from lipscribe.search.scorers import Weighted
from lipscribe.search.shallow_fusion import ShallowFusion, WordScorer
from lipscribe.tokenizer import CharacterTokenizer, Tokenizer, UnitsTokenizer, WordTokenizer

WORDS = WordTokenizer(["a", "b", "ba"])
LETTERS = CharacterTokenizer("ab ")
WEIGHTS = [(0.7, 0.0), (1.5, 0.9), (0.4, -2.0)]
UNITS = {"pieces": ["<unk>", "\u2581A", "B", "\u2581"], "spaces": ["<unk>", "A", "B", "<space>"]}


def beside(weight: float, bonus: float, tokenizer: Tokenizer, end: int = 0) -> Weighted:
    scorer = WordScorer(ShallowFusion(Bigrams(), weight, bonus, tokenizer), end)
    return Weighted(scorer, in_probability=False, highest=max(bonus, 0.0))


@pytest.fixture(params=UNITS)
def units(request, tmp_path) -> UnitsTokenizer:
    path = tmp_path / "units.txt"
    path.write_text("".join(f"{name} {idx}\n" for idx, name in enumerate(UNITS[request.param], start=1)), "utf-8")
    return UnitsTokenizer(str(path))


def wanted_of(text: str, weight: float, bonus: float) -> float:
    return weight * Bigrams().score(text) + bonus * len(text.split())


@pytest.mark.parametrize(("weight", "bonus"), WEIGHTS)
@pytest.mark.parametrize("tokenizer", [WORDS, LETTERS], ids=["words", "letters"])
def test_a_huge_beam_ranks_like_every_sentence_scored_on_its_own(tokenizer, weight, bonus):
    scorer = TableScorer(vocab_size=4, seed=2)
    found = beam_search([Weighted(scorer), beside(weight, bonus, tokenizer)], beam_size=1000, max_tokens=4)
    texts = [tokens for length in range(5) for tokens in product((1, 2, 3), repeat=length)]
    wanted = {t: scorer.score(t) + wanted_of(tokenizer.decode(t), weight, bonus) for t in texts}
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    by_picture = next(one for one in found if one.tokens == (1, 3, 2))
    assert by_picture.token_scores == pytest.approx([scorer.expects((1, 3, 2)[:u])[t] for u, t in enumerate((1, 3, 2))])


@pytest.mark.parametrize(("weight", "bonus"), WEIGHTS)
def test_so_it_does_with_an_end_of_its_own_and_a_bonus_for_length(units, weight, bonus):
    scorer = TableScorer(len(units.vocab), seed=4, end=units.end)
    found = beam_search(
        [Weighted(scorer), beside(weight, bonus, units, units.end)], 10_000, 3, units.end, length_bonus=0.4
    )
    texts = [tokens for length in range(4) for tokens in product(range(1, units.end), repeat=length)]
    wanted = {t: scorer.score(t) + wanted_of(units.decode(t), weight, bonus) + 0.4 * (len(t) + 1) for t in texts}
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)


def test_what_a_token_will_add_is_what_it_adds(units):
    for tokenizer in (WORDS, LETTERS, units):
        fusion = ShallowFusion(Bigrams(), 0.7, 0.3, tokenizer)
        for tokens in product(range(1, 4), repeat=4):
            context = fusion.start()
            for token in tokens:
                expected = fusion.gains(context)[token]
                context, gain = fusion.advance(context, token)
                assert gain == pytest.approx(expected)


@pytest.mark.parametrize("bonus", [0.0, 4.0])
def test_a_small_beam_is_not_over_while_a_bonus_can_still_change_its_order(bonus):
    scorer = TableScorer(vocab_size=4, seed=5, sharpness=0.5)
    small, huge = (
        beam_search([Weighted(scorer), beside(0.1, bonus, WORDS)], beam_size, max_tokens=4) for beam_size in (20, 1000)
    )
    assert small[0] == huge[0]
    assert (len(small[0].tokens) == 4) == bool(bonus)


def test_a_word_that_costs_much_is_not_talked_around():
    """Letters that never end a word cost nothing: they must not crowd out the sentence that pays and ends."""

    class Sure(TableScorer):
        def expects(self, beginning):
            wanted = (1, 2, 1, 0)[min(len(beginning), 3)]
            return np.log(np.where(np.arange(4) == wanted, 0.9, 0.1 / 3))

    class Dear(Bigrams):
        def step(self, state, word):
            return word, 0.0 if word == "</s>" else -12.0

    scorer = Sure(vocab_size=4)
    lm = Weighted(WordScorer(ShallowFusion(Dear(), 0.5, 0.0, LETTERS)), in_probability=False)
    found = beam_search([Weighted(scorer), lm], 16, 75)
    assert found[0].score >= 4 * math.log(0.9) - 6 - 1e-9
    assert max(len(one.tokens) for one in found) < 75
    assert scorer.num_steps < 40


def test_a_decoder_with_an_end_of_its_own_keeps_a_grammar(units, random_log_probs):
    pieces = {"a": [2], "ab": [2, 3], "b": [4, 3]}
    encode = pieces if units.separator is None else {word: units.encode(word) for word in pieces}
    spelt = SimpleNamespace(
        encode=encode.__getitem__, decode=units.decode, separator=units.separator, vocab=units.vocab
    )
    scorer, end = TableScorer(len(units.vocab), num_frames=9, seed=4, end=units.end), units.end
    grammar = Grammar((("a", "ab"), ("b",)))
    allowed = GrammarScorer(grammar.compile(spelt), len(units.vocab), end)
    for log_probs, ctc_weight in ((None, 0.0), (random_log_probs(9, len(units.vocab), seed=1), 0.3)):
        for beam_size in (2, 10_000):
            ctc = None if log_probs is None else CTCPrefixScorer(log_probs, end)
            decoder = [Weighted(scorer, 1 - ctc_weight)]
            beam = beam_search(decoder, beam_size, 9, end, ctc=ctc, ctc_weight=ctc_weight, grammar=allowed)
            found = readings(beam, scorer, units, 50, log_probs)
            for one in found:
                assert one.text in (
                    "",
                    *(" ".join(texts) for n in (1, 2, 3) for texts in product(("a b", "ab b"), repeat=n)),
                )
                assert all(0 < word.probability <= 1 for word in one.words)
            assert len({one.text for one in found}) == len(found) > 1


def test_search_takes_grammar_and_language_model_together(random_log_probs):
    log_probs = random_log_probs(4, 4, seed=3)
    scorer, grammar = TableScorer(vocab_size=4, num_frames=4, seed=3), Grammar((("a", "b"), ("b", "ba")))
    for method in ("attention", "joint"):
        options = SearchOptions(method, beam_size=500, grammar=grammar)
        plain = {one.text: one for one in search(log_probs[None], None, WORDS, with_all(options), [scorer])[0]}
        options = SearchOptions(method, beam_size=500, grammar=grammar, lm=Bigrams(), lm_weight=0.8, word_bonus=0.3)
        for one in search(log_probs[None], None, WORDS, with_all(options), [scorer])[0]:
            assert one.score == pytest.approx(plain[one.text].score + wanted_of(one.text, 0.8, 0.3))
            assert [word.probability for word in one.words] == [word.probability for word in plain[one.text].words]


def with_all(options: SearchOptions) -> SearchOptions:
    return SearchOptions(**vars(options) | {"nbest": 40})


def test_nothing_spoken_is_an_empty_sentence():
    scorer = WordScorer(ShallowFusion(Bigrams(), 0.5, 0.0, WORDS))
    scores, _ = scorer.step(np.array([0]), scorer.start())
    assert scores[0, 0] == 0.5 * Bigrams().score("") < 0.0
