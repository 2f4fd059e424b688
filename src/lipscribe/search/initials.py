"""The known beginnings of a text's words, and the texts of a word graph that have them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lipscribe.errors import ConfigError
from lipscribe.search.word_graph import MAX_ARCS, Arc, WordGraph
from lipscribe.text import normalise

UNKNOWN = ("?", "_")
MAX_WORDS = 100
_LISTED = 12  # letters that a message lists


@dataclass(frozen=True)
class Initials:
    """How the words of a text begin.

    Attributes:
        beginnings: The first letter or letters of each word, in lower case; "" of a word that is unknown.
        more: Whether further words may follow, any number of them.
    """

    beginnings: tuple[str, ...]
    more: bool = False

    @classmethod
    def parse(cls, text: str) -> "Initials":
        """Such as "p r a", one entry a word: letters, "?" or "_" for an unknown word, "..." at the end for more words.

        Raises:
            ConfigError: There is no entry, more than `MAX_WORDS`, or one that is no beginning of a word.
        """
        want = 'want such as "p r a", with ? for an unknown word, and ... at the end where more words follow'
        if not isinstance(text, str):
            raise ConfigError(f"initials are {text!r}: {want}")
        listed = text.replace("\N{HORIZONTAL ELLIPSIS}", "...").strip()
        entries = listed.removesuffix("...").split()
        if not entries:
            raise ConfigError(f"initials are {text!r}, which name no word: {want}")
        if len(entries) > MAX_WORDS:
            raise ConfigError(f"initials are of {len(entries)} words: want at most {MAX_WORDS}")
        beginnings = tuple("" if entry in UNKNOWN else normalise(entry) for entry in entries)
        for entry, beginning in zip(entries, beginnings, strict=True):
            if entry not in UNKNOWN and len(beginning.split()) != 1:
                raise ConfigError(f"initials hold {entry!r}, with which no word begins: {want}")
        return cls(beginnings, listed.endswith("..."))

    @classmethod
    def of_text(cls, text: str) -> "Initials":
        """The first letters of all words of a text."""
        return cls(tuple(word[0] for word in normalise(text).split()))

    def __str__(self) -> str:
        return " ".join([*(beginning or "?" for beginning in self.beginnings), *(["..."] if self.more else [])])

    def allow(self, number: int, word: str) -> bool:
        """Whether a word may be the text's word `number`, counted from 0."""
        if number >= len(self.beginnings):
            return self.more
        return word.lower().startswith(self.beginnings[number])

    def fit(self, text: str) -> bool:
        """Whether they are a text's."""
        words = normalise(text).split()
        return len(words) >= len(self.beginnings) and all(self.allow(*each) for each in enumerate(words))

    def part(self, start: int, stop: int | None = None) -> "Initials | None":
        """Those of the words `start` to `stop - 1`, None if these may be any."""
        more = self.more and (stop is None or stop > len(self.beginnings))
        part = Initials(self.beginnings[start:stop], more)
        return part if part.beginnings or not more else None


def fitting_graph(graph: WordGraph, initials: Initials) -> WordGraph:
    """The texts of a graph that have the initials: the product of both, so each text still has one path.

    Raises:
        ConfigError: There is none, or the product has more than `MAX_ARCS` arcs.
    """
    leaving: defaultdict[int, list[Arc]] = defaultdict(list)
    for arc in graph.arcs:
        leaving[arc.source].append(arc)
    last = len(initials.beginnings)
    pairs, arcs = [(0, 0)], []  # states of the product: the graph's state, and the number of words up to the last known
    numbers = {pairs[0]: 0}
    for source, (state, number) in enumerate(pairs):  # grows while it is walked
        for arc in leaving[state]:
            if initials.allow(number, arc.word):
                there = arc.target, min(number + 1, last)
                if there not in numbers:
                    numbers[there] = len(pairs)
                    pairs.append(there)
                arcs.append(Arc(source, arc.word, numbers[there]))
        if len(arcs) > MAX_ARCS:
            raise ConfigError(f"initials: with them the grammar has more than {MAX_ARCS} places for words: want fewer")
    weights = dict(graph.ends)
    ends = {numbers[pair]: weights[pair[0]] for pair in pairs if pair[1] == last and pair[0] in weights}
    if not ends:
        raise ConfigError(f"initials {str(initials)!r} fit no text of the grammar: {_fault(leaving, pairs, initials)}")
    alive = _leading_to(arcs, ends)
    kept = {state: number for number, state in enumerate(sorted(alive))}  # state 0 stays 0
    return WordGraph(
        tuple(Arc(kept[arc.source], arc.word, kept[arc.target]) for arc in arcs if arc.target in alive),
        tuple((kept[state], weight) for state, weight in ends.items()),
        graph.sentence_words,
    )


def _leading_to(arcs: Sequence[Arc], ends: "dict[int, float]") -> set[int]:
    """The states from which an end can be reached."""
    arriving: defaultdict[int, list[int]] = defaultdict(list)
    for arc in arcs:
        arriving[arc.target].append(arc.source)
    alive, open_states = set(ends), list(ends)
    while open_states:
        for source in arriving[open_states.pop()]:
            if source not in alive:
                alive.add(source)
                open_states.append(source)
    return alive


def _fault(leaving: "dict[int, list[Arc]]", pairs: Sequence[tuple[int, int]], initials: Initials) -> str:
    """Where the initials leave the graph, and what it has there."""
    number = max(reached for _, reached in pairs)
    after = {arc.word[0] for state, reached in pairs if reached == number for arc in leaving[state]}
    if number == len(initials.beginnings):
        return f"none of {number} words begins so, but longer ones do: give ? for each further word, or ... at the end"
    if not after:
        return f"it has none of more than {number} words that begins so: give one entry a word"
    listed = ", ".join(sorted(after)[:_LISTED]) + (", ..." if len(after) > _LISTED else "")
    return (
        f"word {number + 1} cannot begin with {initials.beginnings[number]!r} there, but with {listed}: correct it, "
        "or give ? for it"
    )
