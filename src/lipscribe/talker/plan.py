"""Which clips a corpus of talkers has: who says what, and in which split."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipscribe.data.corpora.grid import NOT_WORDS, SLOTS, name_of_sentence
from lipscribe.errors import ConfigError
from lipscribe.talker.idle import MOVEMENTS
from lipscribe.talker.phonemes import SpokenWord, pronounce

GRID_SENTENCES = math.prod(map(len, SLOTS))
DEV_SHARE = TEST_SHARE = 0.1  # of the speakers
MIN_RATE, MAX_RATE = 0.25, 4.0  # less than what can be timed: people have a tempo of their own
SHOWN = 5  # bad lines that an error names


@dataclass(frozen=True)
class PlannedClip:
    """One clip before it is rendered.

    Attributes:
        speaker: Number from 1, "s1" in names.
        take: Number among the clips of its speaker, from 0.
        name: Of its files.
        text: What is said; nothing where there is a movement.
        movement: What a face does that says nothing, one of `lipscribe.talker.idle.MOVEMENTS`.
    """

    speaker: int
    take: int
    name: str
    text: str
    movement: str = ""

    @property
    def id(self) -> str:
        """Such as "s1/bbaf2n", as a manifest names it."""
        return f"s{self.speaker}/{self.name}"


def load_sentences(path: Path) -> list[str]:
    """The sentences of a text file, one a line.

    Raises:
        ConfigError: It cannot be read, is empty, or has lines that cannot be said; the first of them are listed.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise ConfigError(
            f"corpus {path} cannot be read ({error.strerror}): give `grid`, or a text file with a sentence a line"
        ) from None
    sentences, faults = [], []
    for number, line in enumerate(lines, 1):
        try:
            text = " ".join(line.decode("utf-8").split())
            if text:
                _check_words(pronounce(text))
                sentences.append(text)
        except UnicodeDecodeError:
            faults.append(f"line {number}: not UTF-8 text")
        except ConfigError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        count = "1 bad line" if len(faults) == 1 else f"{len(faults)} bad lines"
        raise ConfigError(f"{path}: {count}: {'; '.join(faults[:SHOWN])}{more}")
    if not sentences:
        raise ConfigError(f"{path} is empty, wanted a sentence a line")
    return sentences


def _check_words(words: list[SpokenWord]) -> None:
    for word in words:
        if word.text in NOT_WORDS:
            raise ConfigError(f"{word.text!r} means silence in .align files, wanted other words: leave it out")


def check(clips: int, speakers: int, seed: int, rate: float | None, grid: bool) -> None:
    """Whether such a corpus can be made.

    Args:
        grid: Whether it is of GRID's sentences, of which there are so many.

    Raises:
        ConfigError: A number is out of range; all are listed.
    """
    faults = []
    if clips < 1:
        faults.append(f"clips is {clips}, wanted 1 or more")
    elif not 1 <= speakers <= clips:
        faults.append(f"speakers is {speakers}, wanted 1 to {clips}, the number of clips")
    elif grid and clips > GRID_SENTENCES * speakers:
        faults.append(f"clips is {clips}, wanted at most {GRID_SENTENCES} a speaker: GRID has no more sentences")
    if seed < 0:
        faults.append(f"seed is {seed}, wanted 0 or more")
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        faults.append(f"rate is {rate}, wanted {MIN_RATE} to {MAX_RATE:g}")
    if faults:
        raise ConfigError("; ".join(faults))


def plan_grid(clips: int, speakers: int, seed: int) -> list[PlannedClip]:
    """Random sentences, none twice for a speaker; the clips are shared out evenly."""
    plan = []
    for speaker in range(1, speakers + 1):
        number = len(range(speaker - 1, clips, speakers))
        chosen = np.random.default_rng((seed, speaker)).choice(GRID_SENTENCES, number, replace=False)
        for take, code in enumerate(chosen.tolist()):
            words = []
            for slot in SLOTS:
                code, place = divmod(code, len(slot))
                words.append(slot[place])
            sentence = " ".join(words)
            plan.append(PlannedClip(speaker, take, name_of_sentence(sentence), sentence))
    return plan


def plan_idle(clips: int, speakers: int) -> list[PlannedClip]:
    """Clips without words: speakers in turn, each with the next idle movement."""
    kinds = list(MOVEMENTS)
    plan = []
    for index in range(clips):
        take, speaker = divmod(index, speakers)
        movement = kinds[(index + take * (speakers % len(kinds) == 0)) % len(kinds)]
        plan.append(PlannedClip(1 + speaker, take, f"{movement.replace(' ', '-')}-{take + 1}", "", movement))
    return sorted(plan, key=lambda clip: (clip.speaker, clip.take))  # a process keeps its person


def plan_sentences(sentences: list[str], clips: int, speakers: int) -> list[PlannedClip]:
    """Sentences and speakers in turn; when all have been said, they are said again by the next speakers."""
    plan = []
    takes: Counter[int] = Counter()
    for index in range(clips):
        again, place = divmod(index, len(sentences))
        speaker = 1 + (index + again * (len(sentences) % speakers == 0)) % speakers
        plan.append(PlannedClip(speaker, takes[speaker], f"{index + 1:04d}", sentences[place]))
        takes[speaker] += 1
    return sorted(plan, key=lambda clip: (clip.speaker, clip.take))  # a process keeps its person


def split_of(speaker: int, speakers: int) -> str:
    """The last speakers are the test split, those before them dev; at least one dev of three, one test of four."""
    test = max(1, round(speakers * TEST_SHARE)) if speakers >= 4 else 0
    dev = max(1, round(speakers * DEV_SHARE)) if speakers >= 3 else 0
    if speaker > speakers - test:
        return "test"
    return "dev" if speaker > speakers - test - dev else "train"
