"""English text -> words with their phonemes, by the CMU Pronouncing Dictionary and rules for what it lacks."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipscribe.talker.letter_to_sound import VOWELS, sound_out
from lipscribe.talker.spoken_text import ONES, ReadWord, read_aloud
from lipscribe.units import Seconds

DICTIONARY = Path(__file__).parent.parent / "assets" / "cmudict" / "cmudict.dict.gz"
SAID_AS = {"dr": "doctor", "st": "saint", "prof": "professor", "vs": "versus"}  # the dictionary's first choice is rarer
ENDINGS = {"ll": ("AH0", "L"), "ve": ("AH0", "V"), "re": ("ER0",), "d": ("D",), "m": ("M",), "t": ("T",)}
MIN_PART = 3  # letters of the shorter part of a compound: shorter ones are found in any word

# Small words are said without stress, though the dictionary, which reads them alone, gives them one.
# fmt: off
UNSTRESSED_WORDS = frozenset((
    "an", "and", "are", "as", "at", "be", "but", "by", "can", "do", "for", "from", "had", "has", "have", "he", "her",
    "his", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "our", "she", "so", "than", "that", "the",
    "their", "them", "they", "this", "to", "us", "was", "we", "were", "will", "with", "you", "your",
))
# fmt: on
# How small words are said where nothing stresses them (Gimson, "An introduction to the pronunciation of English").
WEAK_FORMS: dict[str, tuple[str, ...]] = {
    "an": ("AH0", "N"),
    "and": ("AH0", "N", "D"),
    "as": ("AH0", "Z"),
    "at": ("AH0", "T"),
    "but": ("B", "AH0", "T"),
    "can": ("K", "AH0", "N"),
    "for": ("F", "AH0"),
    "from": ("F", "R", "AH0", "M"),
    "had": ("AH0", "D"),
    "has": ("AH0", "Z"),
    "have": ("AH0", "V"),
    "of": ("AH0", "V"),
    "than": ("DH", "AH0", "N"),
    "that": ("DH", "AH0", "T"),
    "them": ("DH", "AH0", "M"),
    "to": ("T", "AH0"),
    "us": ("AH0", "S"),
    "was": ("W", "AH0", "Z"),
}


@dataclass(frozen=True)
class SpokenWord:
    """One word as it is said.

    Attributes:
        text: Lower-case, as a transcript has it: "seven", "don't", "c".
        phonemes: ARPAbet as in CMUdict, vowels with a stress digit: ("S", "EH1", "V", "AH0", "N"). Never empty.
        pause_after: Silence after it.
    """

    text: str
    phonemes: tuple[str, ...]
    pause_after: Seconds = 0.0


def pronounce(text: str) -> list[SpokenWord]:
    """How an English text is said.

    Words have the first pronunciation of CMUdict. One that it lacks is tried as an inflection ("blogged"), as a
    compound ("lipreader") and at last by the rules of spelling; in capitals, or without a vowel, it is spelled. Numbers
    are said in words. "a" is the letter before a digit ("at a two", as GRID says) and at the end of a phrase.

    Raises:
        ConfigError: The text is no str, has no letter or digit, or is in another script than Latin.
    """
    words = read_aloud(text)
    shouted = len(words) > 1 and all(word.upper for word in words)  # then capitals mean nothing
    spoken = []
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word.text == "a":
            letter = after is None or word.pause_after > 0 or after.text in ONES
            phonemes: tuple[str, ...] = ("EY1",) if letter else ("AH0",)
        else:
            phonemes = _phonemes(word, spell=word.letters or (word.upper and not shouted and len(word.text) <= 5))
        spoken.append(SpokenWord(word.text, phonemes, word.pause_after))
    return spoken


def weakened(words: Sequence[SpokenWord], share: float, rng: np.random.Generator) -> list[SpokenWord]:
    """The words as people run them together: small ones have no stress, and that share of `WEAK_FORMS` no full vowel.

    Before a pause and at the end vowels are full.
    """
    said = []
    for i, word in enumerate(words):
        phonemes = word.phonemes
        if word.text in UNSTRESSED_WORDS:
            phonemes = _with_stress(phonemes, "0")
        if rng.random() < share and word.pause_after == 0 and i < len(words) - 1:
            phonemes = WEAK_FORMS.get(word.text, phonemes)
        said.append(replace(word, phonemes=phonemes))
    return said


def _phonemes(word: ReadWord, spell: bool) -> tuple[str, ...]:
    known = None if word.letters else _known(SAID_AS.get(word.text, word.text))
    if known:
        return known
    stem, *endings = word.text.split("'")
    phonemes = _stem_phonemes(stem, spell, word.letters)
    for ending in endings:
        phonemes += _plural(phonemes) if ending == "s" else ENDINGS.get(ending) or _stem_phonemes(ending, spell)
    return phonemes


def _stem_phonemes(stem: str, spell: bool, letters: bool = False) -> tuple[str, ...]:
    known = None if letters else _known(stem)
    return known or (_spelled(stem) if spell or not set(stem) & set("aeiouy") else _guess(stem))


def _known(word: str) -> tuple[str, ...] | None:
    entry = _dictionary().get(word.encode())
    return tuple(entry.split(b"#")[0].decode().split()) if entry else None


@functools.cache
def _dictionary() -> dict[bytes, bytes]:
    """The lines of CMUdict by their first word: 0.2 s, where parsing them all would take 0.7 s."""
    import gzip

    lines = gzip.decompress(DICTIONARY.read_bytes()).splitlines()
    return dict(line.split(b" ", 1) for line in lines)


def _spelled(letters: str) -> tuple[str, ...]:
    """Letter by letter: the last has the stress, as in "B B C"."""
    names = [("EY1",) if letter == "a" else _known(letter) or () for letter in letters]
    return tuple(phoneme for name in names[:-1] for phoneme in _with_stress(name, "2")) + names[-1]


@functools.lru_cache(maxsize=10_000)
def _guess(word: str) -> tuple[str, ...]:
    """A word of letters only that the dictionary lacks."""
    return (
        _inflected(word, _known)
        or _compound(word, _known)
        or _inflected(word, lambda stem: _compound(stem, _known))
        or sound_out(word)
    )


Lookup = Callable[[str], tuple[str, ...] | None]


def _inflected(word: str, lookup: Lookup) -> tuple[str, ...] | None:
    """A known word with s, ed or ing."""
    for ending, said in (("es", _plural), ("s", _plural), ("ed", _past), ("ing", _progressive)):
        if word.endswith(ending) and len(word) - len(ending) >= MIN_PART and not word.endswith("ss"):
            for stem in _stems(word.removesuffix(ending), ending):
                found = lookup(stem)
                if found:
                    return (*found, *said(found))
    return None


def _stems(base: str, ending: str) -> Iterator[str]:
    """What `base` may have been before the ending: vlogg -> vlog, vibe -> vib, hobby -> hobbi."""
    if ending in ("ed", "ing", "es"):
        yield base + "e"
        if base[-1] == base[-2]:
            yield base[:-1]
    if base[-1] == "i" and ending in ("es", "ed"):
        yield base[:-1] + "y"
    yield base


def _plural(stem: tuple[str, ...]) -> tuple[str, ...]:
    if stem[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return ("IH0", "Z")
    return ("S",) if stem[-1] in ("P", "T", "K", "F", "TH") else ("Z",)


def _past(stem: tuple[str, ...]) -> tuple[str, ...]:
    if stem[-1] in ("T", "D"):
        return ("IH0", "D")
    return ("T",) if stem[-1] in ("P", "K", "F", "TH", "S", "SH", "CH") else ("D",)


def _progressive(stem: tuple[str, ...]) -> tuple[str, ...]:
    return ("IH0", "NG")


def _compound(word: str, lookup: Lookup) -> tuple[str, ...] | None:
    """Two known words in one, the more even the split the better; the second loses its main stress."""
    middle = len(word) / 2
    for cut in sorted(range(MIN_PART, len(word) - MIN_PART + 1), key=lambda cut: abs(cut - middle)):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second and word[cut - 1 : cut + 1] not in ("th", "sh", "ch", "ph", "ck", "gh"):
            return (*first, *_with_stress(second, "2"))
    return None


def _with_stress(phonemes: tuple[str, ...], stress: str) -> tuple[str, ...]:
    """The same with the main stress as `stress`."""
    return tuple(p[:-1] + stress if p[-1] == "1" and p[:-1] in VOWELS else p for p in phonemes)
