"""Text normalisations, which corpora, tokenizers and scores select by name."""

import codecs
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


def read_any_text(path: Path | str, fallback: str = "cp1252") -> str:
    """The text of a file that others wrote: by its byte order mark, else UTF-8, UTF-16 or an older encoding.

    Args:
        fallback: The encoding of what is no Unicode.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is no text in any of these.
    """
    data = Path(path).read_bytes()
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _unix(data.decode(encoding))
    if b"\0" in data:  # in Latin scripts every second byte of UTF-16 is zero
        return _unix(data.decode("utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"))
    try:
        return _unix(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _unix(data.decode(fallback))


# UTF-32's mark begins with UTF-16's, so it comes first.
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
_MARKS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


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


def unsayable(text: str) -> str:
    """The first word with a digit or a symbol, of which nobody knows how it is said; empty if there is none.

    "1987" is said in several ways, and `normalise` takes symbols away. Texts that are said (of clips to learn from) are
    refused with such a word, in all places by this rule.
    """
    return next((word for word in text.split() if any(map(_is_unsayable, word))), "")


def _is_unsayable(char: str) -> bool:
    # Not Nl, to which the zero of Chinese years belongs.
    return char in "&%\N{SECTION SIGN}+=@/\\^_~|" or unicodedata.category(char) in ("Nd", "No", "Sc")


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
