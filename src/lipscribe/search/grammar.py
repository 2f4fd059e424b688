"""Grammars, and exact CTC search over their texts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.search.align import word_span
from lipscribe.search.grammar_scorer import GrammarScorer
from lipscribe.search.hypothesis import Hypothesis, Span, silence
from lipscribe.search.initials import Initials, fitting_graph
from lipscribe.search.inputs import spell
from lipscribe.search.kbest import best_paths
from lipscribe.search.lattice import NO_UNIT, Junction, Lattice, LatticeBuilder, linear_lattice
from lipscribe.search.word_graph import Arc, InOrder, OneOf, WordGraph, graph_of_rule
from lipscribe.tokenizer import END, Tokenizer
from lipscribe.transcript import Alternative

FLOOR = 1e-4  # alternatives need at least this many expected frames
IRRELEVANT = -40.0  # log share of the paths: a state with less in all frames of a window changes no digit there


class _Compiled(NamedTuple):
    """A grammar in the tokens of one vocabulary."""

    tokenizer: Tokenizer
    lattice: Lattice
    scorers: dict[int, GrammarScorer]


@dataclass(frozen=True)
class Grammar:
    """The texts that a clip may have, mostly including none, with optional silence around each word.

    Meant for closed vocabularies of up to some hundred words: the lattice has an arc from each word to each possible
    next word.

    Attributes:
        graph: The texts. May be given as slots, as in a model's spec: a sentence is one item from each slot, in order,
            an item is a word or a short phrase, and a text is any number of sentences. `grammar_file.py` loads files.

    Raises:
        ConfigError: no slots, an empty slot, items that are not text or that are repeated in a slot; all are listed.
    """

    graph: WordGraph
    _compiled: "_Compiled | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.graph, WordGraph):
            object.__setattr__(self, "graph", _graph_of_slots(self.graph))

    @classmethod
    def of_slots(cls, slots: Sequence[Sequence[str]]) -> "Grammar":
        """The language whose sentences are one item from each slot, in order; see above."""
        return cls(_graph_of_slots(slots))

    @property
    def sentence_words(self) -> int | None:
        """The number of words in each sentence; None if it varies."""
        return self.graph.sentence_words

    def fitting(self, initials: Initials) -> "Grammar":
        """The grammar of its texts that have the initials.

        Raises:
            ConfigError: There is none.
        """
        return Grammar(fitting_graph(self.graph, initials))

    def compile(self, tokenizer: Tokenizer) -> Lattice:
        """The lattice of all paths that spell a text of the language; arc number i of the graph is unit i.

        The lattice of the latest tokenizer is cached.

        Raises:
            ConfigError: words cannot be spelt in the tokenizer's vocabulary; all are listed.
        """
        return self._kept_for(tokenizer).lattice

    def scorer(self, tokenizer: Tokenizer, end: int = END) -> GrammarScorer:
        """The language as a scorer of the next token; see `compile`.

        Args:
            end: Id of the start and end symbol.
        """
        scorers = self._kept_for(tokenizer).scorers
        if end not in scorers:
            scorers[end] = GrammarScorer(self.compile(tokenizer), len(tokenizer.vocab), end)
        return scorers[end]

    def _kept_for(self, tokenizer: Tokenizer) -> "_Compiled":
        kept = self._compiled
        if kept is None or kept.tokenizer is not tokenizer:
            kept = _Compiled(tokenizer, self._compile(tokenizer), {})
            object.__setattr__(self, "_compiled", kept)
        return kept

    def _compile(self, tokenizer: Tokenizer) -> Lattice:
        arcs, spelt = self.graph.arcs, self._spelt(tokenizer)
        builder = LatticeBuilder()
        opening = builder.junction()
        chains = [builder.chain(spelt[arc.word], unit) for unit, arc in enumerate(arcs)]
        arriving: defaultdict[int, list[int]] = defaultdict(list)
        for arc, (_, last) in zip(arcs, chains, strict=True):
            arriving[arc.target].append(last)
        places = {state: builder.junction(lasts) for state, lasts in arriving.items()}
        leaving = {
            state: _separated(builder, places[state], tokenizer.separator)
            for state in {arc.source: None for arc in arcs}
            if state in places
        }
        starts, ends = [opening.blank], {}
        for arc, (first, _) in zip(arcs, chains, strict=True):
            if arc.source in leaving:
                builder.connect(leaving[arc.source], first)
            if arc.source == 0:
                builder.connect(opening, first)
                starts.append(first)
        for state, weight in self.graph.ends:
            if state == 0:
                ends[opening.blank] = weight
            if state in places:
                ends |= dict.fromkeys([*places[state].ends, places[state].blank], weight)
        return builder.build(starts, ends)

    def _spelt(self, tokenizer: Tokenizer) -> dict[str, list[int]]:
        spelt = {word: spell(tokenizer, word) for word in self.graph.words}
        unknown = [word for word, tokens in spelt.items() if tokens is None]
        if unknown:
            raise ConfigError(
                f"grammar: {', '.join(map(repr, unknown))} cannot be spelt in the model's vocabulary of "
                f"{len(tokenizer.vocab) - 1} tokens: take them out or use a model that knows them"
            )
        return {word: tokens for word, tokens in spelt.items() if tokens is not None}


def _graph_of_slots(slots: Sequence[Sequence[str]]) -> WordGraph:
    faults = [] if slots else ["it has no slots"]
    for number, slot in enumerate(slots, start=1):
        if isinstance(slot, str) or not slot:
            faults.append(f"slot {number} is {slot!r}, not a list of words")
            continue
        faults += [f"slot {number} holds {item!r}, which is no text" for item in slot if not _is_text(item)]
        repeated = sorted({item for item in slot if _is_text(item) and slot.count(item) > 1})
        faults += [f"slot {number} holds {item!r} more than once" for item in repeated]
    if faults:
        raise ConfigError(f"grammar: {'; '.join(faults)}: give each slot its different words")
    return graph_of_rule(InOrder(tuple(OneOf(tuple(InOrder(tuple(i.split())) for i in slot)) for slot in slots)))


def best_reading(log_probs: np.ndarray, lattice: Lattice, tokenizer: Tokenizer) -> Hypothesis:
    """The best hypothesis of `grammar_search`, but without words and with a posterior of NaN.

    Args:
        log_probs: (T, V) float64, checked by `check_inputs`.
        lattice: a compiled `Grammar`.
        tokenizer: the one it was compiled for.
    """
    if len(log_probs) == 0:
        return silence(score=0.0, posterior=1.0)
    path, score = lattice.best_path(lattice.emissions(log_probs))
    if score == -np.inf:
        return silence(score=-np.inf, posterior=0.0)
    runs = lattice.runs(path)
    tokens = tuple(int(lattice.tokens[state]) for state, _ in runs)
    return Hypothesis(tokens, tokenizer.decode(tokens), score, float("nan"), tuple(span for _, span in runs), ())


def grammar_search(
    log_probs: np.ndarray,
    lattice: Lattice,
    tokenizer: Tokenizer,
    nbest: int,
    arcs: Sequence[Arc] = (),
    alternatives: int = 0,
) -> list[Hypothesis]:
    """The best hypotheses of one clip under the grammar, by their best paths (exact).

    The probability of a word is its posterior: the share of all paths through the grammar, weighted by probability,
    that have this arc in at least one frame between the previous and the next word. Words on arcs from the same state
    compete, so their probabilities sum to about 1, or less if silence or arcs of other states are possible there. CTC
    assumes independent frames, so uncertainty over n frames shrinks as the n-th power, and long words are
    overconfident.

    Args:
        log_probs: (T, V) float64, checked by `check_inputs`.
        lattice: a compiled `Grammar`.
        tokenizer: the one it was compiled for.
        nbest: maximum number of hypotheses.
        arcs: of the grammar's graph, for alternatives.
        alternatives: maximum number for each word of the best hypothesis: words on arcs from the same state, by their
            posterior there.

    Returns:
        At least one; if all paths of the grammar have probability 0, silence scored -inf.
    """
    if len(log_probs) == 0:
        return [silence(score=0.0, posterior=1.0)]
    emissions = lattice.emissions(log_probs)
    found = best_paths(lattice, emissions, nbest)
    if not found:
        return [silence(score=-np.inf, posterior=0.0)]
    posteriors = _Posteriors(lattice, emissions)
    read = [_hypothesis(log_probs, lattice, posteriors, tokenizer, path, score) for path, score in found]
    if alternatives:
        read[0] = _with_alternatives(
            read[0], posteriors, _places(lattice, lattice.runs(found[0][0]), len(log_probs)), arcs, alternatives
        )
    return read


class _Place(NamedTuple):
    """A unit on a path, and the frames `start` to `end - 1` between the unit before and the unit after."""

    unit: int
    start: int
    end: int


class _Window(NamedTuple):
    """A few consecutive frames of a lattice, with the states that matter there: N states and M arcs.

    Attributes:
        units: (N,) unit of each state.
        last: (N,) share of the paths in each state in the last frame.
        sources: (M,) source of each arc; arcs into state n begin at `firsts[n]`.
        shares: (frames - 1, M) share of the paths in an arc's target that come through the arc; from the second frame.
    """

    units: np.ndarray
    last: np.ndarray
    sources: np.ndarray
    firsts: np.ndarray
    shares: np.ndarray


class _Posteriors:
    """Posteriors of a lattice by one forward-backward pass."""

    def __init__(self, lattice: Lattice, emissions: np.ndarray) -> None:
        self._lattice, self._emissions = lattice, emissions
        self._alpha = lattice.forward(emissions)
        self.log_total = float(np.logaddexp.reduce(self._alpha[-1] + lattice.ends))
        self._log_shares = self._alpha + lattice.backward(emissions) - self.log_total  # (T, S)
        self._windows: dict[tuple[int, int], _Window] = {}

    def occupancy(self, start: int, end: int) -> np.ndarray:
        """(units,): expected number of frames in each unit from `start` to `end - 1`; an upper bound of `visits`."""
        units = self._lattice.units
        frames = np.exp(self._log_shares[start:end]).sum(axis=0)  # (S,)
        inside = units != NO_UNIT
        return np.bincount(units[inside], weights=frames[inside])

    def visits(self, units: Sequence[int], start: int, end: int) -> list[float]:
        """Share of the paths with each unit in any of the frames `start` to `end - 1`."""
        if (start, end) not in self._windows:
            self._windows[start, end] = self._window(start, end)
        window = self._windows[start, end]
        outside = (window.units != np.array(units)[:, None]).astype(np.float64)  # (units, N)
        avoiding = outside  # of the paths in a state, the share that has avoided the unit since `start`
        for shares in window.shares:
            avoiding = np.add.reduceat(avoiding[:, window.sources] * shares, window.firsts, axis=1) * outside
        return np.clip((1 - avoiding) @ window.last, 0.0, 1.0).tolist()

    def _window(self, start: int, end: int) -> _Window:
        lattice, alpha = self._lattice, self._alpha
        active = np.any(self._log_shares[start:end] > IRRELEVANT, axis=0)  # (S,)
        states, arcs = np.flatnonzero(active), np.flatnonzero(active[lattice.sources] & active[lattice.arc_targets])
        sources, targets = lattice.sources[arcs], lattice.arc_targets[arcs]
        reached = alpha[start + 1 : end, states] > -np.inf
        emitted = self._emissions[start + 1 : end, states]
        arriving = np.where(reached, alpha[start + 1 : end, states], 0.0) - np.where(reached, emitted, 0.0)
        shares = np.exp(alpha[start : end - 1, sources] - arriving[:, np.searchsorted(states, targets)])
        return _Window(
            lattice.units[states],
            np.exp(self._log_shares[end - 1, states]),
            np.searchsorted(states, sources),
            np.searchsorted(targets, states),
            shares,
        )


def _hypothesis(
    log_probs: np.ndarray,
    lattice: Lattice,
    posteriors: _Posteriors,
    tokenizer: Tokenizer,
    path: np.ndarray,
    score: float,
) -> Hypothesis:
    runs = lattice.runs(path)
    tokens = tuple(int(lattice.tokens[state]) for state, _ in runs)
    spans = tuple(span for _, span in runs)
    places = _places(lattice, runs, len(path))
    parts = [(word, places[word.start]) for word in tokenizer.split_words(tokens)]
    words = tuple(
        word_span(word, spans, posteriors.visits([unit], start, end)[0]) for word, (unit, start, end) in parts
    )
    line = linear_lattice(tokens)
    mass = line.total(line.emissions(log_probs)) + lattice.ends[path[-1]]
    posterior = float(np.exp(mass - posteriors.log_total))
    return Hypothesis(tokens, tokenizer.decode(tokens), score, min(posterior, 1.0), spans, words)


def _with_alternatives(
    hypothesis: Hypothesis, posteriors: _Posteriors, places: dict[int, _Place], arcs: Sequence[Arc], number: int
) -> Hypothesis:
    firsts = {span.start: places[idx] for idx, span in enumerate(hypothesis.spans) if idx in places}
    words, origins = [], np.array([arc.source for arc in arcs])
    for word in hypothesis.words:
        unit, start, end = firsts[word.start]
        frames = posteriors.occupancy(start, end)
        likely = np.flatnonzero((origins == origins[unit]) & (frames > FLOOR)).tolist()
        likely = sorted(set(likely) - {unit}, key=lambda other: (-frames[other], other))[: 2 * number]
        shares = posteriors.visits(likely, start, end)
        found = [Alternative(arcs[other].word, share) for other, share in zip(likely, shares, strict=True)]
        words.append(replace(word, alternatives=tuple(sorted(found, key=lambda one: -one.probability)[:number])))
    return replace(hypothesis, words=tuple(words))


def _places(lattice: Lattice, runs: Sequence[tuple[int, Span]], num_frames: int) -> dict[int, _Place]:
    """The position of each token's word, by the token's index in `runs`."""
    items: list[list[int]] = []
    for idx, (state, _) in enumerate(runs):
        if lattice.units[state] == NO_UNIT:  # between words
            continue
        # State indices rise along an item, so the same or a lower one starts the item again.
        previous = runs[idx - 1][0] if idx else None
        continues = previous is not None and lattice.units[previous] == lattice.units[state] and previous < state
        if continues:
            items[-1].append(idx)
        else:
            items.append([idx])
    spans = [Span(runs[item[0]][1].start, runs[item[-1]][1].end) for item in items]
    places = {}
    for number, item in enumerate(items):
        start = spans[number - 1].end if number else 0
        end = spans[number + 1].start if number + 1 < len(items) else num_frames
        places.update(dict.fromkeys(item, _Place(int(lattice.units[runs[item[0]][0]]), start, end)))
    return places


def _separated(builder: LatticeBuilder, here: Junction, separator: int | None) -> Junction:
    return here if separator is None else builder.junction([builder.token(separator, here)])


def _is_text(item: object) -> bool:
    return isinstance(item, str) and bool(item.split())
