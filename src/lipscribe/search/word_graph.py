"""Rules of a grammar, and the deterministic word graph compiled from them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lipscribe.errors import ConfigError

MAX_ARCS = 50_000  # beyond it a search would need minutes and gigabytes


@dataclass(frozen=True)
class OneOf:
    """Any of some rules."""

    rules: tuple["Rule", ...]


@dataclass(frozen=True)
class InOrder:
    """Some rules, one after the other."""

    rules: tuple["Rule", ...]


@dataclass(frozen=True)
class Maybe:
    """A rule or nothing."""

    rule: "Rule"


@dataclass(frozen=True)
class Repeated:
    """A rule, once or several times."""

    rule: "Rule"


Rule = str | OneOf | InOrder | Maybe | Repeated  # a str is one word


class Arc(NamedTuple):
    """An arc from state `source` to state `target`, labelled `word`."""

    source: int
    word: str
    target: int


@dataclass(frozen=True)
class WordGraph:
    """A deterministic finite-state acceptor of words: each text has one path.

    Attributes:
        arcs: All arcs; state 0 is the start.
        ends: The final states with their natural-log weights.
        sentence_words: Number of words in a sentence, if all have the same.
    """

    arcs: tuple[Arc, ...]
    ends: tuple[tuple[int, float], ...]
    sentence_words: int | None = None

    @property
    def words(self) -> list[str]:
        """Its different words, in the order of the arcs."""
        return list(dict.fromkeys(arc.word for arc in self.arcs))


def graph_of_rule(rule: Rule) -> WordGraph:
    """The graph of all texts of any number of sentences of a rule.

    Raises:
        ConfigError: The graph would have more than `MAX_ARCS` arcs.
    """
    sketch = _Sketch()
    start = sketch.state()
    sketch.add(rule, start, start)  # a sentence ends where the next one starts
    sets = [sketch.closure([start])]
    numbers, arcs = {sets[0]: 0}, []
    for source, states in enumerate(sets):  # grows while it is walked: the subset construction
        targets: defaultdict[str, list[int]] = defaultdict(list)
        for state in sorted(states):
            for word, target in sketch.spoken[state]:
                targets[word].append(target)
        for word, reached in targets.items():
            there = sketch.closure(reached)
            if there not in numbers:
                numbers[there] = len(sets)
                sets.append(there)
            arcs.append(Arc(source, word, numbers[there]))
        if len(arcs) > MAX_ARCS:
            raise ConfigError(f"grammar: it has more than {MAX_ARCS} places for words: want a smaller one")
    ends = tuple((number, 0.0) for number, states in enumerate(sets) if start in states)
    return WordGraph(tuple(arcs), ends, _num_words(rule))


def graph_of_texts(texts: Iterable[tuple[str, float]]) -> WordGraph:
    """The graph of different texts with natural-log weights; a clip has one of them, or none.

    Common prefixes are shared, ends are not, so each text keeps its weight.
    """
    arcs: dict[tuple[int, str], int] = {}
    ends: dict[int, float] = {}
    for text, weight in texts:
        state = 0
        for word in text.split():
            state = arcs.setdefault((state, word), len(arcs) + 1)
        ends[state] = weight
    return WordGraph(tuple(Arc(source, word, target) for (source, word), target in arcs.items()), tuple(ends.items()))


def state_after(graph: WordGraph, words: Iterable[str]) -> int | None:
    """The state that some words lead to; None if no text begins with them."""
    targets = {(arc.source, arc.word): arc.target for arc in graph.arcs}
    state: int | None = 0
    for word in words:
        state = None if state is None else targets.get((state, word))
    return state


def graph_after(graph: WordGraph, before: Sequence[str], words: Sequence[str] = ()) -> WordGraph:
    """What may still come in the middle of a text: all beginnings of its continuations.

    Args:
        graph: The texts.
        before: The words that are past.
        words: The words that come next for certain.

    Returns:
        The texts that are `words` and any number of words which may follow.

    Raises:
        ConfigError: No text of the graph begins with `before` and `words`.
    """
    state = state_after(graph, (*before, *words))
    if state is None:
        raise ConfigError(f"grammar: no text begins with {' '.join((*before, *words))!r}")
    first = max(len(words), 1)  # number of the old state 0
    arcs = [Arc(i, word, i + 1 if i + 1 < len(words) else state + first) for i, word in enumerate(words)]
    if not words:  # nothing arrives at the start, so it is a state of its own
        arcs = [Arc(0, arc.word, arc.target + first) for arc in graph.arcs if arc.source == state]
    arcs += [Arc(arc.source + first, arc.word, arc.target + first) for arc in graph.arcs]
    reached = {arc.target for arc in arcs} - set(range(len(words)))
    ends = [(number, 0.0) for number in sorted(reached if words else reached | {0})]
    return WordGraph(tuple(arcs), tuple(ends), graph.sentence_words)


class _Sketch:
    """The nondeterministic graph of a rule, with epsilon arcs (Thompson's construction)."""

    def __init__(self) -> None:
        self.spoken: list[list[tuple[str, int]]] = []
        self._silent: list[list[int]] = []

    def state(self) -> int:
        self.spoken.append([])
        self._silent.append([])
        return len(self.spoken) - 1

    def add(self, rule: Rule, start: int, end: int) -> None:
        """Add the rule between two states."""
        match rule:
            case str():
                self.spoken[start].append((rule, end))
            case OneOf():
                for each in rule.rules:
                    self.add(each, start, end)
            case InOrder():
                for each in rule.rules[:-1]:
                    middle = self.state()
                    self.add(each, start, middle)
                    start = middle
                self.add(rule.rules[-1], start, end)
            case Maybe():
                self.add(rule.rule, start, end)
                self._silent[start].append(end)
            case Repeated():
                first, last = self.state(), self.state()
                self.add(rule.rule, first, last)
                self._silent[start].append(first)
                self._silent[last] += [first, end]

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """The epsilon closure of some states."""
        found, open_states = set(), list(states)
        while open_states:
            state = open_states.pop()
            if state not in found:
                found.add(state)
                open_states += self._silent[state]
        return frozenset(found)


def _num_words(rule: Rule) -> int | None:
    """The number of words in all texts of a rule; None if it varies."""
    match rule:
        case str():
            return 1
        case OneOf():
            lengths = {_num_words(each) for each in rule.rules}
            return lengths.pop() if len(lengths) == 1 else None
        case InOrder():
            lengths = [_num_words(each) for each in rule.rules]
            known = [length for length in lengths if length is not None]
            return sum(known) if len(known) == len(lengths) else None
        case _:
            return None
