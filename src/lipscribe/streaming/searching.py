"""What is said so far, in a stretch that goes on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from lipscribe.encoded import Encoded
from lipscribe.model import Model
from lipscribe.search import Grammar, SearchOptions
from lipscribe.search.hypothesis import WordSpan
from lipscribe.search.word_graph import graph_after, state_after


class OpenSearch(Protocol):
    """Searches the beginning of an utterance, whose end is not there yet."""

    def read(self, encoded: Encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        """The words that follow the committed ones, which lie in the same frames."""
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
        self._model, self._whole = model, grammar
        self._options = SearchOptions("grammar", alternatives=alternatives)
        self._kept: tuple[tuple[str, ...], SearchOptions] | None = None
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
        said = (*self._before, *(word.text for word in committed))
        if self._kept is None or self._kept[0] != said:
            after = Grammar(graph_after(self._whole.graph, self._before, said[len(self._before) :]))
            self._kept = said, replace(self._options, grammar=after)
        return list(self._model.search(encoded, self._kept[1])[0].words[len(committed) :])


class FreeOpenSearch:
    """With any search of the model: the words after the last committed one that it found twice running.

    Words are repeated before they count (local agreement: Liu, Spanakis, Niehues, "Low-latency sequence-to-sequence
    speech recognition and translation by partial hypothesis selection", Interspeech 2020).
    """

    def __init__(self, model: Model, options: SearchOptions | None):
        self._model, self._options = model, model.resolve(options)
        self.reset()

    def reset(self) -> None:
        """See `OpenSearch.reset`."""
        self._last: list[WordSpan] = []

    def is_complete(self, words: Sequence[WordSpan]) -> bool:
        """See `OpenSearch.is_complete`."""
        return True

    def drop(self, words: Sequence[WordSpan]) -> None:
        """See `OpenSearch.drop`."""

    def read(self, encoded: Encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        """See `OpenSearch.read`."""
        past = committed[-1].end if committed else 0
        found = self._model.search(encoded, self._options)[0].words
        return [word for word in found if (word.start + word.end) / 2 >= past]
