"""Text to token ids and back. Id 0 is CTC's blank in every vocabulary and never stands in a text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from lipscribe.errors import ConfigError, LipscribeError

BLANK = 0
# Blank never stands in a text, so its id is free to mean something else to an attention decoder, whose output has no
# blanks: what it hears before the first token, and says after the last.
END = 0
BLANK_NAME = "<blank>"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz '"


class TokenWord(NamedTuple):
    """A word and the slice `tokens[start:stop]` that spells it."""

    text: str
    start: int
    stop: int


class Tokenizer(Protocol):
    """What training and search need of a vocabulary."""

    @property
    def vocab(self) -> list[str]:
        """Name of every token, `vocab[0] == "<blank>"`; its length is the V of `log_probs`."""

    @property
    def separator(self) -> int | None:
        """The token that stands between two words, None where words follow each other directly."""

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, which must be normalised; LipscribeError names what is not in the vocabulary."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids, with single spaces between words."""

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """The words that the tokens spell, in order; their texts joined by spaces are `decode(tokens)`."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, for `tokenizer_from_dict`."""


@dataclass(frozen=True)
class CharacterTokenizer:
    """One token per character. White space of any kind and length is one space."""

    characters: str = CHARACTERS

    def __post_init__(self) -> None:
        if not isinstance(self.characters, str) or not self.characters:
            raise ConfigError(f"characters is {self.characters!r}: give a string of at least one character")
        _refuse_repeats("characters", self.characters)

    @cached_property
    def vocab(self) -> list[str]:
        """The blank, then the characters."""
        return [BLANK_NAME, *self.characters]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {char: idx for idx, char in enumerate(self.characters, start=1)}

    @property
    def separator(self) -> int | None:
        """The space, if it is one of the characters."""
        return self._ids.get(" ")

    def encode(self, text: str) -> list[int]:
        """A token for each character."""
        text = " ".join(text.split())
        unknown = sorted(set(text) - set(self._ids))
        if unknown:
            raise LipscribeError(
                f"characters {_quoted(unknown)} of {text!r} are not in the vocabulary {self.characters!r}: "
                "normalise the text or add them"
            )
        return [self._ids[char] for char in text]

    def decode(self, tokens: Sequence[int]) -> str:
        """The words joined by single spaces."""
        return " ".join(word.text for word in self.split_words(tokens))

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """What stands between spaces."""
        chars = _names(tokens, self.vocab)
        words, start = [], 0
        for idx, char in enumerate([*chars, " "]):
            if char == " ":
                if idx > start:
                    words.append(TokenWord("".join(chars[start:idx]), start, idx))
                start = idx + 1
        return words

    def to_dict(self) -> dict[str, Any]:
        """See `tokenizer_from_dict`."""
        return {"kind": "characters", "characters": self.characters}


@dataclass(frozen=True)
class WordTokenizer:
    """One token per word of a closed vocabulary, in the given order."""

    words: tuple[str, ...]

    def __init__(self, words: Iterable[str]) -> None:
        if isinstance(words, str):
            raise ConfigError(f"words is {words!r}: give a list of words, not one string")
        object.__setattr__(self, "words", tuple(words))
        bad = [word for word in self.words if not isinstance(word, str) or word.split() != [word] or word == BLANK_NAME]
        if bad or not self.words:
            got = _quoted(bad) if bad else "nothing"
            raise ConfigError(
                f"words holds {got}: each word is a string without white space, and there is at least one"
            )
        _refuse_repeats("words", self.words)

    @cached_property
    def vocab(self) -> list[str]:
        """The blank, then the words."""
        return [BLANK_NAME, *self.words]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: idx for idx, word in enumerate(self.words, start=1)}

    @property
    def separator(self) -> int | None:
        """None: words follow each other directly."""
        return None

    def encode(self, text: str) -> list[int]:
        """A token for each word."""
        unknown = list(dict.fromkeys(word for word in text.split() if word not in self._ids))
        if unknown:
            near = get_close_matches(unknown[0], self.words, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(self.words[:5])} ..."
            raise LipscribeError(
                f"words {_quoted(unknown)} of {text!r} are not among the {len(self.words)} of the vocabulary: {hint}"
            )
        return [self._ids[word] for word in text.split()]

    def decode(self, tokens: Sequence[int]) -> str:
        """The words joined by single spaces."""
        return " ".join(_names(tokens, self.vocab))

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """Each token."""
        return [TokenWord(word, idx, idx + 1) for idx, word in enumerate(_names(tokens, self.vocab))]

    def to_dict(self) -> dict[str, Any]:
        """See `tokenizer_from_dict`."""
        return {"kind": "words", "words": list(self.words)}


_KINDS: dict[str, tuple[type, str]] = {  # kind: class, the one field of its description
    "characters": (CharacterTokenizer, "characters"),
    "words": (WordTokenizer, "words"),
}


def tokenizer_from_dict(spec: dict[str, Any]) -> Tokenizer:
    """The tokenizer that a `to_dict` described.

    Raises:
        ConfigError: the description is of no known kind, or lacks something.
    """
    kind = spec.get("kind") if isinstance(spec, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ConfigError(f"tokenizer kind {kind!r} is unknown: choose one of {', '.join(_KINDS)}")
    tokenizer_class, field = _KINDS[kind]
    if set(spec) != {"kind", field}:
        raise ConfigError(f"tokenizer of kind {kind!r} has fields {sorted(spec)}: want 'kind' and {field!r}")
    if not isinstance(spec[field], str | list | tuple):
        raise ConfigError(f"tokenizer field {field!r} is {spec[field]!r}: want a string or a list of strings")
    return tokenizer_class(spec[field])


def _names(tokens: Sequence[int], vocab: list[str]) -> list[str]:
    bad = [int(token) for token in tokens if not BLANK < token < len(vocab)]
    if bad:
        raise LipscribeError(f"token ids {bad[:5]} stand for no text: want 1 to {len(vocab) - 1}")
    return [vocab[token] for token in tokens]


def _refuse_repeats(name: str, items: Sequence[str]) -> None:
    repeated = sorted({item for item in items if items.count(item) > 1}) if len(set(items)) < len(items) else []
    if repeated:
        raise ConfigError(f"{name} holds {_quoted(repeated)} more than once: give each once")


def _quoted(items: Iterable[object]) -> str:
    return ", ".join(repr(item) for item in items)
