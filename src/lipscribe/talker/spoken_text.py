"""Written English -> the words that a reader says aloud, and where they pause.

Numbers become words, symbols their names, and the text must be English: accents are folded, other scripts are refused.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lipscribe.errors import ConfigError
from lipscribe.units import Seconds

PHRASE_PAUSE: Seconds = 0.2  # at a comma, a dash, a bracket
SENTENCE_PAUSE: Seconds = 0.4
LARGEST_NUMBER = 999_999_999  # longer ones are read digit by digit, as are those that begin with a zero

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"} | {
    "twelve": "twelfth"
}
SYMBOLS = {"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at"}
CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro"}
TITLES = ("mr", "mrs", "ms", "dr", "st", "prof", "vs")  # their full stop ends no sentence

_UNFOLDED = {  # Latin letters and marks that Unicode does not take apart, by their code points where they look alike
    **dict.fromkeys("\u2019\u2018\u02bc\u02bb\u2032\u00b4`", "'"),
    **dict.fromkeys("\u2013\u2014\u2015\u2212", " - "),
    **{"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"},
    **{"đ": "d", "Đ": "D", "ð": "th", "Ð": "Th", "þ": "th", "Þ": "Th", "\u0131": "i"},
}

_TOKEN = re.compile(
    r"""
      (?P<currency>[$£€])?(?P<minus>(?<![\w\s])-|(?<!\S)-)?
      (?P<number>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<decimals>(?:\.\d+)*)(?P<suffix>(?:st|nd|rd|th|s)(?![a-zA-Z]))?
    | (?P<dotted>(?:[a-zA-Z]\.){2,})                # U.S.A.
    | (?P<word>(?:(?<!\w)'(?=(?:tis|twas|em|til|cause|bout|n)\b))?[a-zA-Z]+(?:'[a-zA-Z]+)*)
    | (?P<dot>(?<=\w)\.(?=[a-z]))                   # lipscribe.org
    | (?P<symbol>[&%+=@])
    | (?P<sentence>[.!?]|\n\s*\n)
    | (?P<phrase>[,;:](?!\d)|(?<!\w)-+(?!\w)|--+|[()\[\]{}])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class ReadWord:
    """A word of a text as it is read aloud.

    Attributes:
        text: As written, lower-case without marks, or a part of a number in words.
        letters: It is spelled: an abbreviation with full stops.
        upper: It was written in capitals only.
        pause_after: Silence that its punctuation asks for.
    """

    text: str
    letters: bool = False
    upper: bool = False
    pause_after: Seconds = 0.0


def read_aloud(text: str) -> list[ReadWord]:
    """The words of an English text in the order they are said; at least one.

    Raises:
        ConfigError: The text is no str, has no letter or digit, or is in another script than Latin.
    """
    if not isinstance(text, str):
        raise ConfigError(f"the text is a {type(text).__name__}, wanted a str: give an English sentence")
    folded = "".join(map(_fold, text))
    if not re.search(r"[a-zA-Z0-9]", folded):
        got = f"{text.strip()[:30]!r}, without a letter or digit" if text.strip() else "empty"
        raise ConfigError(f"the text is {got}, wanted something to say: give an English sentence")
    words: list[ReadWord] = []
    for match in _TOKEN.finditer(folded):
        pause = _pause(match, words)
        if pause and words:
            words[-1] = replace(words[-1], pause_after=max(pause, words[-1].pause_after))
        words += _words(match)
    return words


def cardinal(number: int) -> list[str]:
    """A whole number from 0 to `LARGEST_NUMBER` in words: 205 -> two hundred five."""
    assert 0 <= number <= LARGEST_NUMBER
    for size, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return [*cardinal(number // size), name, *(cardinal(rest) if rest else ())]
    if number < 10:
        return [ONES[number]]
    if number < 20:
        return [TEENS[number - 10]]
    return [TENS[number // 10 - 2], *([ONES[number % 10]] if number % 10 else ())]


def _fold(char: str) -> str:
    """A character in ASCII: accents go, pictures become a space, and what belongs to another script is refused."""
    if char.isascii() or char in CURRENCIES:
        return char
    if char in _UNFOLDED:
        return _UNFOLDED[char]
    if unicodedata.category(char)[0] in "SCZ":  # trade marks, emoji, control characters, wide spaces
        return " "
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    if any(c.isalnum() and not c.isascii() for c in plain):
        name = unicodedata.name(char, "a character without a name")
        raise ConfigError(
            f"the text has {char!r} ({name}), wanted English in Latin letters: transliterate it or leave it out"
        )
    return plain


def _pause(match: re.Match[str], words: list[ReadWord]) -> Seconds:
    """The silence that a token which is punctuation asks for."""
    if match["sentence"]:
        title = match["sentence"] == "." and words and words[-1].text in TITLES and match.end() < len(match.string)
        return 0.0 if title else SENTENCE_PAUSE
    return PHRASE_PAUSE if match["phrase"] else 0.0


def _words(match: re.Match[str]) -> Iterator[ReadWord]:
    if match["number"]:
        yield from map(ReadWord, _number(match))
    elif match["dotted"]:
        yield ReadWord(match["dotted"].replace(".", "").lower(), letters=True)
    elif match["word"]:
        yield ReadWord(match["word"].lower(), upper=match["word"].isupper())
    elif match["dot"]:
        yield ReadWord("dot")
    elif match["symbol"]:
        yield ReadWord(SYMBOLS[match["symbol"]])


def _number(match: re.Match[str]) -> list[str]:
    whole, suffix = match["number"].replace(",", ""), match["suffix"] or ""
    by_digits = len(whole) > len(str(LARGEST_NUMBER)) or (len(whole) > 1 and whole[0] == "0")
    words = [ONES[int(digit)] for digit in whole] if by_digits else cardinal(int(whole))
    for decimals in match["decimals"].split(".")[1:]:
        words += ["point", *(ONES[int(digit)] for digit in decimals)]
    if suffix == "s":
        words[-1] = _plural(words[-1])
    elif suffix:
        words[-1] = ORDINALS.get(words[-1], re.sub("y$", "ie", words[-1]).removesuffix("t") + "th")
    if match["minus"]:
        words.insert(0, "minus")
    if match["currency"]:
        name = CURRENCIES[match["currency"]]
        words.append(name if words == ["one"] else name + "s")
    return words


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word[-1] == "y" else word + ("es" if word[-1] in "xo" else "s")
