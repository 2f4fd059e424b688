"""The tokens that spell words with given initials, where no grammar restricts the words."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.search.initials import Initials
from lipscribe.tokenizer import BLANK, END, END_NAME, WORD_START, Tokenizer, WordTokenizer

FORBIDDEN = -1
_Place = tuple[int, int]  # number of the word, up to the first after the known ones; letters of its beginning so far


@dataclass(frozen=True, eq=False)
class TokenInitials:
    """The token sequences whose words have the initials, as a deterministic finite-state acceptor of S states.

    From every state an end can be reached. State 0 is the start.

    Attributes:
        next: (S, V) int64, the state after each token; `FORBIDDEN` for those that break the initials, for the blank and
            for an end symbol of the vocabulary.
        ends: (S,) bool, whether the text may end.
    """

    next: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, initials: Initials, tokenizer: Tokenizer) -> "TokenInitials":
        """The acceptor for the tokens of a tokenizer.

        Raises:
            ConfigError: The vocabulary spells no word that begins so.
        """
        parts = _parts(tokenizer)
        places: dict[_Place, int] = {(0, 0): 0}
        rows, todo = [], [(0, 0)]
        for place in todo:  # grows while it is walked
            row = np.full(len(tokenizer.vocab), FORBIDDEN)
            for token, (closes, text) in parts.items():
                there = _after(initials, place, closes, text)
                if there is not None:
                    if there not in places:
                        places[there] = len(todo)
                        todo.append(there)
                    row[token] = places[there]
            rows.append(row)
        for word, beginning in enumerate(initials.beginnings):
            if (word, _length(initials, word)) not in places:
                raise ConfigError(
                    f"initials {str(initials)!r}: the model's vocabulary of {len(tokenizer.vocab) - 1} tokens spells "
                    f"no word that begins with {beginning!r}: correct it, or give ? for it"
                )
        return cls(*_without_dead_ends(np.stack(rows), np.array([_may_end(initials, place) for place in todo])))

    @cached_property
    def classes(self) -> np.ndarray:
        """(V,) int64: tokens of the same class lead to the same state from each state."""
        return np.unique(self.next, axis=1, return_inverse=True)[1].reshape(-1)


class InitialsScorer:
    """Scores a token 0 if the initials allow it next, -inf otherwise; a `scorers.Scorer`.

    Args:
        tokens: The tokens that may follow each other.
        end: Id of the start and end symbol.
    """

    def __init__(self, tokens: TokenInitials, end: int = END):
        self._next, self._end = tokens.next, end
        self._scores = np.where(tokens.next != FORBIDDEN, 0.0, -np.inf)  # (S, V)
        self._scores[:, end] = np.where(tokens.ends, 0.0, -np.inf)

    def start(self) -> np.ndarray:
        """The state of one empty text."""
        return np.zeros(1, np.int64)

    def step(self, previous: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) int64 last tokens -> (N, V) float64 scores of the next tokens, and the (N,) new state."""
        new = np.where(previous == self._end, state, self._next[state, previous])
        return self._scores[new], new

    def select(self, state: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The states of the texts at the (M,) int64 `indices`."""
        return state[indices]


def _parts(tokenizer: Tokenizer) -> dict[int, tuple[bool, str]]:
    """Of each token whether the word before it ends there, and the letters that it adds to the word after."""
    parts = {}
    for token, name in enumerate(tokenizer.vocab):
        if isinstance(tokenizer, WordTokenizer):
            parts[token] = True, name.lower()
        elif token == tokenizer.separator:
            parts[token] = True, ""
        elif name != END_NAME:
            parts[token] = name.startswith(WORD_START), name.removeprefix(WORD_START).lower()
    del parts[BLANK]
    return parts


def _length(initials: Initials, word: int) -> int:
    """The letters that a word needs before it may end."""
    return max(len(initials.beginnings[word]), 1) if word < len(initials.beginnings) else 1


def _after(initials: Initials, place: _Place, closes: bool, text: str) -> _Place | None:
    word, known = place
    last = len(initials.beginnings)
    if closes and known:
        if known < _length(initials, word):
            return None
        word, known = min(word + 1, last), 0
    if not text:
        return word, known
    if word == last and not initials.more:
        return None
    rest = initials.beginnings[word][known:] if word < last else ""
    if not (text.startswith(rest) or rest.startswith(text)):
        return None
    return word, min(known + len(text), _length(initials, word))


def _may_end(initials: Initials, place: _Place) -> bool:
    word, known = place
    complete = known == _length(initials, word)
    return (complete or not known) and word + complete >= len(initials.beginnings)


def _without_dead_ends(following: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`TokenInitials.next` and `ends`, without the states that lead to no end."""
    alive = ends
    while True:
        more = ends | ((following != FORBIDDEN) & alive[following]).any(axis=1)
        if np.array_equal(more, alive):
            break
        alive = more
    renumbered = np.where(alive, np.cumsum(alive) - 1, FORBIDDEN)
    return np.where(following != FORBIDDEN, renumbered[following], FORBIDDEN)[alive], ends[alive]
