"""Files that people write: what they mean, and what is said of those with faults."""

from itertools import product

import numpy as np
import pytest

from lipscribe.data.corpora.grid import SLOTS
from lipscribe.errors import ConfigError
from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.search.grammar_file import load_grammar, load_phrases
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer


def write(folder, text):
    path = folder / "rules.txt"
    path.write_text(text, encoding="utf-8")
    return path


def language(grammar: Grammar, max_words: int) -> set[str]:
    """All texts up to a length, walked out of the graph."""
    ends = {state for state, _ in grammar.graph.ends}
    texts, places = {""}, [("", 0)]
    for _ in range(max_words):
        places = [
            (f"{text} {arc.word}".strip(), arc.target)
            for text, state in places
            for arc in grammar.graph.arcs
            if arc.source == state
        ]
        assert len({text for text, _ in places}) == len(places)  # a text has one path
        texts |= {text for text, state in places if state in ends}
    return texts


def test_the_bundled_grammar_is_grids():
    assert load_grammar("grid") == Grammar(SLOTS)
    assert load_grammar("grid").sentence_words == 6


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("<s> = a b", {"a b"}),
        ("<s> = a | b c", {"a", "b c"}),
        ("<s> = [a] b", {"b", "a b"}),
        ("<s> = a (b | c) a", {"a b a", "a c a"}),
        ("<s> = a b* c", {"a c", "a b c", "a b b c"}),
        ("<s> = a b+ c", {"a b c", "a b b c"}),
        ("<s> = (a b)+ c", {"a b c", "a b a b c"}),
        ("<s> = a [b | c]", {"a", "a b", "a c"}),
        ("<s> = <x> <x>\n<x> = a\n  | b # or b\n", {"a a", "a b", "b a", "b b"}),
        ("# twice the same text\n<s> = a b | a [b] | <x>\n\n<x> = a b", {"a", "a b"}),
        ("<s>=A|(B)", {"a", "b"}),
    ],
)
def test_a_text_is_any_number_of_sentences(tmp_path, text, sentences):
    grammar = load_grammar(write(tmp_path, text))
    wanted = {" ".join(chosen) for number in range(5) for chosen in product(sentences, repeat=number)}
    assert language(grammar, 4) == {text for text in wanted if len(text.split()) <= 4}


@pytest.mark.parametrize(
    ("text", "num_words"), [("<s> = a b | c d", 2), ("<s> = a [b]", None), ("<s> = a | b c", None), ("<s> = a+", None)]
)
def test_the_length_of_a_sentence_is_known_where_it_is_one(tmp_path, text, num_words):
    assert load_grammar(write(tmp_path, text)).sentence_words == num_words


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it holds no definition, want lines such as <sentence> = good"),
        ("bin blue", "line 1: 'bin blue' belongs to no definition, want <name> = words"),
        ("<s> = a\n<s> = b", "line 2: <s> is defined twice"),
        ("<s> = a <x>\n\n<y> = b <z>", "line 1: <x> is not defined; line 3: <z> is not defined"),
        ("<s> = a <t>\n<t> = b [<s>]", r"line 2: <s> contains itself; want \* or \+"),
        ("<s> = a\n | (b | c", r"line 2: '\(' is not closed by '\)'"),
        ("<s> = a [b) c", r"line 1: '\[' is not closed by '\]'"),
        ("<s> = a )", r"line 1: '\)' has no opening bracket"),
        ("<s> = a |\n | b", r"line 2: words are missing before '\|'"),
        ("<s> =", "line 1: words are missing at the end"),
        ("<s> = a ()", r"line 1: words are missing before '\)'"),
        ("<s> = * a", r"line 1: '\*' has nothing before it to repeat"),
        ("<s> = a <b", "line 1: '<' is not a word"),
        ("<s> = a = b", "line 1: '=' is not a word"),
        ("<s> = a -- b", "line 1: '--' is not a word"),
        ("<s> = " + "(" * 60 + "a" + ")" * 60, "line 1: more than 50 brackets are open"),
        ("<s> = (a|b)* a " + "(a|b) " * 30, "it has more than 50000 places for words: want a smaller one"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, text, fault):
    with pytest.raises(ConfigError, match=f"(rules.txt|grammar): {fault}"):
        load_grammar(write(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(
        ConfigError, match=r"gird cannot be read .*: give a file, or the name of a bundled grammar \(grid"
    ):
        load_grammar("gird")
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff\x00")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        load_phrases(tmp_path / "picture")


def test_words_outside_the_vocabulary_are_listed(tmp_path):
    grammar = load_grammar(write(tmp_path, "<s> = a zwei | b drei"))
    with pytest.raises(ConfigError, match="grammar: 'zwei', 'drei' cannot be spelt in the model's vocabulary of 2"):
        grammar.compile(WordTokenizer(["a", "b"]))


def test_a_phrase_or_nothing(tmp_path):
    grammar = load_phrases(write(tmp_path, "# what may be said\nTurn left!\nturn right : 2.5\n\nstop\n"))
    assert language(grammar, 5) == {"", "turn left", "turn right", "stop"}
    weights = sorted(weight for _, weight in grammar.graph.ends)
    np.testing.assert_allclose(np.exp(weights), [1, 1, 1, 2.5])


def test_a_time_of_day_is_no_weight(tmp_path):
    lines = ["meet at 10:30", "meet at 11 : 30", "meet at 12:45 : 2", "nine:3", "from 7:15pm"]
    grammar = load_phrases(write(tmp_path, "\n".join(lines)))
    wanted = {"", "meet at 10 30", "meet at 11", "meet at 12 45", "nine", "from 7 15pm"}
    assert language(grammar, 5) == wanted
    weights = sorted(weight for _, weight in grammar.graph.ends)
    np.testing.assert_allclose(np.exp(weights), [1, 1, 1, 2, 3, 30])


def test_a_phrase_that_begins_another_keeps_its_own_weight(tmp_path, random_log_probs, enumerate_paths):
    tokenizer = CharacterTokenizer("ab ")
    grammar = load_phrases(write(tmp_path, "a : 0.2\na b : 3\nb a"))
    weights = {(): 1.0, (1,): 0.2, (1, 3, 2): 3.0, (2, 3, 1): 1.0}
    log_probs = random_log_probs(6, 4, seed=4, sharpness=1.0)
    totals, best = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, -np.inf)
    for _, tokens, score in enumerate_paths(log_probs):
        if tokens in weights:
            totals[tokens] += np.exp(score) * weights[tokens]
            best[tokens] = max(best[tokens], score + np.log(weights[tokens]))
    found = search(log_probs[None], None, tokenizer, SearchOptions("grammar", nbest=9, grammar=grammar))[0]
    assert [item.tokens for item in found] == sorted(best, key=best.get, reverse=True)
    np.testing.assert_allclose([item.score for item in found], [best[item.tokens] for item in found])
    mass = sum(totals.values())
    np.testing.assert_allclose([item.posterior for item in found], [totals[item.tokens] / mass for item in found])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it holds no phrases"),
        (
            "stop\n: 3\ngo : fast\nstop\nwait : -1",
            "line 2: ': 3' holds no words; line 3: weight 'fast' after the colon "
            "is not a number above 0; line 4: 'stop' is there twice; line 5: weight '-1'",
        ),
        ("go :", "line 1: weight '' after"),
    ],
)
def test_faults_of_phrase_lists(tmp_path, text, fault):
    with pytest.raises(ConfigError, match=f"rules.txt: {fault}"):
        load_phrases(write(tmp_path, text))
