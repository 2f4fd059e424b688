"""A film is worked on in pieces of some minutes, cut where nobody speaks by its subtitles.

So memory does not grow with the film's length, several processes work on one film, and what was done is kept when a run
is stopped.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lipscribe.footage.placing import MAX_SPEECH
from lipscribe.footage.subtitles import Utterance
from lipscribe.mouth.early import MAX_PIXELS
from lipscribe.units import MODEL_FPS, Seconds
from lipscribe.video import Video

PIECE: Seconds = 300.0  # long enough to tell how loud speech is and how fast people talk
REACH: Seconds = 3.0  # seen before the first utterance and after the last one
UNSAID: Seconds = 30.0  # without an utterance: not decoded


@dataclass(frozen=True)
class Piece:
    """A part of a film.

    Attributes:
        start, end: Decoded.
        utterances: What is said in it; None where a recogniser is to tell.
        first, last: The recogniser's utterances whose middle lies from `first` up to `last` belong to this piece.
    """

    start: Seconds
    end: Seconds
    utterances: tuple[Utterance, ...] | None
    first: Seconds
    last: Seconds

    @property
    def key(self) -> str:
        """Tells pieces of one film apart, also by what is said in them."""
        said = 0 if self.utterances is None else zlib.crc32(repr(self.utterances).encode())
        return f"{self.start:.2f}-{self.end:.2f} {said:08x}"


def open_film(film: Path) -> Video:
    """A film at the rate and size that it is read at here; `Video.part` gives its parts."""
    info = Video(film, MODEL_FPS).info
    side = int(math.sqrt(MAX_PIXELS * max(info.width, info.height) / min(info.width, info.height)))
    return Video(film, MODEL_FPS, side)


def plan_by_subtitles(utterances: Sequence[Utterance], duration: Seconds) -> list[Piece]:
    """Pieces that hold all utterances, each cut at the longest silence near its end."""
    pieces: list[Piece] = []
    first = 0
    while first < len(utterances):
        last = first + 1
        while last < len(utterances) and utterances[last].end - utterances[first].start < PIECE:
            if utterances[last].start - utterances[last - 1].end > UNSAID:
                break
            last += 1
        if last < len(utterances) and utterances[last].end - utterances[first].start >= PIECE:
            # In the last third, so that pieces are not short.
            third = [i for i in range(first + 1, last + 1) if _gap_at(utterances, i, first) > 2 * PIECE / 3]
            last = max(third, key=lambda i: utterances[i].start - utterances[i - 1].end, default=last)
        some = tuple(utterances[first:last])
        start, end = max(some[0].start - REACH, 0.0), min(max(one.end for one in some) + REACH, duration)
        if start < end:
            pieces.append(Piece(start, end, some, start, end))
        first = last
    return pieces


def _gap_at(utterances: Sequence[Utterance], i: int, first: int) -> Seconds:
    return utterances[i].start - utterances[first].start


def plan_by_time(duration: Seconds) -> list[Piece]:
    """Pieces of equal length for a recogniser, each seen a little further than it reaches."""
    number = max(1, round(duration / PIECE))
    edges = [duration * i / number for i in range(number + 1)]
    return [
        Piece(max(first - MAX_SPEECH, 0.0), min(last + MAX_SPEECH, duration), None, first, last)
        for first, last in pairwise(edges)
    ]
