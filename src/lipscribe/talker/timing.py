"""Phonemes -> when each is said.

The rules are those of D. H. Klatt, Synthesis by rule of segmental durations in English sentences, in Lindblom & Öhman,
Frontiers of Speech Communication Research (1979), after his review in J. Acoust. Soc. Am. 59 (1976); the durations are
those of his table in Allen, Hunnicutt, Klatt: From Text to Speech (1987), table 9.1. A phoneme lasts

    (inherent - least) * share + least

where each rule that applies multiplies the share.

One thing differs on purpose. Sounds that look alike on the lips (p b m; t d n; f v ...) have one duration here, the
mean of theirs, and no rule looks at voicing: vowels are not lengthened before voiced consonants, and not after the puff
of air of p, t, k. In real speech these differences exist, but they come with many others that blur them. In clean
synthetic clips they alone would tell "bee" from "pee", and a lip reader trained on them would learn to measure what
cannot be seen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lipscribe.data.manifest import WordTime
from lipscribe.errors import ConfigError
from lipscribe.talker.letter_to_sound import VOWELS
from lipscribe.talker.phonemes import UNSTRESSED_WORDS, SpokenWord
from lipscribe.talker.visemes import DIPHTHONGS, VISEME_OF
from lipscribe.units import Seconds

SILENCE = "SIL"
MIN_RATE, MAX_RATE = 0.2, 5.0

# Phonemes of one visual class: inherent and least duration in ms.
_CLASSES: dict[str, tuple[float, float]] = {
    "P B M": (82, 57),
    "T D N": (70, 50),
    "K G NG": (85, 60),
    "F V": (80, 60),
    "TH DH": (70, 45),
    "S Z": (90, 50),
    "CH JH SH ZH": (80, 55),
    "HH": (80, 20),
    "L": (80, 40),
    "R": (80, 30),
    "W": (80, 60),
    "Y": (80, 40),
    # vowels: lax, tense, open, diphthongs
    "IH UH": (147, 50),
    "AH": (140, 60),
    "EH": (150, 70),
    "ER": (180, 80),
    "IY": (155, 55),
    "UW": (210, 70),
    "EY": (190, 100),
    "OW": (220, 80),
    "AE": (230, 80),
    "AA AO": (240, 110),
    "AY OY": (260, 150),
    "AW": (260, 100),
}
_DURATIONS_MS = {phoneme: times for group, times in _CLASSES.items() for phoneme in group.split()}
_GLIDES = frozenset(("L", "R", "W", "Y"))

TEMPO = 1.1  # tuned so that a GRID command is 1.6 to 2.2 s of speech
JITTER = 0.05  # standard deviation of a phoneme's duration, as a share of it; cut off at 2.5 of these


@dataclass(frozen=True)
class PhonemeTime:
    """One phoneme and when it is said.

    Attributes:
        phoneme: ARPAbet without the stress digit, or "SIL".
        stress: Of a vowel, 1 main, 2 secondary, 0 none; 0 for all others.
        word: Index of its word, None in silence.
    """

    phoneme: str
    stress: int
    start: Seconds
    end: Seconds
    word: int | None


def time_phonemes(
    words: list[SpokenWord],
    rng: np.random.Generator,
    rate: float = 1.0,
    lead: Seconds = 0.35,
    tail: Seconds = 0.35,
    shares: Mapping[str, float] | None = None,
    lengths: Mapping[str, float] | None = None,
) -> list[PhonemeTime]:
    """When each phoneme is said, contiguous from 0.

    Args:
        words: What is said; their pauses become silence, but for the last's, which is in `tail`.
        rng: Jitter: one number is drawn for each phoneme, whatever it is.
        rate: Speed; 2 is twice as fast, pauses too. Over 0.2 and below 5.
        lead: Silence before the first word, whatever the rate.
        tail: Silence after the last.
        shares: By visual class, how much of their word's time its phonemes take as a multiple of what these rules say;
            the word lasts as long. None is 1.
        lengths: By visual class, what its phonemes make of their word's length as a multiple of these rules; None is 1.

    Raises:
        ConfigError: `rate`, `lead` or `tail` is out of range.
    """
    if not MIN_RATE < rate < MAX_RATE:
        raise ConfigError(f"rate is {rate}, wanted over {MIN_RATE} and below {MAX_RATE}: 1 is normal speed")
    for name, silence in (("lead", lead), ("tail", tail)):
        if not (silence >= 0 and math.isfinite(silence)):
            raise ConfigError(f"{name} is {silence}, wanted seconds of silence, 0 or more")
    timeline = _Timeline()
    timeline.add(SILENCE, 0, lead, None)
    for index, word in enumerate(words):
        last = index == len(words) - 1
        final = last or word.pause_after > 0
        after_pause = index == 0 or words[index - 1].pause_after > 0
        before = None if after_pause else words[index - 1].phonemes[-1]
        after = None if final else words[index + 1].phonemes[0]
        durations_ms = _shared(word, _durations_ms(word, final, before, after), shares or {}, lengths or {})
        for phoneme, duration_ms in zip(word.phonemes, durations_ms, strict=True):
            jitter = 1 + JITTER * float(np.clip(rng.standard_normal(), -2.5, 2.5))
            timeline.add(*_parts(phoneme), duration_ms / 1000 * jitter / rate, index)
        timeline.add(SILENCE, 0, tail if last else word.pause_after / rate, None)
    if not words:
        timeline.add(SILENCE, 0, tail, None)
    return timeline.phonemes


def word_times(words: list[SpokenWord], phonemes: list[PhonemeTime]) -> tuple[WordTime, ...]:
    """When each word is said, from the phonemes that `time_phonemes` made of the words."""
    spans: dict[int, tuple[Seconds, Seconds]] = {}
    for phoneme in phonemes:
        if phoneme.word is not None:
            start, _ = spans.get(phoneme.word, (phoneme.start, phoneme.end))
            spans[phoneme.word] = (start, phoneme.end)
    return tuple(WordTime(word.text, *spans[index]) for index, word in enumerate(words))


class _Timeline:
    """Phonemes one after the other."""

    def __init__(self):
        self.phonemes: list[PhonemeTime] = []
        self.now: Seconds = 0.0

    def add(self, phoneme: str, stress: int, duration: Seconds, word: int | None) -> None:
        if duration > 0:
            end = self.now + duration
            self.phonemes.append(PhonemeTime(phoneme, stress, self.now, end, word))
            self.now = end


def _parts(phoneme: str) -> tuple[str, int]:
    """("EH1") -> ("EH", 1)."""
    return (phoneme[:-1], int(phoneme[-1])) if phoneme[-1].isdigit() else (phoneme, 0)


def _class_of(phoneme: str) -> str:
    """The visual class of a phoneme; of a diphthong, the one it starts from."""
    name = _parts(phoneme)[0]
    return DIPHTHONGS[name][0] if name in DIPHTHONGS else VISEME_OF[name]


def _shared(
    word: SpokenWord, durations_ms: list[float], shares: Mapping[str, float], lengths: Mapping[str, float]
) -> list[float]:
    """How long phonemes last whose word is as long as `lengths` make it, and is divided as `shares` say."""
    classes = [_class_of(name) for name in word.phonemes]
    whole = sum(ms * lengths.get(name, 1.0) for name, ms in zip(classes, durations_ms, strict=True))
    weighted = [ms * shares.get(name, 1.0) for name, ms in zip(classes, durations_ms, strict=True)]
    return [ms * (whole / sum(weighted)) for ms in weighted]


def _durations_ms(word: SpokenWord, final: bool, before: str | None, after: str | None) -> list[float]:
    """How long each phoneme of a word lasts, by Klatt's rules.

    Args:
        word: The word.
        final: A pause follows the word.
        before: The phoneme before the word, None after a pause.
        after: The phoneme after it, None before a pause.
    """
    names = [_parts(phoneme)[0] for phoneme in word.phonemes]
    vowels = [i for i, name in enumerate(names) if name in VOWELS]
    around = [before and _parts(before)[0], *names, after and _parts(after)[0]]
    durations = []
    for i, name in enumerate(names):
        inherent, least = _DURATIONS_MS[name]
        stressed = word.text not in UNSTRESSED_WORDS and _stress_of_syllable(i, vowels, word.phonemes) > 0
        if not stressed:
            least /= 2  # unstressed sounds can be squeezed further
        neighbours = tuple(None if n is None else n in VOWELS for n in (around[i], around[i + 2]))
        if name in VOWELS:
            share = _vowel_share(i, vowels, final, stressed, *neighbours)
            if i == len(names) - 1:
                share *= 1.2  # nothing closes the syllable
        else:
            share = _consonant_share(i, name, vowels, final, stressed, *neighbours)
        durations.append(TEMPO * ((inherent - least) * share + least))
    return durations


def _stress_of_syllable(i: int, vowels: list[int], phonemes: tuple[str, ...]) -> int:
    """Stress of the vowel that a phoneme belongs to: the next one, or the last one of the word."""
    if not vowels:
        return 1
    nucleus = next((vowel for vowel in vowels if vowel >= i), vowels[-1])
    return _parts(phonemes[nucleus])[1]


def _vowel_share(
    i: int, vowels: list[int], final: bool, stressed: bool, vowel_before: bool | None, vowel_after: bool | None
) -> float:
    last_syllable = i == vowels[-1]
    share = 1.4 if final and last_syllable else 0.6  # the end of a phrase is drawn out
    if not last_syllable:
        share *= 0.85
    if len(vowels) > 1:
        share *= 0.8  # long words are said faster
    if not stressed:
        share *= 0.5 if 0 < vowels.index(i) < len(vowels) - 1 else 0.7
    if vowel_after:
        share *= 1.2
    if vowel_before:
        share *= 0.7
    return share


def _consonant_share(
    i: int,
    name: str,
    vowels: list[int],
    final: bool,
    stressed: bool,
    vowel_before: bool | None,
    vowel_after: bool | None,
) -> float:
    after_vowels = not vowels or i > vowels[-1]
    share = 1.4 if final and after_vowels else 1.0
    if i > 0:
        share *= 0.85
    if not stressed:
        share *= 0.1 if name in _GLIDES and vowel_after else 0.7
    if vowel_before is False and vowel_after is False:
        return share * 0.5  # within a cluster
    if vowel_before is False or vowel_after is False:
        share *= 0.7  # at its edge
    return share
