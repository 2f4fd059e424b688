"""Utterances with sloppy times -> the stretches of speech in which they are said.

As in the alignment of sentences of two languages (Gale and Church, 1993), dynamic programming pairs one or a few
utterances with one or a few stretches of speech between pauses, in order. What fits nothing stays unpaired.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lipscribe.footage.subtitles import Utterance
from lipscribe.units import Seconds

SLACK: Seconds = 0.9  # subtitles begin and end so much too early or too late, at most
LINGERS: Seconds = 1.5  # they may stay for so much longer than the speech
MAX_SPEECH: Seconds = 14.0  # of one clip
MAX_PAUSE: Seconds = 1.2  # within what is said as one
MOST_UTTERANCES, MOST_STRETCHES = 3, 6  # that are paired with each other

SECONDS_PER_LETTER = 0.068  # 15 letters a second, about 3 words; corrected by what is found
_WORST_RATE = 1.9  # times faster or slower than usual: another text
_WORST_RATE_STRICT = 1.5
_RATE_COST = 2.0  # for a text that lasts e times too long or too short
_EDGE: Seconds = 0.35  # an edge so far off costs 1
_UNPAIRED = 3.2  # the cost of an utterance that is paired with nothing
_UNUSED = 0.4  # of a stretch of speech that is, within reach of an utterance
_TOGETHER = 2.5  # of each utterance more in one pair: only where no pause tells them apart
_EDGE_COSTS_MOST = 2.5


class Stretch(NamedTuple):
    """Speech between two pauses.

    Attributes:
        source: Stretches of one source alone go together: the sound, or one face.
    """

    start: Seconds
    end: Seconds
    source: int = 0


class Placed(NamedTuple):
    """Utterances and when they are said.

    Attributes:
        utterances: One or more, in order.
        start, end: Of the speech.
        source: Of its stretches.
        before, after: The pauses around it.
    """

    utterances: tuple[Utterance, ...]
    start: Seconds
    end: Seconds
    source: int
    before: Seconds
    after: Seconds


def place(
    utterances: Sequence[Utterance], speech: Sequence[Stretch], strict: bool = False
) -> tuple[list[Placed], list[Utterance]]:
    """When utterances are said.

    Args:
        utterances: In order of time.
        speech: All stretches of speech, in order of time.
        strict: The stretches are those of mouths, which may miss a rounded or a closed sound at either end, and say
            nothing of who else speaks: no utterances go together, and the length of each has to fit better.

    Returns:
        What was placed, and the utterances that fit nowhere.
    """
    placed = _pair(utterances, speech, SECONDS_PER_LETTER, strict)
    rates = [(one.end - one.start) / sum(len(u.text) for u in one.utterances) for one in placed]
    if len(rates) >= 8:  # this film's own rate of speaking
        placed = _pair(utterances, speech, float(np.clip(np.median(rates), 0.04, 0.12)), strict)
    there = {id(utterance) for one in placed for utterance in one.utterances}
    return placed, [utterance for utterance in utterances if id(utterance) not in there]


def _pair(
    utterances: Sequence[Utterance], speech: Sequence[Stretch], per_letter: Seconds, strict: bool
) -> list[Placed]:
    together, worst_rate = (1, _WORST_RATE_STRICT) if strict else (MOST_UTTERANCES, _WORST_RATE)
    num, many = len(utterances), len(speech)
    cost = np.full((num + 1, many + 1), np.inf)
    came: dict[tuple[int, int], tuple[int, int]] = {}
    cost[0, 0] = 0.0
    for i in range(num + 1):
        for j in range(many + 1):
            here = cost[i, j]
            if not np.isfinite(here):
                continue
            if i < num and here + _UNPAIRED < cost[i + 1, j]:
                cost[i + 1, j], came[i + 1, j] = here + _UNPAIRED, (i, j)
            if j == many:
                continue
            unused = here + (_UNUSED if _near(utterances, i, speech[j]) else 0.0)
            if unused < cost[i, j + 1]:
                cost[i, j + 1], came[i, j + 1] = unused, (i, j)
            for p in range(1, min(together, num - i) + 1):
                if utterances[i].start + SLACK < speech[j].start or utterances[i].start - SLACK > speech[j].start:
                    break
                for q in range(1, min(MOST_STRETCHES, many - j) + 1):
                    price = _price(utterances[i : i + p], speech[j : j + q], per_letter, worst_rate)
                    if here + price < cost[i + p, j + q]:
                        cost[i + p, j + q], came[i + p, j + q] = here + price, (i, j)
    return _trace(utterances, speech, came)


def _near(utterances: Sequence[Utterance], i: int, stretch: Stretch) -> bool:
    """Whether a stretch lies within what one of the utterances around is said in."""
    return any(u.start + 0.3 < stretch.end and stretch.start < u.end - 0.3 for u in utterances[max(i - 1, 0) : i + 1])


def _price(utterances: Sequence[Utterance], speech: Sequence[Stretch], per_letter: Seconds, worst_rate: float) -> float:
    """What a pair costs; infinite where it cannot be."""
    first, last = speech[0], speech[-1]
    early, late = utterances[0].start - first.start, utterances[-1].end - last.end
    length = last.end - first.start
    if abs(early) > SLACK or not -SLACK <= late <= LINGERS or length > MAX_SPEECH:
        return np.inf
    if any(b.start - a.end > MAX_PAUSE or a.source != b.source for a, b in pairwise(speech)):
        return np.inf
    rate = np.log(length / (per_letter * sum(len(u.text) for u in utterances)))
    if abs(rate) > np.log(worst_rate):
        return np.inf
    edges = sum(min(abs(off) / _EDGE, _EDGE_COSTS_MOST) for off in (early, late)) / 2
    return edges + _RATE_COST * abs(rate) + _TOGETHER * (len(utterances) - 1)


def _trace(
    utterances: Sequence[Utterance], speech: Sequence[Stretch], came: dict[tuple[int, int], tuple[int, int]]
) -> list[Placed]:
    placed: list[Placed] = []
    at = len(utterances), len(speech)
    while at != (0, 0):
        before = came[at]
        if before[0] < at[0] and before[1] < at[1]:
            first, last = speech[before[1]], speech[at[1] - 1]
            pause_before = first.start - speech[before[1] - 1].end if before[1] else np.inf
            pause_after = speech[at[1]].start - last.end if at[1] < len(speech) else np.inf
            said = tuple(utterances[before[0] : at[0]])
            placed.append(Placed(said, first.start, last.end, first.source, max(pause_before, 0), max(pause_after, 0)))
        at = before
    return placed[::-1]
