"""Which word may follow which: the rules of a language, and the graph that says the same to a search."""

from collections import defaultdict
from collections.abc import Iterable
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
    """The state `source` may say `word` and is `target` then."""

    source: int
    word: str
    target: int


@dataclass(frozen=True)
class WordGraph:
    """States and the words that lead from one to another. No word leaves a state twice: a text has one path.

    Attributes:
        arcs: All of them; state 0 is where a text begins.
        ends: The states where a text may end, each with the natural-log weight of ending there.
        sentence_words: How many words a sentence has, where that is the same for all.
    """

    arcs: tuple[Arc, ...]
    ends: tuple[tuple[int, float], ...]
    sentence_words: int | None = None

    @property
    def words(self) -> list[str]:
        """Its different words, in the order of the arcs."""
        return list(dict.fromkeys(arc.word for arc in self.arcs))


def graph_of_rule(rule: Rule) -> WordGraph:
    """The graph of all texts of zero, one or many sentences, each of which the rule allows.

    Raises:
        ConfigError: It would have more than `MAX_ARCS` arcs.
    """
    sketch = _Sketch()
    start = sketch.state()
    sketch.add(rule, start, start)  # the end of a sentence is the beginning of the next
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
    """The graph of some texts that are all different, each with its natural-log weight; one of them is said, or none.

    What several of them begin with is shared, their ends are not, so that each ends with its own weight.
    """
    arcs: dict[tuple[int, str], int] = {}
    ends: dict[int, float] = {}
    for text, weight in texts:
        state = 0
        for word in text.split():
            state = arcs.setdefault((state, word), len(arcs) + 1)
        ends[state] = weight
    return WordGraph(tuple(Arc(source, word, target) for (source, word), target in arcs.items()), tuple(ends.items()))


class _Sketch:
    """Thompson's graph of a rule, in which a state may lead to another silently."""

    def __init__(self) -> None:
        self.spoken: list[list[tuple[str, int]]] = []
        self._silent: list[list[int]] = []

    def state(self) -> int:
        self.spoken.append([])
        self._silent.append([])
        return len(self.spoken) - 1

    def add(self, rule: Rule, start: int, end: int) -> None:
        """Let the rule lead from one state to another."""
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
        """The states and all that they lead to silently."""
        found, open_states = set(), list(states)
        while open_states:
            state = open_states.pop()
            if state not in found:
                found.add(state)
                open_states += self._silent[state]
        return frozenset(found)


def _num_words(rule: Rule) -> int | None:
    """How many words all texts of a rule have; None where they differ."""
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
