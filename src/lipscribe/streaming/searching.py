"""What is said so far, in a stretch that goes on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from lipscribe.encoded import Encoded
from lipscribe.model import Model
from lipscribe.search import Grammar, ResolvedSearch, SearchOptions
from lipscribe.search.hypothesis import WordSpan
from lipscribe.search.word_graph import graph_after, state_after


class OpenSearch(Protocol):
    """Searches the beginning of an utterance, whose end is not there yet.

    Attributes:
        commits_early: Whether a word may be committed before the utterance ends.
        surprise: (T,) float32 nats of each frame of the last reading (see `search.familiarity`); None without CTC.
    """

    commits_early: bool
    surprise: np.ndarray | None

    def read(self, encoded: Encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        """The committed words, which lie in the same frames, where they lie by now, and the words that follow them."""
        ...

    def is_complete(self, words: Sequence[WordSpan]) -> bool:
        """Whether an utterance may end with these words."""
        ...

    def drop(self, words: Sequence[WordSpan]) -> None:
        """Forgets the frames of the first committed words, which stay said."""
        ...

    def reset(self) -> None:
        """Begins another utterance."""
        ...


class GrammarOpenSearch:
    """With CTC over the beginnings of a grammar's texts, of which the committed words are a part; exact.

    Args:
        grammar: The texts of an utterance.
        alternatives: Maximum number for each word.
    """

    def __init__(self, model: Model, grammar: Grammar, alternatives: int):
        self.commits_early = True
        self.surprise: np.ndarray | None = None
        self._model, self._whole = model, grammar
        self._options = SearchOptions("grammar", alternatives=alternatives)
        self._kept: tuple[tuple[tuple[str, ...], tuple[str, ...]], SearchOptions] | None = None
        self.reset()

    def reset(self) -> None:
        """See `OpenSearch.reset`."""
        self._before: tuple[str, ...] = ()

    def drop(self, words: Sequence[WordSpan]) -> None:
        """See `OpenSearch.drop`."""
        self._before = (*self._before, *(word.text for word in words))

    def is_complete(self, words: Sequence[WordSpan]) -> bool:
        """See `OpenSearch.is_complete`."""
        state = state_after(self._whole.graph, (*self._before, *(word.text for word in words)))
        return state is not None and state in dict(self._whole.graph.ends)

    def read(self, encoded: Encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        """See `OpenSearch.read`."""
        place = self._before, tuple(word.text for word in committed)
        if self._kept is None or self._kept[0] != place:
            after = Grammar(graph_after(self._whole.graph, *place))
            self._kept = place, replace(self._options, grammar=after)
        found = self._model.search(encoded, self._kept[1])[0]
        self.surprise, words = found.surprise, list(found.words)
        return words if len(words) >= len(committed) else list(committed)  # where the frames have no room for them


class FreeOpenSearch:
    """With any search of the model: the words after the last committed one.

    Recorded phrases are compared as wholes, so they are committed when they are over. Words of other models are found
    twice before they count (local agreement: Liu, Spanakis, Niehues, "Low-latency sequence-to-sequence speech
    recognition and translation by partial hypothesis selection", Interspeech 2020).
    """

    def __init__(self, model: Model, options: SearchOptions | ResolvedSearch | None):
        self._model, self._options = model, model.resolve(options)
        self.commits_early = self._options.method != "phrases"
        self.surprise: np.ndarray | None = None

    def reset(self) -> None:
        """See `OpenSearch.reset`."""

    def is_complete(self, words: Sequence[WordSpan]) -> bool:
        """See `OpenSearch.is_complete`."""
        return True

    def drop(self, words: Sequence[WordSpan]) -> None:
        """See `OpenSearch.drop`."""

    def read(self, encoded: Encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        """See `OpenSearch.read`."""
        past = committed[-1].end if committed else 0
        found = self._model.search(encoded, self._options)[0]
        self.surprise = found.surprise
        return [*committed, *(word for word in found.words if (word.start + word.end) / 2 >= past)]
