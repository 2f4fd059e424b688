"""Decoder searches against every sentence written out."""

from collections import defaultdict
from itertools import pairwise, product

import numpy as np
import pytest
from table_scorer import TableScorer, read_by_decoder

from lipscribe.errors import ConfigError
from lipscribe.search import Capabilities, Grammar, SearchOptions, resolve, search
from lipscribe.search.beam import EXACT, beam_search
from lipscribe.search.confidence import with_alternatives
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.readings import align_attention
from lipscribe.search.scorers import Weighted
from lipscribe.tokenizer import END, CharacterTokenizer, WordTokenizer

TOKENIZER = WordTokenizer(["a", "b"])


def sentences(vocab_size: int, max_tokens: int) -> list[tuple[int, ...]]:
    return [s for length in range(max_tokens + 1) for s in product(range(1, vocab_size), repeat=length)]


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_huge_beam_finds_every_sentence(seed: int, sharpness: float):
    scorer = TableScorer(seed=seed, sharpness=sharpness)
    found = beam_search([Weighted(scorer)], beam_size=1000, max_tokens=4)
    wanted = {tokens: scorer.score(tokens) for tokens in sentences(3, 4)}
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    assert [one.score for one in found] == sorted(wanted.values(), reverse=True)
    for one in found:
        assert sum(one.token_scores) + scorer.expects(one.tokens)[END] == pytest.approx(one.score)


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_small_beam_is_a_part_of_it_and_stops_early(beam_size: int):
    for seed in range(10):
        scorer = TableScorer(seed=seed, sharpness=4.0)
        found = beam_search([Weighted(scorer)], beam_size, max_tokens=50)
        assert len(found) <= beam_size
        assert len({one.tokens for one in found}) == len(found)
        assert all(one.score == pytest.approx(scorer.score(one.tokens)) for one in found)
    assert scorer.num_steps < 50


class Waits(TableScorer):
    """Likes to end at once, less to say the first word, and then goes on for eight words before it ends."""

    def expects(self, beginning):
        going_on = 0.4 if not beginning else 0.99 if len(beginning) < 8 else 0.01
        return np.log([1 - going_on, going_on, 1e-9])


class Rewards:
    """A scorer that adds so much for each word 1, as a language model with a word bonus does."""

    def __init__(self, bonus: float):
        self.bonus = bonus

    def start(self):
        return [None]

    def step(self, previous, state):
        return np.array([[0.0, self.bonus, 0.0]] * len(state)), state

    def select(self, state, indices):
        return [state[i] for i in indices]


@pytest.mark.parametrize("kind", ["length bonus", "word bonus"])
def test_a_search_goes_on_while_bonuses_may_still_lift_a_sentence(kind: str):
    decoder, bonus = Weighted(Waits()), 0.15
    assert [one.tokens for one in beam_search([decoder], beam_size=1, max_tokens=12)] == [()]
    if kind == "length bonus":
        (best,) = beam_search([decoder], 1, 12, length_bonus=bonus)
        ends = bonus  # the end has the bonus too
    else:
        words = Weighted(Rewards(2 * bonus), 0.5, in_probability=False, highest=2 * bonus)
        (best,) = beam_search([decoder, words], 1, 12)
        ends = 0.0
    # The empty sentence leads until the eighth word: log 0.6 is more than log 0.4 and a few bonuses.
    assert best.tokens == (1,) * 8
    assert best.score == pytest.approx(np.log(0.4 * 0.99**8) + 8 * bonus + ends)


def test_by_search_a_word_bonus_may_lift_a_sentence_too():
    class Even:
        """A language model to which every text is certain."""

        def start(self):
            return None

        def step(self, state, word):
            return None, 0.0

        def end(self, state):
            return 0.0

    best = read_by_decoder(Waits(num_frames=12), 12, TOKENIZER, beam_size=1, lm=Even(), lm_weight=1.0, word_bonus=0.15)[
        0
    ]
    assert best.tokens == (1,) * 8


def test_a_penalty_for_length_stops_no_search_too_early():
    class Hesitates(TableScorer):
        def expects(self, beginning):
            return np.log([0.3, 0.7, 1e-9] if not beginning else [0.99, 0.005, 1e-9])

    scorer = Hesitates()
    (best,) = beam_search([Weighted(scorer)], 1, 50, length_bonus=-0.1)
    assert best.tokens == (1,)
    assert scorer.num_steps < 5  # what is left cannot win: scores only fall


def ctc_totals(log_probs: np.ndarray, enumerate_paths) -> dict[tuple[int, ...], float]:
    totals = defaultdict(float)
    for _, tokens, score in enumerate_paths(log_probs):
        totals[tokens] += np.exp(score)
    return dict(totals)


@pytest.mark.parametrize(("num_frames", "vocab_size"), [(5, 3), (4, 4), (1, 3)])
@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_ctc_prefix_scores_are_sums_over_paths(num_frames, vocab_size, sharpness, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(num_frames, vocab_size, seed=1, sharpness=sharpness)
    totals = ctc_totals(log_probs, enumerate_paths)
    scorer = CTCPrefixScorer(log_probs)

    def mass(prefix: tuple[int, ...]) -> float:
        return sum(total for tokens, total in totals.items() if tokens[: len(prefix)] == prefix)

    beginnings = [s for s in sentences(vocab_size, 3) if s in totals]
    for tokens in beginnings:
        state = scorer.start()
        for token in (END, *tokens):
            scores, state = scorer.step(np.array([token]), state)
        assert np.exp(scores[0, END]) == pytest.approx(totals[tokens] / mass(tokens))
        for token in range(1, vocab_size):
            assert np.exp(scores[0, token]) == pytest.approx(mass((*tokens, token)) / mass(tokens), abs=1e-12)


def test_ctc_prefix_scores_side_by_side(random_log_probs):
    scorer = CTCPrefixScorer(random_log_probs(6, 4, seed=2))
    scores, state = scorer.step(np.array([END]), scorer.start())
    state = scorer.select(state, np.array([0, 0, 0]))
    together, state = scorer.step(np.array([1, 2, 3]), state)
    again, _ = scorer.step(np.array([2, 1]), scorer.select(state, np.array([2, 0])))
    for row, path in enumerate([(3, 2), (1, 1)]):
        alone = scorer.start()
        for token in (END, *path):
            scores, alone = scorer.step(np.array([token]), alone)
        np.testing.assert_allclose(again[row], scores[0])
    assert together.shape == (3, 4)


@pytest.mark.parametrize("ctc_weight", [0.3, 0.8, 1.0])
def test_joint_search_is_the_weighted_sum_over_all_sentences(ctc_weight, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(4, 3, seed=3, sharpness=1.0)
    scorer = TableScorer()
    found = read_by_decoder(scorer, 4, TOKENIZER, log_probs, beam_size=1000, nbest=1000, ctc_weight=ctc_weight)
    wanted = {
        tokens: ctc_weight * np.log(total) + (1 - ctc_weight) * scorer.score(tokens)
        for tokens, total in ctc_totals(log_probs, enumerate_paths).items()
    }
    assert {one.tokens: one.score for one in found} == pytest.approx(wanted)
    assert sum(one.posterior for one in found) == pytest.approx(1.0)


def test_what_ctc_rules_out_is_not_found():
    log_probs = np.full((2, 3), -np.inf)
    log_probs[:, :2] = np.log(0.5)
    found = read_by_decoder(TableScorer(), 2, TOKENIZER, log_probs, beam_size=20, nbest=20, ctc_weight=0.5)
    assert {one.tokens for one in found} == {(), (1,)}


def test_words_their_places_and_probabilities():
    class Sure(TableScorer):
        def expects(self, beginning):
            wanted = (1, 2, END)[min(len(beginning), 2)]
            return np.log(np.where(np.arange(3) == wanted, 0.8, 0.1))

        def attention(self, tokens):
            return np.array([[0.1, 0.6, 0.3, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.2, 0.5, 0.3]])

    best = read_by_decoder(Sure(), 6, TOKENIZER, beam_size=4)[0]
    assert (best.text, best.tokens, best.spans) == ("a b", (1, 2), ((1, 3), (4, 6)))
    assert best.score == pytest.approx(3 * np.log(0.8))
    assert [(word.text, word.start, word.end) for word in best.words] == [("a", 1, 3), ("b", 4, 6)]
    assert [word.probability for word in best.words] == pytest.approx([0.8, 0.8])
    path = np.log(0.02 + 0.94 * np.eye(3)[[0, 1, 1, 0, 0, 2]])
    joint = read_by_decoder(Sure(), 6, TOKENIZER, path, beam_size=4)[0]
    assert (joint.text, joint.spans) == ("a b", ((1, 3), (5, 6)))


def test_the_probability_of_a_word_is_that_of_its_letters_together():
    class Spells(TableScorer):
        def expects(self, beginning):
            wanted = (1, 2, END)[min(len(beginning), 2)]
            return np.log(np.where(np.arange(3) == wanted, 0.8, 0.1))

    best = read_by_decoder(Spells(), 6, CharacterTokenizer("ab"), beam_size=4)[0]
    assert [(word.text, word.probability) for word in best.words] == [("ab", pytest.approx(0.64))]


@pytest.mark.parametrize("seed", range(20))
def test_attention_places_tokens_in_order_and_apart(seed: int):
    rng = np.random.default_rng(seed)
    num_tokens = int(rng.integers(1, 6))
    spans = align_attention(rng.random((num_tokens, int(rng.integers(num_tokens, 9)))))
    assert len(spans) == num_tokens
    assert all(start < end for start, end in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))


def test_attention_that_goes_back_is_placed_by_the_greatest_sum():
    attention = np.array([[0.1, 0.1, 0.8], [0.7, 0.25, 0.05]])  # the second token looked before the first
    assert align_attention(attention) == ((0, 1), (1, 2))  # 0.1 + 0.25, of 0.15 and 0.15
    assert align_attention(np.zeros((0, 4))) == ()


def test_by_search_a_batch_reads_as_its_clips_do_alone(random_log_probs):
    log_probs = random_log_probs(3, 6, 3, seed=4)
    lengths = [6, 3, 0]
    scorers = [TableScorer(num_frames=length, seed=seed) for seed, length in enumerate(lengths)]
    for options in (SearchOptions("attention", nbest=3), SearchOptions("joint", nbest=3)):
        batch = search(log_probs, lengths, TOKENIZER, options, scorers)
        for clip, length in enumerate(lengths):
            alone = search(log_probs[clip : clip + 1, :length], None, TOKENIZER, options, scorers[clip : clip + 1])
            assert batch[clip] == alone[0]
        assert (batch[2][0].text, len(batch[2])) == ("", 1)
    attention = search(None, lengths, TOKENIZER, SearchOptions("attention"), scorers)
    assert all(len(one.tokens) <= length for found, length in zip(attention, lengths, strict=True) for one in found)


@pytest.mark.parametrize("method", ["attention", "joint"])
def test_a_decoders_words_know_what_else_they_might_have_been(method: str, random_log_probs):
    log_probs, scorers = random_log_probs(1, 6, 3, seed=4), [TableScorer(num_frames=6)]
    plain = search(log_probs, None, TOKENIZER, SearchOptions(method, nbest=16), scorers)[0]
    (best,) = search(log_probs, None, TOKENIZER, SearchOptions(method, alternatives=1), scorers)[0]
    assert best == with_alternatives(plain[0], plain[1:], 1) != plain[0]


def test_each_model_has_its_own_search():
    grammar = Grammar((("a",), ("b",)))

    def own(**able) -> tuple:
        found = resolve(Capabilities(TOKENIZER, **able))
        return found.method, found.grammar, found.beam_size, found.ctc_weight, found.rules

    assert own() == ("beam", None, 16, 0.3, EXACT)
    assert own(grammar=grammar) == ("grammar", grammar, 16, 0.3, EXACT)
    assert own(decoder=True, grammar=grammar) == ("joint", grammar, 16, 0.3, EXACT)
    assert own(ctc=False, decoder=True) == ("attention", None, 16, 0.3, EXACT)


@pytest.mark.parametrize(
    ("options", "log_probs", "scorers", "message"),
    [
        (
            SearchOptions("joint"),
            np.zeros((0, 1, 3)),
            None,
            "what is given has no decoder for method 'joint': want one of greedy, beam, gr",
        ),
        (SearchOptions("beam"), None, [], "has no CTC head for method 'beam': want one of attention"),
        (SearchOptions("joint"), None, [], "has no CTC head for method 'joint'"),
    ],
)
def test_what_is_missing_is_told(options, log_probs, scorers, message):
    with pytest.raises(ConfigError, match=message):
        search(log_probs, None, TOKENIZER, options, scorers)


@pytest.mark.parametrize("ctc_weight", [0, 1.1, "much", float("nan")])
def test_ctc_weights_that_are_none(ctc_weight):
    with pytest.raises(ConfigError, match=r"ctc_weight is .*, want a number above 0 and up to 1"):
        resolve(Capabilities(TOKENIZER, decoder=True), SearchOptions("joint", ctc_weight=ctc_weight))
