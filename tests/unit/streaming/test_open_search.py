"""What is said so far, against every beginning of every text and every path."""

from collections.abc import Iterator
from itertools import groupby, product

import numpy as np
import pytest
from planted_model import SLOTS, PlantedModel, plant, planted_log_probs

from lipscribe.encoded import Encoded
from lipscribe.errors import ConfigError
from lipscribe.search import Grammar, SearchOptions
from lipscribe.search.hypothesis import WordSpan
from lipscribe.search.word_graph import (
    InOrder,
    Maybe,
    OneOf,
    WordGraph,
    graph_after,
    graph_of_rule,
    graph_of_texts,
    state_after,
)
from lipscribe.streaming import LiveReader
from lipscribe.streaming.searching import FreeOpenSearch, GrammarOpenSearch

Text = tuple[str, ...]
NUM_FRAMES = 5
RULE = InOrder((OneOf(("red", "green")), Maybe("one"), OneOf(("now", "one"))))
GRAPHS = {
    "slots": Grammar(SLOTS).graph,
    "rule": graph_of_rule(RULE),
    "texts": graph_of_texts([("red one", -1.0), ("red two now", -0.5), ("green", 0.0)]),
}
PLACES = [
    ((), ()),
    ((), ("red",)),
    (("red",), ()),
    (("red",), ("one",)),
    (("red", "two"), ()),
    (("red", "two"), ("now",)),
]


def texts(graph: WordGraph, num_words: int) -> Iterator[Text]:
    """Every text of up to so many words."""
    open_texts = [((), 0)]
    ends = dict(graph.ends)
    while open_texts:
        text, state = open_texts.pop()
        if state in ends:
            yield text
        if len(text) < num_words:
            open_texts += [((*text, arc.word), arc.target) for arc in graph.arcs if arc.source == state]


def beginnings(graph: WordGraph, num_words: int) -> set[Text]:
    """Of texts that are long enough to have all beginnings of `num_words` words."""
    return {text[:n] for text in texts(graph, num_words + 3) for n in range(min(len(text), num_words) + 1)}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(("before", "words"), PLACES)
def test_what_may_come_is_every_beginning_of_every_continuation(name: str, before: Text, words: Text):
    graph, longest = GRAPHS[name], 3
    past = (*before, *words)
    wanted = {text[len(before) :] for text in beginnings(graph, len(before) + longest) if text[: len(past)] == past}
    if not wanted:
        with pytest.raises(ConfigError, match="no text begins with"):
            graph_after(graph, before, words)
        return
    after = graph_after(graph, before, words)
    assert set(texts(after, longest)) == wanted
    arcs = [(arc.source, arc.word) for arc in after.arcs]
    assert len(arcs) == len(set(arcs))  # still deterministic: each text has one path


@pytest.mark.parametrize("name", GRAPHS)
def test_the_state_after_words_is_where_their_continuations_start(name: str):
    graph = GRAPHS[name]
    every = beginnings(graph, 3)
    words = {arc.word for arc in graph.arcs}
    for text in (text for n in range(4) for text in product(sorted(words), repeat=n)):
        state = state_after(graph, text)
        assert (state is not None) == (text in every)
        if state is not None:
            assert (state in dict(graph.ends)) == (text in set(texts(graph, 3)))


def span(word: str, start: int, end: int) -> WordSpan:
    return WordSpan(word, start, end, 1.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("before", "words"), PLACES)
def test_the_best_beginning_is_found_among_all_paths(before: Text, words: Text, seed: int):
    """Every path of `NUM_FRAMES` frames whose words are a beginning counts; the committed words are on each."""
    model = PlantedModel()
    logits = 2 * np.random.default_rng(seed).normal(size=(NUM_FRAMES, 6))
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    possible = beginnings(Grammar(SLOTS).graph, len(before) + NUM_FRAMES)
    scores: dict[Text, float] = {}
    for path in product(range(6), repeat=NUM_FRAMES):
        read = tuple(model.tokenizer.decode([token]) for token, _ in groupby(path) if token)
        if read[: len(words)] == words and (*before, *read) in possible:
            score = float(log_probs[range(NUM_FRAMES), path].sum())
            scores[read] = max(score, scores.get(read, -np.inf))
    open_search = GrammarOpenSearch(model, Grammar(SLOTS), 0)
    if before:
        open_search.drop([span(word, 0, 1) for word in before])
    committed = [span(word, number, number + 1) for number, word in enumerate(words)]
    found = open_search.read(Encoded(None, log_probs, 25.0), committed)
    assert tuple(word.text for word in found) == max(scores, key=lambda text: scores[text])


def read(search: GrammarOpenSearch | FreeOpenSearch, text: str, *committed: WordSpan) -> list[str]:
    """The words after the committed ones."""
    found = search.read(Encoded(None, planted_log_probs(plant(text)), 25.0), committed)
    assert [word.text for word in found[: len(committed)]] == [word.text for word in committed]
    return [word.text for word in found[len(committed) :]]


def test_an_utterance_may_end_only_with_a_whole_text():
    search = GrammarOpenSearch(PlantedModel(), Grammar(SLOTS), 0)
    assert search.is_complete([])
    assert not search.is_complete([span("red", 0, 1)])
    search.drop([span("red", 0, 1), span("two", 1, 2)])
    assert not search.is_complete([])
    assert search.is_complete([span("now", 2, 3)])
    search.reset()
    assert search.is_complete([])


def test_words_that_were_dropped_are_not_found_again_and_decide_what_may_follow():
    search = GrammarOpenSearch(PlantedModel(), Grammar(SLOTS), 0)
    assert read(search, "red 3 one 3 now 3") == ["red", "one", "now"]
    assert read(search, "red 3 one 3 now 3", span("red", 0, 3)) == ["one", "now"]
    search.drop([span("red", 0, 3)])
    assert read(search, "one 3 now 3") == ["one", "now"]
    search.reset()
    assert read(search, "red 3 one 3 now 3") == ["red", "one", "now"]


def test_a_word_that_was_committed_while_it_was_said_lies_where_it_is_by_now():
    search = GrammarOpenSearch(PlantedModel(), Grammar(SLOTS), 0)
    log_probs = planted_log_probs(plant(". 2 red 8 . 2 one 3"))
    first, second = search.read(Encoded(None, log_probs, 25.0), [span("red", 2, 4)])
    assert (first.start, first.end, second.start, second.end) == (2, 10, 12, 15)


def test_frames_without_room_for_the_committed_words_change_nothing():
    search, committed = GrammarOpenSearch(PlantedModel(), Grammar(SLOTS), 0), [span("red", 0, 1), span("one", 1, 2)]
    assert search.read(Encoded(None, planted_log_probs(plant("red 1")), 25.0), committed) == committed


def test_alternatives_are_of_the_same_place():
    model = PlantedModel()
    log_probs = planted_log_probs(plant("red 3 one 3 now 3"), sure=0.6)
    found = GrammarOpenSearch(model, Grammar(SLOTS), 2).read(Encoded(None, log_probs, 25.0), ())
    assert {other.text for other in found[0].alternatives} <= {"green"}
    assert {other.text for other in found[1].alternatives} <= {"two", "red"}
    assert found[1].alternatives


def test_without_a_grammar_the_words_after_the_committed_ones_are_found():
    search = FreeOpenSearch(PlantedModel(None), None)
    assert read(search, "now 3 . 1 now 3 two 3") == ["now", "now", "two"]
    assert read(search, "now 3 . 1 now 3 two 3", span("now", 0, 3)) == ["now", "two"]
    assert search.is_complete([])


def test_initials_are_refused_for_a_stream():
    with pytest.raises(ConfigError, match="initials are of a clip that is read as a whole"):
        LiveReader(PlantedModel(), SearchOptions("grammar", initials="r o n"))
