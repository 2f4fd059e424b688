"""Phonemes with times -> the mouth's controls over time, each phoneme coloured by its neighbours.

Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): each segment s pulls control p towards
its target T with a dominance that falls off exponentially with the distance from the segment,

    D_sp(t) = alpha_sp * exp(-distance / reach_p),      F_p(t) = sum_s D_sp(t) T_sp / sum_s D_sp(t),

so a rounded vowel rounds the consonants before it, and "t" looks otherwise in "tee" than in "too".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lipscribe.talker.letter_to_sound import VOWELS
from lipscribe.talker.manners import CLEAR, Manner
from lipscribe.talker.timing import PhonemeTime
from lipscribe.talker.visemes import CONTROLS, DIPHTHONGS, FAINT, VISEME_OF
from lipscribe.units import Seconds

_SILENCE_EDGE: Seconds = 0.07  # a resting mouth begins to move so long before the sound, and rests so long after it
READY: tuple[Seconds, Seconds] = (0.18, 0.06)  # so long before somebody speaks, lips that move as people's do part
AFTER: tuple[Seconds, Seconds] = (0.06, 0.2)  # and after it they are still on their way to rest
REST_AWAY: Seconds = 0.12  # rest ends so much earlier and begins so much later
_GLIDE = 0.38  # of a diphthong: its two targets lie so far from its ends
_AJAR = ("gap", "jaw")  # the controls by which resting lips stand open
_DROPPED = 0.02  # pull of an "r" that ends a syllable: the people who were measured, who are British, do not say it
_SMALLER = 0.65  # an unstressed moving vowel opens so much less, as "by" beside "white"
_REDUCED = 0.75  # an unstressed vowel pulls less, and so is coloured more


class _Pull(NamedTuple):
    """A segment as the blending sees it."""

    viseme: str
    start: Seconds  # of the stretch in which the pull is full
    end: Seconds
    strength: float
    size: float = 1.0  # of the targets
    ajar: float = 0.0  # how far the lips stand open in it, as a share of those that are about to speak


class Habits(NamedTuple):
    """What somebody does otherwise than the table's mean person."""

    parting: float = 1.0  # how far the lips part before speech, as a multiple
    lead: float = 1.0  # how early, as a multiple
    ajar: float = 0.0  # how far they stand open at rest, as a share of those that are about to speak
    glide: float = 1.0  # how far a vowel that moves gets to its end: some say "now" without rounding


USUAL = Habits()


def mouth_controls(
    phonemes: Sequence[PhonemeTime],
    num_frames: int,
    fps: float,
    effort: float = 1.0,
    manner: Manner = CLEAR,
    habits: Habits = USUAL,
) -> np.ndarray:
    """Blends the targets of timed phonemes.

    Args:
        phonemes: In order, without gaps; "SIL" is silence.
        num_frames: Frames wanted; frame i is the mouth at (i + 0.5) / fps seconds.
        fps: Rate of the frames in Hz.
        effort: How far this speaker moves: 1 is careful speech, 0.7 mumbling.
        manner: Whose targets, dominances and reaches.
        habits: Of this person, where the manner has them.

    Returns:
        (T, 9) float32, columns as in `CONTROLS`, about 0 to 1 (`width` -1 to 1, `gap` below 0 where lips are pressed).
    """
    pulls = [pull for i in range(len(phonemes)) for pull in _pulls(phonemes, i, manner, habits)]
    times = (np.arange(num_frames) + 0.5) / fps
    starts, ends = np.array([p.start for p in pulls]), np.array([p.end for p in pulls])
    before = np.maximum(starts - times[:, None], 0)  # (T, S) seconds that the segment lies ahead
    after = np.maximum(times[:, None] - ends, 0)
    controls = np.empty((num_frames, len(CONTROLS)), np.float32)
    for column, control in enumerate(CONTROLS):
        target, alpha = _targets(pulls, control, manner)
        ahead, behind = manner.reach[control]
        # The nearest segment weighs 1 in itself, so that the sum never vanishes.
        distance = before / ahead + after / behind
        dominance = alpha * np.exp(-(distance - distance.min(1, keepdims=True)))
        controls[:, column] = dominance @ target / dominance.sum(1)
    pressed = (controls < 0) & (np.array(CONTROLS) == "gap")  # whoever mumbles still closes the lips
    return np.where(pressed, controls, controls * np.float32(effort))


def _targets(pulls: list[_Pull], control: str, manner: Manner) -> tuple[np.ndarray, np.ndarray]:
    values, alphas = [], []
    for pull in pulls:
        value, alpha = manner.visemes[pull.viseme].targets.get(control, (0.0, FAINT))
        ajar = pull.ajar * manner.visemes["ready"].targets[control][0] if pull.ajar and control in _AJAR else 0.0
        values.append(value * pull.size + ajar)
        alphas.append(alpha * pull.strength)
    return np.array(values), np.array(alphas)


def _pulls(phonemes: Sequence[PhonemeTime], i: int, manner: Manner, habits: Habits) -> list[_Pull]:
    phoneme = phonemes[i]
    length = phoneme.end - phoneme.start
    if phoneme.phoneme == "SIL":
        return _silence(phoneme, i == 0, i == len(phonemes) - 1, manner, habits)
    if phoneme.phoneme in DIPHTHONGS:
        first, second = DIPHTHONGS[phoneme.phoneme]
        begin, end = phoneme.start + _GLIDE * length, phoneme.end - _GLIDE * length * 0.6
        middle = phoneme.start + (0.45 + 0.3 * (1 - habits.glide)) * length
        size = _SMALLER if manner.measured and phoneme.stress == 0 else 1.0
        return [
            _Pull(first, min(begin, middle), middle, 1.0, size),
            _Pull(second, max(end, middle), max(end, middle), 0.8 * habits.glide, size),
        ]
    viseme = VISEME_OF[phoneme.phoneme]
    is_vowel = viseme == phoneme.phoneme  # vowels are classes of their own
    strength = _REDUCED if is_vowel and phoneme.stress == 0 else 1.0
    if manner.measured and viseme == "rhotic" and _ends_a_syllable(phonemes, i):
        strength = _DROPPED
    plateau = manner.plateau
    if viseme == "bilabial":
        plateau = manner.closed[i == 0 or phonemes[i - 1].phoneme == "SIL"]
    pad = (1 - plateau) / 2 * length
    return [_Pull(viseme, phoneme.start + pad, phoneme.end - pad, strength)]


def _ends_a_syllable(phonemes: Sequence[PhonemeTime], i: int) -> bool:
    """Whether a consonant has a vowel before and none behind it."""
    before, behind = (any(each.phoneme in VOWELS for each in phonemes[max(at, 0) : at + 1]) for at in (i - 1, i + 1))
    return before and not behind


def _silence(phoneme: PhonemeTime, first: bool, last: bool, manner: Manner, habits: Habits) -> list[_Pull]:
    """A resting mouth, and, where the manner knows them, the ways from and to rest."""
    start, end = phoneme.start, phoneme.end
    if "ready" not in manner.visemes:
        edge = min(_SILENCE_EDGE, (end - start) / 2)
        return [_Pull("rest", start + edge, end - edge, 1.0)]
    pulls = []
    if not first:
        pulls.append(_Pull("after", min(start + AFTER[0], end), min(start + AFTER[1], end), 1.0))
        start += AFTER[1] + REST_AWAY
    if not last:
        early = max(end - habits.lead * READY[0], phoneme.start)
        pulls.append(_Pull("ready", early, max(end - READY[1], early), 1.0, habits.parting))
        end -= habits.lead * READY[0] + REST_AWAY
    if end > start or not pulls:
        pulls.append(_Pull("rest", min(start, end), end, 1.0, ajar=habits.ajar))
    elif first or last:
        at = phoneme.start if first else phoneme.end
        pulls.append(_Pull("rest", at, at, 1.0, ajar=habits.ajar))
    return pulls
