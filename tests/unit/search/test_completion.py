"""The early stop of a joint search with a grammar: its bound against enumeration, and what it must not change."""

from itertools import product

import numpy as np
import pytest
from table_scorer import TableScorer

from lipscribe.search import Grammar
from lipscribe.search.beam import NEGLIGIBLE, Finished, beam_search
from lipscribe.search.completion import CompletionBound
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.lattice import linear_lattice
from lipscribe.search.scorers import Weighted
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer

WORDS = WordTokenizer(["a", "b", "c"])
SLOTS = (("a", "b"), ("b", "c"))


def log_probability(log_probs: np.ndarray, tokens: tuple[int, ...]) -> float:
    line = linear_lattice(tokens)
    return line.total(line.emissions(log_probs))


def texts(sentences: int) -> list[str]:
    """All texts of up to some sentences of the slots."""
    one = [" ".join(words) for words in product(*SLOTS)]
    return [" ".join(some) for number in range(sentences + 1) for some in product(one, repeat=number)]


@pytest.mark.parametrize(("tokenizer", "num_frames"), [(WORDS, 6), (CharacterTokenizer("abc "), 9)])
def test_the_bound_is_the_mass_of_all_texts_with_the_prefix(tokenizer, num_frames, random_log_probs):
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=2)
    scorer, ctc = Grammar(SLOTS).scorer(tokenizer), CTCPrefixScorer(log_probs)
    bound = CompletionBound(ctc, scorer, weight=0.3)
    prefix = tuple(tokenizer.encode("a b a"))
    mass, beginnings, last = None, scorer.start(), np.array([0])
    for token in prefix:
        _, beginnings = scorer.step(last, beginnings)
        mass = ctc.extend(last, mass)
        last = np.array([token])
    everything = [tuple(tokenizer.encode(text)) for text in texts(3)]
    fitting = [one for one in everything if one[: len(prefix)] == prefix and len(one) <= num_frames]
    assert len(fitting) > 1
    wanted = np.logaddexp.reduce([log_probability(log_probs, one) for one in fitting])
    assert mass is not None
    (loss,) = bound.losses(last, mass, beginnings)
    assert loss == pytest.approx(0.3 * (wanted - ctc.extend(last, mass).mass[0]))


def search_once(log_probs: np.ndarray, seed: int, best_only: bool, ctc_weight: float) -> tuple[list[Finished], int]:
    decoder, grammar = TableScorer(4, len(log_probs), seed, sharpness=1.0), Grammar(SLOTS).scorer(WORDS)
    ctc = CTCPrefixScorer(log_probs)
    found = beam_search(
        [Weighted(decoder, 1 - ctc_weight)],
        8,
        len(log_probs),
        ctc=ctc,
        ctc_weight=ctc_weight,
        grammar=grammar,
        best_only=best_only,
        bound=CompletionBound(ctc, grammar, ctc_weight),
    )
    return found, decoder.num_steps


@pytest.mark.parametrize("ctc_weight", [0.3, 0.9])
def test_the_best_sentence_alone_takes_fewer_steps(ctc_weight, random_log_probs):
    taken = np.zeros(2, int)
    for seed in range(10):
        sure = 30 * np.eye(4)[[0, 1, 1, 0, 0, 0, 2, 0, 0, 0]] + random_log_probs(10, 4, seed=seed, sharpness=1.0)
        log_probs = sure - np.logaddexp.reduce(sure, axis=1, keepdims=True)
        (full, all_steps), (early, steps) = (search_once(log_probs, seed, only, ctc_weight) for only in (False, True))
        assert early[0] == full[0]
        masses = [np.logaddexp.reduce([one.score for one in found]) for found in (full, early)]
        assert abs(masses[0] - masses[1]) <= np.exp(NEGLIGIBLE)
        taken += (all_steps, steps)
    assert taken[1] < taken[0]
