"""Text normalisations, which corpora, tokenizers and scores select by name."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

from lipscribe.errors import ConfigError


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is not in UTF-8.
    """
    return Path(path).read_text(encoding="utf-8-sig")


def count_of(number: int, thing: str) -> str:
    """Such as "1 clip" and "2 clips"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def collapse_spaces(text: str) -> str:
    """`text` with white space collapsed to single spaces and stripped."""
    return " ".join(text.split())


def strip_punctuation(text: str) -> str:
    """`text` with punctuation and symbols replaced by spaces; apostrophes next to a letter stay ("don't")."""
    text = unicodedata.normalize("NFC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    # Combining marks (category M) belong to the letters of many scripts, so `\w` would not do.
    kept = "".join(char if char == "'" or unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return " ".join(word for word in kept.split() if word.strip("'"))


def _lower(text: str) -> str:
    return collapse_spaces(text.lower())


def _plain(text: str) -> str:
    return strip_punctuation(text.lower())


NORMALISERS: dict[str, Callable[[str], str]] = {
    "none": str,  # as it is
    "lower": _lower,  # lower case, single spaces
    "plain": _plain,  # lower case, single spaces, no punctuation but apostrophes: the usual form for scoring
}


def normalise(text: str, name: str = "plain") -> str:
    """`text` under the normalisation `name`, a key of `NORMALISERS`.

    Raises:
        ConfigError: no normalisation has this name.
    """
    if name not in NORMALISERS:
        raise ConfigError(f"normalisation {name!r} is unknown: choose one of {', '.join(NORMALISERS)}")
    return NORMALISERS[name](text)
