"""A request for words -> a transcript: a child cuts the mouths, the model of this process reads them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.extraction import Summary
from lipscribe.model import Model
from lipscribe.pipeline import read_mouths
from lipscribe.plain_data import parse_json
from lipscribe.search import SearchOptions
from lipscribe.server.children import Call, Stopped, TooSlowError
from lipscribe.server.errors import ApiError
from lipscribe.server.opening import Clip, extract, load_grammar_text
from lipscribe.server.service import Service
from lipscribe.server.told import read_crops, read_found, read_grammar, read_summary
from lipscribe.server.uploads import Upload
from lipscribe.transcript import Segment, Transcript
from lipscribe.units import Seconds

MAX_NBEST = 50
MAX_ALTERNATIVES = 20
MAX_ARCS = 5000  # places for words in a grammar or a list of phrases; the search takes time and memory by them
GRAMMAR_SECONDS: Seconds = 5.0  # to load one; it takes milliseconds unless it grows beyond measure
FACES = ("moving", "largest", "all")


@dataclass(frozen=True)
class Reading:
    """How an upload is to be read.

    Attributes:
        model: A model's name; None is the server's.
        face: Whom to read, see `lipscribe.transcribe`.
        stream: Number of the video stream.
        nbest, alternatives: See `SearchOptions`.
        phrases, grammar: The text of such a file, at most one of them.
        initials: See `SearchOptions`.
    """

    model: str | None = None
    face: str | int = "moving"
    stream: int | None = None
    nbest: int = 1
    alternatives: int = 0
    phrases: str | None = None
    grammar: str | None = None
    initials: str | None = None


def parse_reading(fields: dict[str, list[str]], alternatives: int = 0, face: str = "moving") -> Reading:
    """The fields of a form.

    Args:
        alternatives, face: Where the form does not say.

    Raises:
        ApiError: A field is wrong.
    """
    phrases = _phrases(fields.get("phrases", []))
    grammar = one_field(fields, "grammar")
    if phrases and grammar:
        raise ApiError(400, "phrases and grammar are both given: send one of them", "grammar")
    chosen = one_field(fields, "face") or face
    if chosen not in FACES and not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 6):
        raise ApiError(400, f"face is {chosen[:40]!r}: give {', '.join(FACES)}, or the number of a face", "face")
    return Reading(
        model=one_field(fields, "model"),
        face=chosen if chosen in FACES else int(chosen),
        stream=_number(fields, "stream_index", 0, 999),
        nbest=_number(fields, "nbest", 1, MAX_NBEST) or 1,
        alternatives=_given(_number(fields, "alternatives", 0, MAX_ALTERNATIVES), alternatives),
        phrases=phrases,
        grammar=grammar,
        initials=one_field(fields, "initials"),
    )


def one_field(fields: dict[str, list[str]], name: str) -> str | None:
    """The value of a field that may be there once; None if it is absent or empty.

    Raises:
        ApiError: It is there several times.
    """
    values = fields.get(name, [])
    if len(values) > 1:
        raise ApiError(400, f"{name} is given {len(values)} times: give it once", name)
    return values[0].strip() or None if values else None


def clip_of(path: Path, reading: Reading, model: Model, service: Service) -> Clip:
    """What a child is told of an upload."""
    settings, size = service.settings, model.spec.input
    return Clip(
        str(path), size.fps, size.crop, reading.face, reading.stream, settings.max_duration, settings.max_pixels
    )


async def transcribe_upload(
    upload: Upload, reading: Reading, service: Service, on_segment: Callable[[Segment], None] | None = None
) -> Transcript:
    """Reads an upload.

    Args:
        on_segment: Called in the event loop's thread with each segment as soon as it is final.

    Raises:
        ApiError, LipscribeError: It cannot be read, or the queue is full.
    """
    path, loop = upload.file, asyncio.get_running_loop()

    def told(segment: Segment) -> None:
        if on_segment is not None:
            loop.call_soon_threadsafe(on_segment, segment)

    model = await service.small(lambda: service.models.get(reading.model))
    transcript = await service.job(lambda stop: _read(path, reading, model, service, told, stop))
    service.metrics.video_seconds.inc(transcript.duration or 0)
    return transcript


def _read(
    path: Path,
    reading: Reading,
    model: Model,
    service: Service,
    on_segment: Callable[[Segment], None],
    stop: threading.Event,
) -> Transcript:
    """In a job's thread."""
    grammar = load_text(reading.phrases or reading.grammar, "phrases" if reading.phrases else "grammar", path.parent)
    options = SearchOptions(
        nbest=reading.nbest,
        alternatives=reading.alternatives,
        grammar=grammar(service, stop),
        initials=reading.initials,
    )
    search = model.resolve(options)
    clip = clip_of(path, reading, model, service)
    with service.children.call(extract, clip, stop=stop) as call:
        return read_mouths(FromChild(call, clip.max_frames, stop), model, search, reading.face == "all", on_segment)


def load_text(text: str | None, kind: str, folder: Path) -> Callable[[Service, threading.Event], Any]:
    """Loads the text of a grammar or of phrases, in a child; the result takes the service and what stops it."""

    def load(service: Service, stop: threading.Event) -> Any:
        if text is None:
            return None
        path = folder / kind
        path.write_text(text, encoding="utf-8")
        too_large = ApiError(400, f"{kind} has over {MAX_ARCS} places for words: make it smaller", kind)
        try:
            told = service.children.run(load_grammar_text, str(path), kind, stop=stop, seconds=GRAMMAR_SECONDS)
        except (TooSlowError, MemoryError):
            raise too_large from None
        grammar = read_grammar(told)
        if len(grammar.graph.arcs) > MAX_ARCS:
            raise too_large
        return grammar

    return load


class FromChild:
    """`Mouths` that a child sends: a call of `opening.extract`."""

    def __init__(self, call: Call, max_frames: int, stop: threading.Event):
        self._call, self._max_frames, self._stop = call, max_frames, stop
        self._told = iter(call)
        self.first_frame, self.runs = read_found(next(self._told, None), max_frames)

    def crops(self) -> Iterator[tuple[int, np.ndarray]]:
        """See `Mouths`; stops between two crops."""
        for some in self._told:
            if self._stop.is_set():
                raise Stopped
            yield from read_crops(some, len(self.runs))

    def summary(self) -> Summary:
        """See `Mouths`."""
        return read_summary(self._call.result, self._max_frames)


def _phrases(values: list[str]) -> str | None:
    """Phrases as lines: the field may be there several times, be a JSON list, or have a phrase a line."""
    lines: list[str] = []
    for value in values:
        if value.lstrip().startswith("["):
            try:
                listed = parse_json(value)
            except (ValueError, RecursionError):
                raise ApiError(
                    400, "phrases is no JSON list: send a list of strings, or a phrase a line", "phrases"
                ) from None
            if not all(isinstance(each, str) for each in listed):
                raise ApiError(400, "phrases has something else than strings: send a list of strings", "phrases")
            lines += listed
        else:
            lines.append(value)
    return "\n".join(lines).strip() or None


def _number(fields: dict[str, list[str]], name: str, lowest: int, highest: int) -> int | None:
    text = one_field(fields, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and lowest <= int(text) <= highest):
        raise ApiError(400, f"{name} is {text[:40]!r}: give a whole number from {lowest} to {highest}", name)
    return int(text)


def _given(value: int | None, default: int) -> int:
    return default if value is None else value
