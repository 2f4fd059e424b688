"""Text to token ids and back. Id 0 is CTC's blank in every vocabulary and never occurs in a text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from lipscribe.atomic import write_bytes
from lipscribe.errors import ConfigError, LipscribeError, MissingExtraError
from lipscribe.text import read_text

BLANK = 0
# A decoder's output has no blanks, so it uses their id as start and end symbol.
END = 0
BLANK_NAME = "<blank>"
END_NAME = "<eos>"  # the last token of a `UnitsTokenizer`
SPACE_NAME = "<space>"  # name of the space in published character vocabularies
WORD_START = "\u2581"  # "▁", with which SentencePiece writes the space before a word
CHARACTERS = "abcdefghijklmnopqrstuvwxyz '"


class TokenWord(NamedTuple):
    """A word and the slice `tokens[start:stop]` that spells it."""

    text: str
    start: int
    stop: int


class Tokenizer(Protocol):
    """Interface of tokenizers."""

    @property
    def vocab(self) -> list[str]:
        """Name of every token, `vocab[0] == "<blank>"`; its length is the V of `log_probs`."""
        ...

    @property
    def separator(self) -> int | None:
        """The token between two words, None if there is none."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, which must be normalised; LipscribeError names what is not in the vocabulary."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids, with single spaces between words."""
        ...

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """The words that the tokens spell, in order; their texts joined by spaces are `decode(tokens)`."""
        ...


@dataclass(frozen=True)
class CharacterTokenizer:
    """One token per character. White space of any kind and length is one space."""

    characters: str = CHARACTERS
    kind: Literal["characters"] = "characters"

    def __post_init__(self) -> None:
        if not isinstance(self.characters, str) or not self.characters:
            raise ConfigError(f"characters is {self.characters!r}: give a string of at least one character")
        _refuse_repeats("characters", self.characters)

    @property
    def vocab(self) -> list[str]:
        """The blank, then the characters."""
        return self._vocab

    @cached_property
    def _vocab(self) -> list[str]:
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
        """The tokens between spaces."""
        chars = _names(tokens, self.vocab)
        words, start = [], 0
        for idx, char in enumerate([*chars, " "]):
            if char == " ":
                if idx > start:
                    words.append(TokenWord("".join(chars[start:idx]), start, idx))
                start = idx + 1
        return words


@dataclass(frozen=True)
class WordTokenizer:
    """One token per word of a closed vocabulary, in the given order."""

    words: tuple[str, ...]
    kind: Literal["words"] = "words"

    def __post_init__(self) -> None:
        if isinstance(self.words, str):
            raise ConfigError(f"words is {self.words!r}: give a list of words, not one string")
        object.__setattr__(self, "words", tuple(self.words))  # from any iterable
        bad = [word for word in self.words if not isinstance(word, str) or word.split() != [word] or word == BLANK_NAME]
        if bad or not self.words:
            got = _quoted(bad) if bad else "nothing"
            raise ConfigError(f"words holds {got}: each word is a string without white space, at least one")
        _refuse_repeats("words", self.words)

    @property
    def vocab(self) -> list[str]:
        """The blank, then the words."""
        return self._vocab

    @cached_property
    def _vocab(self) -> list[str]:
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


@dataclass(frozen=True)
class SentencePieceTokenizer:
    """SentencePiece subwords (Kudo and Richardson, 2018): frequent words whole, rare ones in parts.

    Args:
        model: Path of a SentencePiece model such as `train_sentencepiece` writes: id 0 is its unknown piece, which is
            the blank here, and there are no control pieces.
    """

    model: str
    kind: Literal["sentencepiece"] = "sentencepiece"

    def __post_init__(self) -> None:
        processor = self._processor
        try:
            pieces = [processor.id_to_piece(idx) for idx in range(len(processor))]
        except UnicodeDecodeError:
            raise ConfigError(f"{self.model} is damaged, its pieces are no text: train it again") from None
        control = [piece for idx, piece in enumerate(pieces) if processor.is_control(idx)]
        if processor.unk_id() != BLANK or control or len(processor) < 2:
            got = f"control pieces {_quoted(control)}" if control else f"its unknown piece at {processor.unk_id()}"
            raise ConfigError(f"{self.model} has {got}: train it with --unk_id=0 --bos_id=-1 --eos_id=-1 --pad_id=-1")

    @cached_property
    def _processor(self) -> Any:
        return _load_sentencepiece(self.model)

    @property
    def vocab(self) -> list[str]:
        """The blank, then the pieces; one that begins a word begins with "▁"."""
        return self._vocab

    @cached_property
    def _vocab(self) -> list[str]:
        return [BLANK_NAME, *(self._processor.id_to_piece(idx) for idx in range(1, len(self._processor)))]

    @property
    def separator(self) -> int | None:
        """None: the first piece of each word marks its start."""
        return None

    def encode(self, text: str) -> list[int]:
        """The likeliest pieces."""
        tokens = self._processor.encode(" ".join(text.split()))
        if BLANK in tokens:
            unknown = sorted(set(text) - set("".join(self.vocab[1:])) - set(" \t\n"))
            raise LipscribeError(
                f"characters {_quoted(unknown)} of {text!r} are in no piece of {self.model}: normalise the text, or "
                "train another on texts with them"
            )
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The words joined by single spaces."""
        return " ".join(word.text for word in self.split_words(tokens))

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """What begins at each "▁"."""
        return _join_pieces(_names(tokens, self.vocab))


@dataclass(frozen=True)
class UnitsTokenizer:
    """The units of a published model: pieces or characters with the ids it was trained with, and `<eos>` as the last.

    Its texts are upper case, ours lower. A unit with a leading "▁" starts a word, and so does the unit after "<space>".

    Args:
        units: Path of a text file, each line a unit and its id: 1, 2, 3 ... Unit 1 is `<unk>` in the published ones.
        model: Path of the SentencePiece model for these units, or None; only `encode` needs it.
    """

    units: str
    model: str | None = None
    kind: Literal["units"] = "units"

    def __post_init__(self) -> None:
        if len(self.vocab) < 3:
            raise ConfigError(f"{self.units} is empty: wanted a line for each unit")

    @property
    def vocab(self) -> list[str]:
        """The blank, the units, `<eos>`."""
        return self._vocab

    @cached_property
    def _vocab(self) -> list[str]:
        try:
            lines = read_text(self.units).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.units} cannot be read ({error}): give a file of units and ids") from None
        names = [line.removesuffix(f" {idx}") for idx, line in enumerate(lines, start=1)]
        for idx, line in enumerate(lines, start=1):
            if names[idx - 1] in ("", line):
                raise ConfigError(f"line {idx} of {self.units} is {line!r}: wanted a unit and its id, {idx}")
        _refuse_repeats(self.units, names)
        return [BLANK_NAME, *names, END_NAME]

    @property
    def end(self) -> int:
        """The id of `<eos>`, the start and end symbol."""
        return len(self.vocab) - 1

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: idx for idx, name in enumerate(self.vocab)}

    @cached_property
    def _processor(self) -> Any:
        assert self.model is not None
        return _load_sentencepiece(self.model)

    @property
    def separator(self) -> int | None:
        """The token of "<space>", None if units mark word starts."""
        return self._ids.get(SPACE_NAME)

    def encode(self, text: str) -> list[int]:
        """The likeliest units of `text` in upper case; `<unk>` for everything else."""
        text = " ".join(text.upper().split())
        if self.model is not None:
            pieces = self._processor.encode(text, out_type=str)
        elif self.separator is not None:
            pieces = [SPACE_NAME if char == " " else char for char in text]
        else:
            raise ConfigError(
                f"{self.units} has no SentencePiece model, to split words into units: import the model again with it"
            )
        return [self._ids.get(piece, 1) for piece in pieces]

    def decode(self, tokens: Sequence[int]) -> str:
        """The words in lower case, joined by single spaces; `<eos>` is dropped."""
        return " ".join(word.text for word in self.split_words(tokens))

    def split_words(self, tokens: Sequence[int]) -> list[TokenWord]:
        """What begins at each "▁"."""
        unsaid = {END_NAME: "", SPACE_NAME: WORD_START}
        words = _join_pieces([unsaid.get(name, name.lower()) for name in _names(tokens, self.vocab)])
        return [word._replace(start=word.start + (tokens[word.start] == self.separator)) for word in words]


AnyTokenizer: TypeAlias = CharacterTokenizer | WordTokenizer | SentencePieceTokenizer | UnitsTokenizer
"""The kinds of tokenizer, a tagged union by `kind`; a `ModelSpec` has one and saves its fields."""


def train_sentencepiece(texts: Iterable[str], vocab_size: int, path: Path | str) -> SentencePieceTokenizer:
    """Trains subwords on normalised texts, such as the training transcripts, and writes the model to `path`.

    Args:
        vocab_size: Maximum number of pieces, including the blank; few texts yield fewer.

    Raises:
        ConfigError: There are no texts, or `vocab_size` is less than the number of characters in them.
    """
    content = BytesIO()
    try:
        _sentencepiece().SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=content,
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",  # it is done already
            **{"unk_id": BLANK, "bos_id": -1, "eos_id": -1, "pad_id": -1},
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ConfigError(f"no SentencePiece model can be trained ({str(error).splitlines()[0]})") from None
    write_bytes(path, content.getvalue())
    return SentencePieceTokenizer(str(path))


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError(
            "a tokenizer of kind 'sentencepiece' needs that library: pip install 'lipscribe[sentencepiece]'"
        ) from None
    return sentencepiece


def _load_sentencepiece(model: str) -> Any:
    sentencepiece = _sentencepiece()
    try:
        processor = sentencepiece.SentencePieceProcessor()
        processor.LoadFromSerializedProto(Path(model).read_bytes())
    except OSError as error:
        raise ConfigError(f"{model} cannot be read ({error.strerror}): give a SentencePiece model") from None
    except RuntimeError:
        raise ConfigError(f"{model} is not a SentencePiece model: give one, or train it again") from None
    return processor


def _join_pieces(pieces: Sequence[str]) -> list[TokenWord]:
    words, start, text = [], 0, ""
    for idx, piece in enumerate([*pieces, WORD_START]):
        if piece.startswith(WORD_START):
            if text:
                words.append(TokenWord(text, start, idx))
            start, text = idx, ""
        text += piece.removeprefix(WORD_START)
    return words


def _names(tokens: Sequence[int], vocab: list[str]) -> list[str]:
    bad = [int(token) for token in tokens if not BLANK < token < len(vocab)]
    if bad:
        raise LipscribeError(f"token ids {bad[:5]} are not tokens of a text: want 1 to {len(vocab) - 1}")
    return [vocab[token] for token in tokens]


def _refuse_repeats(name: str, items: Sequence[str]) -> None:
    repeated = sorted({item for item in items if items.count(item) > 1}) if len(set(items)) < len(items) else []
    if repeated:
        raise ConfigError(f"{name} holds {_quoted(repeated)} more than once: give each once")


def _quoted(items: Iterable[object]) -> str:
    return ", ".join(repr(item) for item in items)
