"""Probabilities softened, and what else a word might have been."""

import numpy as np
import pytest

from lipscribe.errors import ConfigError
from lipscribe.search import Capabilities, SearchOptions, resolve, search
from lipscribe.search.confidence import calibrated, with_alternatives
from lipscribe.search.hypothesis import Hypothesis, WordSpan
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer
from lipscribe.transcript import Alternative


def hypothesis(*words: WordSpan) -> Hypothesis:
    return Hypothesis((), " ".join(word.text for word in words), -1.0, 0.5, (), words)


@pytest.mark.parametrize("probability", [0.0, 1e-9, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_a_temperature_divides_the_log_odds(probability, temperature):
    word = calibrated(hypothesis(WordSpan("a", 0, 1, probability)), temperature).words[0]
    with np.errstate(divide="ignore"):
        odds = np.exp((np.log(probability) - np.log1p(-probability)) / temperature)
    assert word.probability == pytest.approx(1.0 if odds == np.inf else odds / (1 + odds))


def test_rivals_share_what_is_left():
    word = WordSpan("b", 0, 3, 0.9, (Alternative("p", 0.06), Alternative("m", 0.03)))
    soft = calibrated(hypothesis(word), 2.0).words[0]
    assert (soft.text, soft.start, soft.end) == ("b", 0, 3)
    left = 1 - soft.probability
    assert soft.alternatives == (
        Alternative("p", pytest.approx(0.6 * left)),
        Alternative("m", pytest.approx(0.3 * left)),
    )


def test_rivals_never_exceed_what_is_left():
    # Those of a beam are weighed in other readings, and need not add up to 1 with the word.
    word = WordSpan("b", 0, 3, 0.9, (Alternative("p", 0.8), Alternative("m", 0.8)))
    soft = calibrated(hypothesis(word), 2.0).words[0]
    assert soft.probability + sum(other.probability for other in soft.alternatives) == pytest.approx(1.0)


def test_a_rival_stands_between_the_same_words():
    best = hypothesis(WordSpan("bin", 0, 10, 0.9), WordSpan("blue", 12, 20, 0.8), WordSpan("at", 20, 22, 0.7))
    others = [
        hypothesis(WordSpan("pin", 0, 9, 0.5), WordSpan("blue", 12, 20, 0.7), WordSpan("at", 20, 22, 0.7)),
        hypothesis(WordSpan("bin", 0, 10, 0.9), WordSpan("plume", 11, 22, 0.3)),
        hypothesis(WordSpan("pin", 4, 5, 0.55), WordSpan("blew", 12, 20, 0.4), WordSpan("at", 20, 22, 0.7)),
        hypothesis(WordSpan("bin", 0, 10, 0.9), WordSpan("blue", 12, 21, 0.8), WordSpan("in", 21, 22, 0.1)),
        hypothesis(WordSpan("bin", 0, 10, 0.9), WordSpan("a", 12, 14, 0.9), *best.words[1:]),
    ]
    first, second, third = with_alternatives(best, others, 2).words
    assert first.alternatives == (Alternative("pin", 0.55),)
    assert second.alternatives == (Alternative("blew", 0.4),)
    assert third.alternatives == (Alternative("in", 0.1),)
    assert with_alternatives(best, [*others, hypothesis(WordSpan("in", 0, 9, 0.6), *best.words[1:])], 1).words[
        0
    ].alternatives == (Alternative("in", 0.6),)


def test_a_beam_has_the_networks_own_doubt():
    tokenizer = WordTokenizer(["b", "p", "m"])
    probabilities = np.array([[0.97, 0.01, 0.01, 0.01], [0.01, 0.5, 0.3, 0.19], [0.97, 0.01, 0.01, 0.01]])
    best = search(np.log(probabilities)[None], None, tokenizer, SearchOptions(alternatives=2))[0]
    assert len(best) == 1
    assert best[0].text == "b"
    assert [other.text for other in best[0].words[0].alternatives] == ["p", "m"]
    np.testing.assert_allclose([r.probability for r in best[0].words[0].alternatives], [0.3, 0.19], atol=0.02)


def test_words_of_characters_have_rivals():
    tokenizer = CharacterTokenizer("ab ")
    path = tokenizer.encode("ab ba")
    probabilities = np.full((len(path), 4), 0.02)
    probabilities[np.arange(len(path)), path] = 0.94
    probabilities[0] = [0.02, 0.6, 0.36, 0.02]  # "ab", or one long "b"
    best = search(np.log(probabilities)[None], None, tokenizer, SearchOptions(alternatives=1))[0][0]
    assert best.text == "ab ba"
    assert [other.text for other in best.words[0].alternatives] == ["b"]


def test_greedy_knows_no_alternatives():
    with pytest.raises(ConfigError, match="alternatives are given, but method 'greedy' has no use for"):
        resolve(Capabilities(WordTokenizer(["a"])), SearchOptions("greedy", alternatives=1))


def test_of_a_sure_word_nothing_is_left_for_alternatives():
    word = WordSpan("b", 0, 3, 1.0, (Alternative("p", 0.0),))
    (sure,) = calibrated(hypothesis(word), 2.0).words
    assert (sure.probability, sure.alternatives) == (1.0, (Alternative("p", 0.0),))
