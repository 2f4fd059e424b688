"""Language models in the beam, against every text scored on its own."""

import math
from collections import defaultdict

import numpy as np
import pytest
from table_scorer import Bigrams

from lipscribe.errors import ConfigError, MissingExtraError
from lipscribe.search import Capabilities, SearchOptions, resolve, search
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.language_model import ArpaModel, compare_vocabularies
from lipscribe.search.shallow_fusion import ShallowFusion
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer

ARPA = """
\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-2.0\t<unk>
0\t<s>\t-0.3
-0.8\t</s>
-0.5\ta\t-0.2
-0.9\tb\t-0.1
-1.1\tba\t-0.4

\\2-grams:
-0.2\t<s> a
-0.4\ta b
-0.1\tb ba
-0.3\tba </s>

\\end\\
"""


TOYS = [(WordTokenizer(["a", "b"]), 6), (WordTokenizer(["a", "b", "ba"]), 5), (CharacterTokenizer("ab "), 5)]


@pytest.mark.parametrize(("tokenizer", "num_frames"), TOYS)
@pytest.mark.parametrize(("weight", "bonus"), [(0.0, 0.0), (0.7, 0.0), (1.5, 0.9), (0.4, -2.0)])
def test_a_huge_beam_ranks_like_every_text_scored_on_its_own(
    tokenizer, num_frames, weight, bonus, random_log_probs, enumerate_paths
):
    lm = Bigrams()
    for seed in range(3):
        log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=seed, sharpness=1.0)
        totals = defaultdict(lambda: -np.inf)
        for _, tokens, score in enumerate_paths(log_probs):
            totals[tokens] = np.logaddexp(totals[tokens], score)
        wanted = {}
        for tokens, total in totals.items():
            text = tokenizer.decode(tokens)
            wanted[tokens] = total + (weight * lm.score(text) + bonus * len(text.split()))
        fusion = ShallowFusion(lm, weight, bonus, tokenizer)
        found = ctc_beam_search(log_probs[None], [num_frames], 800, fusion)[0]
        assert {item.tokens: item.score for item in found} == pytest.approx(wanted)
        np.testing.assert_allclose([item.score for item in found], sorted(wanted.values(), reverse=True))


@pytest.mark.parametrize("beam_size", [1, 3, 8])
def test_without_weight_it_is_the_plain_beam(beam_size, random_log_probs):
    log_probs = random_log_probs(10, 9, 6, seed=3)
    fusion = ShallowFusion(Bigrams(), 0.0, 0.0, WordTokenizer(list("abcde")))
    plain = ctc_beam_search(log_probs, np.full(10, 9), beam_size)
    for found, beam in zip(ctc_beam_search(log_probs, np.full(10, 9), beam_size, fusion), plain, strict=True):
        assert [item.tokens for item in found] == [item.tokens for item in beam]
        np.testing.assert_allclose([item.score for item in found], [item.score for item in beam])


def test_the_language_model_decides_what_looks_alike():
    tokenizer = WordTokenizer(["b", "p", "two"])
    probabilities = np.array([[0.9, 0.03, 0.04, 0.03], [0.1, 0.44, 0.45, 0.01], [0.01, 0.01, 0.01, 0.97]])

    class Prefers:
        start = staticmethod(lambda: None)
        end = staticmethod(lambda state: 0.0)
        step = staticmethod(lambda state, word: (word, math.log(0.1 if word == "p" else 0.9)))

    plain = search(np.log(probabilities)[None], None, tokenizer, SearchOptions())[0][0]
    found = search(np.log(probabilities)[None], None, tokenizer, SearchOptions(lm=Prefers(), nbest=2))[0]
    assert plain.text == "p two"
    assert [item.text for item in found] == ["b two", "p two"]
    assert found[0].posterior > found[1].posterior


def test_no_frames():
    found = search(np.zeros((1, 0, 3)), None, WordTokenizer(["a", "b"]), SearchOptions(lm=Bigrams()))
    assert [(item.text, item.score) for item in found[0]] == [("", 0.5 * Bigrams().score(""))]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"method": "greedy", "lm": Bigrams()},
            "a language model of words is given, but method 'greedy' has no use for",
        ),
        ({"lm": Bigrams(), "lm_weight": -1.0}, "lm_weight is -1.0, want a number of at least 0"),
        ({"word_bonus": math.nan}, "word_bonus is nan, want a number"),
    ],
)
def test_contradictions(fields, message):
    with pytest.raises(ConfigError, match=message):
        resolve(Capabilities(WordTokenizer(["a"])), SearchOptions(**fields))


def write(folder, text=ARPA):
    path = folder / "toy.arpa"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_kenlm_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kenlm", None)
    with pytest.raises(MissingExtraError, match=r"a language model needs KenLM: pip install 'lipscribe\[lm\]'"):
        ArpaModel(write(tmp_path))


def test_an_arpa_file_backs_off_as_its_format_says(tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    lm = ArpaModel(write(tmp_path))
    assert lm.words == ["a", "b", "ba"]
    by_hand = {
        "a b": -0.2 - 0.4 + (-0.1 - 0.8),  # b </s> is no pair: back-off of b, then </s> alone
        "b ba": (-0.3 - 0.9) - 0.1 - 0.3,
        "ba zz": (-0.3 - 1.1) + (-0.4 - 2.0) - 0.8,  # zz is unknown
        "": -0.3 - 0.8,
    }
    for text, wanted in by_hand.items():
        state, total = lm.start(), 0.0
        for word in text.split():
            state, log_prob = lm.step(state, word)
            total += log_prob
        assert (total + lm.end(state)) / math.log(10) == pytest.approx(wanted, abs=1e-5)
        assert kenlm.Model(str(write(tmp_path))).score(text, bos=True, eos=True) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("tokenizer", "num_frames"), TOYS[1:])
def test_an_arpa_file_in_the_beam(tmp_path, tokenizer, num_frames, random_log_probs, enumerate_paths):
    kenlm = pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    oracle = kenlm.Model(str(write(tmp_path)))
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=9, sharpness=1.0)
    totals = defaultdict(lambda: -np.inf)
    for _, tokens, score in enumerate_paths(log_probs):
        totals[tokens] = np.logaddexp(totals[tokens], score)
    ranked = {
        tokens: total + (0.8 * math.log(10) * oracle.score(text) + 0.3 * len(text.split()))
        for tokens, total in totals.items()
        for text in [tokenizer.decode(tokens)]
    }
    options = SearchOptions(beam_size=800, lm=ArpaModel(write(tmp_path)), lm_weight=0.8, word_bonus=0.3)
    best = search(log_probs[None], None, tokenizer, options)[0][0]
    assert best.tokens == max(ranked, key=ranked.get)
    assert best.score == pytest.approx(max(ranked.values()), abs=1e-4)


def test_vocabularies_are_compared(tmp_path):
    pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    lm = ArpaModel(write(tmp_path))
    assert compare_vocabularies(lm, WordTokenizer(["a", "b", "ba"])) == []
    assert compare_vocabularies(lm, CharacterTokenizer("ab ")) == []
    assert compare_vocabularies(lm, WordTokenizer(["a", "c", "d"])) == [
        "language model: 2 of its words cannot be read by this model: b, ba",
        "language model: it lacks 2 of the reader's words: c, d",
    ]
    with pytest.raises(ConfigError, match=r"none of the language model's words can be read .*a, b, ba.*lower case"):
        compare_vocabularies(lm, CharacterTokenizer("xyz "))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b c\n", r"does not begin with \\data\\: want an n-gram model of at least pairs in ARPA format"),
        ("", r"does not begin with \\data\\"),
        ("\\data\\\nngram 1=1\n\n\\1-grams:\n-1\t<unk>\n\n\\end\\\n", "holds no words"),
        (ARPA[:120], r"is not a model that KenLM reads \(.+\): want an n-gram"),
    ],
)
def test_what_is_no_arpa_file(tmp_path, text, message):
    pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    with pytest.raises(ConfigError, match=rf"toy\.arpa {message}") as told:
        ArpaModel(write(tmp_path, text))
    assert "\n" not in str(told.value)
