"""Word initials: what they are, and every search with them against all texts that have them."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from table_scorer import Bigrams, TableScorer, read_by_decoder

from lipscribe.errors import ConfigError
from lipscribe.search import Capabilities, Grammar, SearchOptions, resolve, search
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.grammar import grammar_search
from lipscribe.search.initials import MAX_WORDS, Initials
from lipscribe.search.initials_scorer import FORBIDDEN, TokenInitials
from lipscribe.search.shallow_fusion import ShallowFusion
from lipscribe.search.word_graph import graph_of_texts
from lipscribe.tokenizer import CharacterTokenizer, UnitsTokenizer, WordTokenizer

WORDS = WordTokenizer(["a", "ab", "b", "ba"])
LETTERS = CharacterTokenizer("ab ")
UNITS = {"pieces": ["<unk>", "\u2581A", "B", "\u2581", "\u2581BA"], "spaces": ["<unk>", "A", "B", "<space>"]}
ASKED = ["a", "b a", "ab b", "? a", "ba ?", "a ...", "? b...", "b ? ..."]


@pytest.fixture(params=["words", "letters", *UNITS])
def tokenizer(request, tmp_path):
    if request.param in UNITS:
        path = tmp_path / "units.txt"
        names = enumerate(UNITS[request.param], start=1)
        path.write_text("".join(f"{name} {idx}\n" for idx, name in names), encoding="utf-8")
        return UnitsTokenizer(str(path))
    return WORDS if request.param == "words" else LETTERS


def have(text: str, asked: str) -> bool:
    """Whether a text has the initials, said plainly."""
    entries, words = asked.replace("...", "").split(), text.split()
    if len(words) < len(entries) or (len(words) > len(entries) and "..." not in asked):
        return False
    return all(entry == "?" or word.startswith(entry) for entry, word in zip(entries, words, strict=False))


@pytest.mark.parametrize(
    ("text", "beginnings", "more"),
    [
        ("p r a", ("p", "r", "a"), False),
        ("  Pl, ? _ O'B \u2026 ", ("pl", "", "", "o'b"), True),
        ("p r...", ("p", "r"), True),
        ("?", ("",), False),
    ],
)
def test_they_are_read(text, beginnings, more):
    initials = Initials.parse(text)
    assert initials == Initials(beginnings, more)
    assert Initials.parse(str(initials)) == initials


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "initials are '', which name no word: want such as"),
        ("...", "initials are '...', which name no word"),
        ("p ... r", "initials hold '...', with which no word begins"),
        ("p ! r", "initials hold '!', with which no word begins"),
        (["p", "r"], r"initials are \['p', 'r'\]: want such as"),
        ("p " * (MAX_WORDS + 1), "initials are of 101 words: want at most 100"),
    ],
)
def test_what_is_none_is_refused(text, message):
    with pytest.raises(ConfigError, match=f"search options: {message}"):
        resolve(Capabilities(WORDS), SearchOptions(initials=text))


def test_a_text_has_its_own():
    assert str(Initials.of_text("Place red at C six, please!")) == "p r a c s p"
    for text, asked in product(["", "a", "a b", "ab ba", "b a b"], ASKED):
        assert Initials.parse(asked).fit(text) == have(text, asked)


def test_those_of_a_part_of_a_text():
    closed, opened = Initials.parse("p r a c"), Initials.parse("p r a ...")
    assert [str(closed.part(0, 2)), str(closed.part(2)), str(closed.part(4))] == ["p r", "a c", ""]
    assert [str(opened.part(0, 2)), str(opened.part(2, 4)), str(opened.part(2))] == ["p r", "a ...", "a ..."]
    assert opened.part(4) is None  # any words
    assert closed.part(4) == Initials(())  # none


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("slots", "tokenizer", "num_frames"),
    [((("a", "b"), ("a", "ba")), WORDS, 5), ((("a", "ab"), ("b", "a")), LETTERS, 6), ((("a", "ab b"),), LETTERS, 6)],
)
def test_a_grammar_against_every_text_that_has_them(
    asked, slots, tokenizer, num_frames, random_log_probs, enumerate_paths
):
    sentences = [" ".join(items) for items in product(*slots)]
    texts = {" ".join(some) for number in range(4) for some in product(sentences, repeat=number)}
    language = {tuple(tokenizer.encode(text)) for text in texts if have(text, asked)}
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=3, sharpness=1.0)
    best, total = defaultdict(lambda: -np.inf), defaultdict(float)
    for _, tokens, score in enumerate_paths(log_probs):
        if tokens in language:
            best[tokens] = max(best[tokens], score)
            total[tokens] += np.exp(score)
    wanted = sorted(best, key=best.get, reverse=True)
    options = SearchOptions("grammar", grammar=Grammar(slots), initials=asked, nbest=len(wanted) + 1, alternatives=3)
    if not wanted:
        with pytest.raises(ConfigError, match="fit no text of the grammar"):
            resolve(Capabilities(tokenizer), options)
        return
    found = search(log_probs[None], None, tokenizer, options)[0]
    assert [one.tokens for one in found] == wanted
    np.testing.assert_allclose([one.score for one in found], [best[tokens] for tokens in wanted])
    np.testing.assert_allclose([one.posterior for one in found], [total[t] / sum(total.values()) for t in wanted])
    entries = asked.replace("...", "").split()
    for entry, word in zip(entries, found[0].words, strict=False):
        assert all(other.text.startswith(entry.replace("?", "")) for other in word.alternatives)


def test_phrases_keep_their_weights_and_each_text_has_one_path():
    weights = {"a": 0.0, "a b": 1.5, "ab": -0.5, "b a": 0.7}
    graph = Grammar(graph_of_texts(weights.items())).fitting(Initials.parse("a ...")).graph
    ends, texts, open_states = dict(graph.ends), {}, [("", 0)]
    while open_states:
        text, state = open_states.pop()
        texts |= dict.fromkeys([text] * (state in ends), ends.get(state))
        open_states += [(f"{text} {arc.word}".strip(), arc.target) for arc in graph.arcs if arc.source == state]
    assert texts == {"a": 0.0, "a b": 1.5, "ab": -0.5}
    assert len({(arc.source, arc.word) for arc in graph.arcs}) == len(graph.arcs) == 3


def test_nothing_is_read_only_where_it_may_be(random_log_probs):
    silent = np.log(np.array([[[0.999, 0.0005, 0.0005]] * 4]))
    tokenizer, grammar = WordTokenizer(["a", "b"]), Grammar((("a", "b"),))
    for method in ("grammar", "beam"):
        given = {"grammar": grammar} if method == "grammar" else {}
        assert search(silent, None, tokenizer, SearchOptions(method, **given))[0][0].text == ""
        assert search(silent, None, tokenizer, SearchOptions(method, **given, initials="b"))[0][0].text == "b"
    too_short = search(silent[:, :1], None, tokenizer, SearchOptions("beam", initials="b b"))[0]
    assert [(one.text, one.score) for one in too_short] == [("", -np.inf)]


def all_texts(tokenizer, longest: int, end: int = 0):
    ids = [token for token in range(1, len(tokenizer.vocab)) if token != end]
    return [tokens for length in range(longest + 1) for tokens in product(ids, repeat=length)]


@pytest.mark.parametrize("asked", ASKED)
def test_tokens_that_break_them_are_forbidden_and_no_others(tokenizer, asked):
    acceptor = TokenInitials.of(Initials.parse(asked), tokenizer)
    accepted = set()
    end = getattr(tokenizer, "end", 0)
    for tokens in all_texts(tokenizer, 4, end):
        state = 0
        for token in tokens:
            state = acceptor.next[state, token] if state != FORBIDDEN else state
        if state != FORBIDDEN and acceptor.ends[state]:
            accepted.add(tokens)
    assert accepted == {tokens for tokens in all_texts(tokenizer, 4, end) if have(tokenizer.decode(tokens), asked)}
    assert (acceptor.next[:, [0, end]] == FORBIDDEN).all()


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("tokenizer", "num_frames"), [(WORDS, 4), (LETTERS, 5)])
@pytest.mark.parametrize("lm", [None, Bigrams()])
def test_a_huge_beam_finds_all_sequences_that_have_them(
    asked, tokenizer, num_frames, lm, random_log_probs, enumerate_paths
):
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=5, sharpness=1.0)
    totals = defaultdict(lambda: -np.inf)
    for _, tokens, score in enumerate_paths(log_probs):
        if have(tokenizer.decode(tokens), asked):
            totals[tokens] = np.logaddexp(totals[tokens], score)
    wanted = {t: total + (0.7 * lm.score(tokenizer.decode(t)) if lm else 0.0) for t, total in totals.items()}
    acceptor = TokenInitials.of(Initials.parse(asked), tokenizer)
    fusion = None if lm is None else ShallowFusion(lm, 0.7, 0.0, tokenizer)
    beam = ctc_beam_search(log_probs[None], np.array([num_frames]), 200, fusion, acceptor)[0]
    assert {one.tokens: one.score for one in beam} == pytest.approx(wanted)


def test_a_small_beam_finds_the_words_that_the_picture_hides(random_log_probs):
    # The network is sure of "a a a a"; with a beam shared by all, prefixes of few words crowd the others out.
    log_probs = np.full((1, 16, 5), np.log(1e-7))
    log_probs[0, ::2, 0] = log_probs[0, 1::2, 1] = np.log(1 - 4e-7)
    for asked in ("b b b b", "b ba ? ?", "? ? ? ? ? ? ?"):
        found = search(log_probs, None, WORDS, SearchOptions("beam", beam_size=2, initials=asked))[0][0]
        assert have(found.text, asked)


def test_a_batch_is_read_as_each_clip_alone(random_log_probs):
    log_probs = random_log_probs(3, 9, len(WORDS.vocab), seed=6)
    options = SearchOptions("beam", beam_size=3, initials="a ? b", nbest=3, alternatives=1)
    batch = search(log_probs, [9, 0, 7], WORDS, options)
    for clip, length in enumerate([9, 0, 7]):
        alone = search(log_probs[clip : clip + 1, :length], None, WORDS, options)[0]
        assert [one.text for one in batch[clip]] == [one.text for one in alone]
        np.testing.assert_allclose([one.score for one in batch[clip]], [one.score for one in alone])


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("by_ctc", [False, True])
def test_a_decoder_against_every_sentence_that_has_them(tokenizer, asked, by_ctc, random_log_probs, enumerate_paths):
    end = getattr(tokenizer, "end", 0)
    scorer = TableScorer(len(tokenizer.vocab), num_frames=3, seed=2, end=end)
    log_probs = random_log_probs(3, len(tokenizer.vocab), seed=7, sharpness=1.0) if by_ctc else None
    totals = defaultdict(lambda: -np.inf)
    for _, tokens, score in enumerate_paths(log_probs) if by_ctc else ():
        totals[tokens] = np.logaddexp(totals[tokens], score)
    weight = 0.3 if by_ctc else 0.0
    scores = defaultdict(lambda: -np.inf)  # by text, of its best spelling
    for tokens in all_texts(tokenizer, 3, end):
        if have(text := tokenizer.decode(tokens), asked):
            by_picture = weight * totals[tokens] if by_ctc else 0.0
            scores[text] = max(scores[text], (1 - weight) * scorer.score(tokens) + by_picture)
    wanted = {text: score for text, score in scores.items() if score > -np.inf}
    options = {"beam_size": 200, "nbest": 200, "initials": asked} | ({"ctc_weight": 0.3} if by_ctc else {})
    if end:
        options["exact"] = True
    found = read_by_decoder(scorer, 3, tokenizer, log_probs, **options)
    assert {one.text: one.score for one in found if one.score > -np.inf} == pytest.approx(wanted)


def test_published_rules_keep_to_them(random_log_probs):
    tokenizer = WordTokenizer([*"abcdefghij", "<eos>"])
    scorer, log_probs = TableScorer(12, 6, seed=3, end=11), random_log_probs(6, 12, seed=5)
    for asked in ("j i h", "? b ..."):
        found = read_by_decoder(scorer, 6, tokenizer, log_probs, beam_size=2, nbest=2, exact=False, initials=asked)
        assert all(have(one.text, asked) for one in found)
        assert found[0].score > -np.inf


GRAMMAR = Grammar((("bin", "set"), ("blue", "red"), ("at", "by")))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "b x a",
            "initials 'b x a' fit no text of the grammar: word 2 cannot begin with 'x' there, but with b, r: c",
        ),
        ("b b", "none of 2 words begins so, but longer ones do: give . for each further word, or ... at the end"),
        ("bba", "word 1 cannot begin with 'bba' there, but with b, s"),
    ],
)
def test_where_they_leave_the_grammar_is_told(asked, message):
    capabilities = Capabilities(WordTokenizer(GRAMMAR.graph.words), grammar=GRAMMAR)
    with pytest.raises(ConfigError, match=message):
        resolve(capabilities, SearchOptions(initials=asked))


def test_more_words_than_a_phrase_has():
    phrases = Grammar(graph_of_texts([("turn left", 0.0), ("stop", 0.0)]))
    with pytest.raises(ConfigError, match="it has none of more than 2 words that begins so: give one entry a word"):
        phrases.fitting(Initials.parse("t l n"))


def test_other_contradictions():
    with pytest.raises(ConfigError, match="initials are given, but method 'greedy' has no use for it: want method 'be"):
        resolve(Capabilities(WORDS), SearchOptions("greedy", initials="a"))
    with pytest.raises(ConfigError, match="initials 'a x': the model's vocabulary of 4 tokens spells no word"):
        resolve(Capabilities(WORDS), SearchOptions("beam", initials="a x"))
    with pytest.raises(ConfigError, match="but method 'greedy' has no use for them: want another one"):
        resolve(Capabilities(WORDS), SearchOptions("greedy")).with_initials(Initials.parse("a"))


def test_a_search_without_them_is_as_before(random_log_probs):
    log_probs = random_log_probs(1, 8, 5, seed=9)
    plain = resolve(Capabilities(WORDS), SearchOptions("beam", nbest=5))
    assert (plain.initials, plain.language, plain.spelling, plain.name) == (None, None, None, "beam")
    free = plain.with_initials(Initials((), more=True))  # any words
    assert free.name == "beam + initials"
    some = [[(one.tokens, one.score) for one in search(log_probs, None, WORDS, o)[0]] for o in (plain, free)]
    assert some[0] == some[1]
    grammar = Grammar((("a", "b"), ("b",)))
    open_grammar = grammar.fitting(Initials((), more=True))
    both = [grammar_search(log_probs[0], one.compile(WORDS), WORDS, 4) for one in (grammar, open_grammar)]
    assert [(one.text, one.score, one.posterior) for one in both[0]] == [
        (one.text, one.score, one.posterior) for one in both[1]
    ]
