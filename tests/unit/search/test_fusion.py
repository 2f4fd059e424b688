"""A language model of words beside a decoder, against every sentence scored on its own."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from table_scorer import Bigrams, TableScorer

from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.allowed import GrammarScorer
from lipscribe.search.attention import beam_search
from lipscribe.search.fusion import Fusion, WordScorer
from lipscribe.search.joint_beam import Sources, Weights, joint_beam_search
from lipscribe.tokenizer import CharacterTokenizer, UnitsTokenizer, WordTokenizer

WORDS = WordTokenizer(["a", "b", "ba"])
LETTERS = CharacterTokenizer("ab ")
WEIGHTS = [(0.7, 0.0), (1.5, 0.9), (0.4, -2.0)]


@pytest.fixture(params=["pieces", "spaces"])
def units(request, tmp_path) -> UnitsTokenizer:
    names = {"pieces": ["<unk>", "\u2581A", "B", "\u2581BA"], "spaces": ["<unk>", "A", "B", "<space>"]}[request.param]
    path = tmp_path / "units.txt"
    path.write_text("".join(f"{name} {idx}\n" for idx, name in enumerate(names, start=1)), encoding="utf-8")
    return UnitsTokenizer(str(path))


def wanted_of(text: str, weight: float, bonus: float) -> float:
    return weight * Bigrams().score(text) + bonus * len(text.split())


def toy_units(tokenizer: UnitsTokenizer) -> TableScorer:
    return TableScorer(len(tokenizer.vocab), seed=4, end=tokenizer.end)


@pytest.mark.parametrize(("weight", "bonus"), WEIGHTS)
@pytest.mark.parametrize("tokenizer", [WORDS, LETTERS], ids=["words", "letters"])
def test_a_huge_beam_ranks_like_every_sentence_scored_on_its_own(tokenizer, weight, bonus):
    scorer = TableScorer(vocab_size=4, seed=2)
    words = WordScorer(Fusion(Bigrams(), weight, bonus, tokenizer))
    found = beam_search([(scorer, 1.0)], beam_size=1000, max_tokens=4, words=words)
    texts = [tokens for length in range(5) for tokens in product((1, 2, 3), repeat=length)]
    wanted = {t: scorer.score(t) + wanted_of(tokenizer.decode(t), weight, bonus) for t in texts}
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    by_picture = next(one for one in found if one.tokens == (1, 3, 2))
    assert by_picture.token_scores == pytest.approx([scorer.expects((1, 3, 2)[:u])[t] for u, t in enumerate((1, 3, 2))])


@pytest.mark.parametrize("bonus", [0.0, 4.0])
def test_a_small_beam_is_not_over_while_a_bonus_can_still_change_its_order(bonus):
    scorer = TableScorer(vocab_size=4, seed=5, sharpness=0.5)
    words = WordScorer(Fusion(Bigrams(), 0.1, bonus, WORDS))
    found = beam_search([(scorer, 1.0)], beam_size=20, max_tokens=4, words=words)
    everything = beam_search([(scorer, 1.0)], beam_size=1000, max_tokens=4, words=words)
    assert found[0] == everything[0]
    assert (len(found[0].tokens) == 4) == bool(bonus)


@pytest.mark.parametrize(("weight", "bonus"), WEIGHTS)
def test_the_published_search_adds_it_too(units, weight, bonus):
    decoder, end = toy_units(units), units.end
    words = WordScorer(Fusion(Bigrams(), weight, bonus, units), end)
    sources = Sources(decoder, None, words=words)
    found = joint_beam_search(sources, end, 10_000, 4, Weights(ctc=0.0), stop_early=False)
    complete = [one for one in found if one.complete]
    for one in complete:
        text = units.decode([token for token in one.tokens if token])  # a decoder alone may say blanks
        assert one.score == pytest.approx(decoder.score(one.tokens) + wanted_of(text, weight, bonus))
    assert len(complete) == 1 + 5 + 25 + 125


def test_the_published_search_keeps_a_grammar(units, random_log_probs):
    slots = Grammar((("a", "ab"), ("b", "ba")))
    if units.separator is None:
        encode = {"a": [2], "ab": [2, 3], "ba": [4]}
        slots = Grammar((("a", "ab"), ("ba",)))
    else:
        encode = {word: units.encode(word) for word in ("a", "ab", "b", "ba")}
    spelt = SimpleNamespace(
        encode=encode.__getitem__, decode=units.decode, separator=units.separator, vocab=units.vocab
    )
    decoder, end = toy_units(units), units.end
    allowed = GrammarScorer(slots.compile(spelt), len(units.vocab), end)
    for log_probs, ctc in ((None, 0.0), (random_log_probs(9, len(units.vocab), seed=1), 0.3)):
        for beam_size in (2, 10_000):
            sources = Sources(decoder, log_probs, allowed=allowed)
            found = joint_beam_search(sources, end, beam_size, 6, Weights(ctc), stop_early=False)
            texts = [units.decode(one.tokens) for one in found]
            assert texts
            assert all(one.complete for one in found)
            for text in texts:
                said = text.split()
                assert len(said) % 2 == 0
                assert all(word in ("a", "ab") for word in said[::2])
                assert all(word in ("b", "ba") for word in said[1::2])
    best = max((one for one in found if one.tokens), key=lambda one: one.score)
    assert all(score <= 0 for score in best.token_scores)


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


def test_nothing_said_is_an_empty_sentence():
    words = WordScorer(Fusion(Bigrams(), 0.5, 0.0, WORDS))
    scores, _ = words.step(np.array([0]), words.start())
    assert scores[0, 0] == 0.5 * Bigrams().score("") < 0.0
