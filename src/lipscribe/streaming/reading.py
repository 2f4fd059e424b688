"""Crops as they come -> words as they are said: tentative at first, then committed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lipscribe.model import Model
from lipscribe.pipeline import to_word
from lipscribe.search import SearchOptions
from lipscribe.search.hypothesis import WordSpan
from lipscribe.streaming.searching import FreeOpenSearch, GrammarOpenSearch, OpenSearch
from lipscribe.transcript import Segment, Word
from lipscribe.units import Seconds, seconds_to_frame

LOOK_AHEAD: Seconds = 0.28  # after a word's last frame, before it is committed
STEP: Seconds = 0.12  # from one reading to the next
PAUSE: Seconds = 0.6  # without a word ends an utterance
LONG_PAUSE: Seconds = 1.4  # ends it in the middle of a sentence too
LEAD: Seconds = 0.48  # of silence before an utterance that is read with it
PAD, KEEP = 10, 0
MAX_HELD: Seconds = 4.0  # are read at once


@dataclass(frozen=True)
class StreamUpdate:
    """What a stream has to say.

    Attributes:
        time: Capture time of the newest frame that was read.
        utterance: Number of the utterance, from 0.
        committed: The words that are certain from now on; they follow those of earlier updates of the utterance.
        tentative: The present guess of what follows; replaces that of the update before.
        segment: The whole utterance, where this update ends it.
    """

    time: Seconds
    utterance: int
    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()
    segment: Segment | None = None


class LiveReader:
    """Reads crops as they come, by windows over a model of any kind.

    Every `step` seconds all crops of the utterance, at most 4 s, are read again. A word is committed once its last
    frame is `look_ahead` seconds ago and two readings agree on it; what follows is searched with the committed words
    given. An utterance ends after a pause.

    Args:
        model: Of "lipscribe" crops.
        options: A grammar or phrases may be among them.
        look_ahead, step: In seconds.
    """

    def __init__(
        self,
        model: Model,
        options: SearchOptions | None = None,
        look_ahead: Seconds = LOOK_AHEAD,
        step: Seconds = STEP,
    ):
        fps = model.spec.input.fps
        self._model, self._fps = model, fps
        self._look_ahead, self._step = seconds_to_frame(look_ahead, fps), max(seconds_to_frame(step, fps), 1)
        self._long_pause = seconds_to_frame(LONG_PAUSE, fps)
        self._pause, self._lead = seconds_to_frame(PAUSE, fps), seconds_to_frame(LEAD, fps)
        self._max_held = seconds_to_frame(MAX_HELD, fps)
        self._search = _open_search(model, options)
        self._crops: list[np.ndarray] = []
        self._start: Seconds = 0.0  # capture time of the first of them
        self._unread = 0
        self.utterance = 0
        self._begin()

    def _begin(self) -> None:
        self._committed: list[WordSpan] = []  # in the crops held
        self._agreed: list[WordSpan] = []  # what the last reading found after them
        self._said: list[Word] = []  # all committed words of the utterance
        self._search.reset()

    def add(self, crop: np.ndarray, time: Seconds) -> list[StreamUpdate]:
        """Adds a crop (96, 96) uint8; the crops of an utterance are consecutive frames at the model's rate."""
        if not self._crops:
            self._start = time
        self._crops.append(crop)
        self._unread += 1
        return self._read() if self._unread >= self._step else []

    def end(self) -> list[StreamUpdate]:
        """Ends the utterance: what is tentative is committed, if it is a word at all."""
        if not self._crops:
            return []
        updates = self._read(at_end=True) if self._unread else []
        if not any(update.segment for update in updates):
            updates += self._finish(self._agreed)
        self._drop(len(self._crops))
        return updates

    def _read(self, at_end: bool = False) -> list[StreamUpdate]:
        self._unread = 0
        held = np.stack(self._crops + [self._crops[-1]] * PAD)
        encoded = self._model.encode_lean(held, augmented=False)[: len(self._crops) + KEEP]
        found = self._search.read(encoded, self._committed)
        updates = self._commit(found)
        num_frames = len(self._crops)
        words = [*self._committed, *self._agreed]
        last = words[-1].end if words else None
        if last is not None and num_frames - last >= (
            self._pause if self._search.is_complete(words) else self._long_pause
        ):
            updates += self._finish(self._agreed)
            self._drop(max(num_frames - self._lead, last))
        elif last is None:
            self._drop(num_frames - self._lead)
        elif num_frames > self._max_held:
            self._forget()
        return updates

    def _commit(self, found: list[WordSpan]) -> list[StreamUpdate]:
        """Commits those first words found that are past and were found before."""
        horizon = len(self._crops) - self._look_ahead
        certain = 0
        for word, before in zip(found, self._agreed, strict=False):
            if word.end > horizon or word.text != before.text:
                break
            certain += 1
        committed, changed = found[:certain], found[certain:]
        is_news = committed or [word.text for word in changed] != [word.text for word in self._agreed]
        self._agreed = changed
        self._committed += committed
        words = self._words(committed)
        self._said += words
        return [self._update(committed=words, tentative=self._words(changed))] if is_news else []

    def _finish(self, rest: list[WordSpan]) -> list[StreamUpdate]:
        """Ends the utterance, with the words found last."""
        words = self._words(rest)
        self._said += words
        if not self._said:
            self._begin()
            return []
        text = " ".join(word.text for word in self._said)
        segment = Segment(text, self._said[0].start, self._said[-1].end, tuple(self._said))
        update = self._update(committed=words, segment=segment)
        self.utterance += 1
        self._begin()
        return [update]

    def _forget(self) -> None:
        """Drops the crops of the words that were committed first, in speech without a pause."""
        past = [word for word in self._committed if word.end <= len(self._crops) - self._max_held // 2]
        if past:
            self._search.drop(past)
            self._committed = self._committed[len(past) :]
            self._drop(past[-1].end)
        elif not self._committed:
            self._drop(len(self._crops) - self._max_held)

    def _drop(self, num_frames: int) -> None:
        num_frames = max(num_frames, 0)
        del self._crops[:num_frames]
        self._start += num_frames / self._fps
        self._committed = [_earlier(word, num_frames) for word in self._committed]
        self._agreed = [_earlier(word, num_frames) for word in self._agreed]

    def _words(self, spans: Sequence[WordSpan]) -> tuple[Word, ...]:
        words = (to_word(span, self._fps) for span in spans)
        return tuple(replace(word, start=word.start + self._start, end=word.end + self._start) for word in words)

    def _update(self, **fields: object) -> StreamUpdate:
        time = self._start + (len(self._crops) - 1) / self._fps
        return StreamUpdate(time, self.utterance, **fields)  # type: ignore[arg-type]


def _earlier(word: WordSpan, num_frames: int) -> WordSpan:
    return replace(word, start=word.start - num_frames, end=word.end - num_frames)


def _open_search(model: Model, options: SearchOptions | None) -> OpenSearch:
    resolved = model.resolve(options)
    if resolved.grammar is not None and model.spec.ctc:
        return GrammarOpenSearch(model, resolved.grammar, resolved.alternatives)
    return FreeOpenSearch(model, options)
