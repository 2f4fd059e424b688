"""The thread of a live stream, and the bounded queue before it."""

import asyncio
import math
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from lipscribe.model import Model
from lipscribe.search import SearchOptions
from lipscribe.search.grammar import Grammar
from lipscribe.server.errors import ApiError
from lipscribe.server.formats import to_word
from lipscribe.server.messages import Start, done_message, parse_message, segment_message
from lipscribe.server.pictures import decode_crop, decode_frame
from lipscribe.server.service import Service
from lipscribe.streaming import StreamUpdate
from lipscribe.transcript import Segment, Transcript
from lipscribe.units import Seconds

MAX_WAITING = 12  # frames, half a second of a camera: beyond it the oldest are dropped
MAX_WAITING_BYTES = 20_000_000
MAX_UNSENT = 1000  # messages for a client that does not read
IDLE_LIMIT: Seconds = 1800.0  # without any message: others may want the place
FRAMING_EVERY: Seconds = 0.25
MAX_SEGMENTS = 10_000  # of the transcript at the end: the newest
MAX_TIME: Seconds = 1e8
_HEAD = struct.Struct("<d")  # capture time before each picture

FINISH, FLUSH, STOP = "finish", "flush", "stop"


class Reader(Protocol):
    """The part of `lipscribe.streaming.Stream` that is used."""

    framing: Any

    def add(self, frame: np.ndarray, time: Seconds) -> list[StreamUpdate]: ...  # noqa: D102
    def add_crop(self, crop: np.ndarray, time: Seconds) -> list[StreamUpdate]: ...  # noqa: D102
    def flush(self) -> list[StreamUpdate]: ...  # noqa: D102
    def finish(self) -> list[StreamUpdate]: ...  # noqa: D102


async def receive_message(socket: WebSocket) -> dict[str, Any]:
    """The next message.

    Raises:
        WebSocketDisconnect: The client has left.
        ApiError: None came for long.
    """
    try:
        # `wait_for` of Python 3.11 forgets that it is cancelled if a message comes at that moment, and takes the next.
        async with asyncio.timeout(IDLE_LIMIT):
            message = dict(await socket.receive())
    except TimeoutError:
        raise ApiError(408, f"nothing came for {IDLE_LIMIT / 60:g} minutes: connect again when there is") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    return message


@contextmanager
def disconnects() -> Iterator[None]:
    """A connection that has ended raises a WebSocketDisconnect, whatever the server below raises of it.

    That is an OSError where the client has left, and a bare RuntimeError where it has sent what is no frame of a
    WebSocket, at which the server below ends the connection by itself.
    """
    try:
        yield
    except (RuntimeError, OSError):
        raise WebSocketDisconnect(1006) from None


async def send_message(socket: WebSocket, message: dict[str, Any]) -> None:
    """Sends a message.

    Raises:
        WebSocketDisconnect: The connection has ended.
    """
    with disconnects():
        await socket.send_json(message)


class Waiting:
    """Frames and commands between the connection and the thread; the oldest frames are dropped when there are many."""

    def __init__(self) -> None:
        self._items: deque[bytes | str] = deque()
        self._num_frames = self._num_bytes = self._dropped = 0
        self._change = threading.Condition()

    def add_frame(self, frame: bytes) -> int:
        """Adds a frame; returns how many were dropped for it."""
        with self._change:
            self._items.append(frame)
            self._num_frames += 1
            self._num_bytes += len(frame)
            dropped = 0
            while self._num_frames > 1 and (self._num_frames > MAX_WAITING or self._num_bytes > MAX_WAITING_BYTES):
                oldest = next(item for item in self._items if isinstance(item, bytes))
                self._items.remove(oldest)
                self._forget(oldest)
                dropped += 1
            self._dropped += dropped
            self._change.notify()
            return dropped

    def add_command(self, command: str) -> None:
        """Adds "flush" or "finish", which is never dropped."""
        with self._change:
            self._items.append(command)
            self._change.notify()

    def stop(self) -> None:
        """Replaces all that waits by "stop"."""
        with self._change:
            self._items.clear()
            self._items.append(STOP)
            self._change.notify()

    def take(self) -> tuple[bytes | str, int]:
        """Waits for the next item; returns it and the number of frames dropped since the last one."""
        with self._change:
            while not self._items:
                self._change.wait()
            item = self._items.popleft()
            if isinstance(item, bytes):
                self._forget(item)
            dropped, self._dropped = self._dropped, 0
            return item, dropped

    def _forget(self, frame: bytes) -> None:
        self._num_frames -= 1
        self._num_bytes -= len(frame)


class LiveThread:
    """Serves one connection: a task receives, a thread reads, a task sends.

    Args:
        model: A loaded one.
        grammar: Restricts the search.
        start: What the client wants.
        service: The server's means, whose `make_stream` makes the reader.
    """

    def __init__(
        self,
        model: Model,
        grammar: Grammar | None,
        start: Start,
        service: Service,
    ):
        self._model, self._service = model, service
        self._crops = start.input == "crops"
        self._options = SearchOptions(alternatives=start.alternatives, grammar=grammar)
        self._waiting = Waiting()
        self._loop = asyncio.get_running_loop()
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_UNSENT)
        self._behind: asyncio.Future[None] = self._loop.create_future()  # fails when the client is too far behind
        self._segments: deque[Segment] = deque(maxlen=MAX_SEGMENTS)
        self._last_time: Seconds | None = None
        self._framed_at, self._framing = -math.inf, None

    async def serve(self, socket: WebSocket) -> None:
        """Until the client finishes or leaves.

        Raises:
            WebSocketDisconnect: It has left.
            LipscribeError: It sends what cannot be read, or does not read.
        """
        reading = asyncio.ensure_future(self._loop.run_in_executor(self._service.stream_threads, self._read))
        others = {self._behind, *(asyncio.ensure_future(each) for each in (self._receive(socket), self._send(socket)))}
        tasks = {reading, *others}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            failed = [error for task in done if (error := task.exception()) is not None]
        finally:
            self._waiting.stop()
            for task in others:
                task.cancel()
            # Their exceptions are taken, as asyncio would log those of which nobody wants to know.
            await asyncio.gather(*tasks, return_exceptions=True)
        if not any(isinstance(error, _Done) for error in failed):
            raise failed[0]

    async def _receive(self, socket: WebSocket) -> None:
        finished = False
        while True:
            message = await receive_message(socket)
            if (frame := message.get("bytes")) is not None and not finished:
                self._service.metrics.dropped.inc(self._waiting.add_frame(frame))
            elif frame is None:
                kind = parse_message(message.get("text") or "").get("type")
                if kind not in (FINISH, FLUSH):
                    raise ApiError(400, "a message is of no known type: send frames, flush or finish")
                finished = finished or kind == FINISH
                self._waiting.add_command(kind)

    async def _send(self, socket: WebSocket) -> None:
        while True:
            message = await self._unsent.get()
            await send_message(socket, message)
            if message["type"] == "done":
                raise _Done

    def _say(self, message: dict[str, Any]) -> None:
        """From the thread."""

        def put() -> None:
            if not self._unsent.full():
                self._unsent.put_nowait(message)
            elif not self._behind.done():  # no message may be left out: words would be lost, and the end not seen
                error = ApiError(408, f"the client is {MAX_UNSENT} messages behind: read them as they come")
                self._behind.set_exception(error)

        with suppress(RuntimeError):  # the server ends
            self._loop.call_soon_threadsafe(put)

    def _read(self) -> None:
        """The thread."""
        stream = self._service.make_stream(self._model, self._options)
        while True:
            item, dropped = self._waiting.take()
            if dropped:
                self._say({"type": "dropped", "frames": dropped})
            if item == STOP:
                return
            if isinstance(item, str):
                self._report(stream.flush() if item == FLUSH else stream.finish())
                if item == FINISH:
                    break
                continue
            self._report(self._add(stream, item))
            self._service.metrics.frames.inc()
            self._report_framing(stream)
        transcript = Transcript(tuple(self._segments), model=self._model.name, duration=self._last_time)
        self._say(done_message(transcript))

    def _add(self, stream: Reader, item: bytes) -> list[StreamUpdate]:
        if len(item) <= _HEAD.size:
            raise ApiError(400, "a binary message has no picture: send 8 bytes of time, then the picture")
        (now,) = _HEAD.unpack_from(item)
        if not abs(now) <= MAX_TIME:
            raise ApiError(400, "a capture time is no usable number: send seconds as a little-endian float64")
        if self._last_time is not None and now <= self._last_time:
            raise ApiError(400, f"a capture time is {now:.3f} s, after {self._last_time:.3f} s: send rising times")
        self._last_time = now
        picture = item[_HEAD.size :]
        if self._crops:
            return stream.add_crop(decode_crop(picture), now)
        return stream.add(decode_frame(picture, self._service.settings.max_pixels), now)

    def _report(self, updates: list[StreamUpdate]) -> None:
        for update in updates:
            self._say(
                {
                    "type": "words",
                    "utterance": update.utterance,
                    "time": update.time,
                    "committed": [to_word(word) for word in update.committed],
                    "tentative": [to_word(word) for word in update.tentative],
                }
            )
            if update.segment is not None:
                self._segments.append(update.segment)
                segment = segment_message(update.segment, update.utterance)
                self._say({"type": "utterance", "utterance": update.utterance, "segment": segment})

    def _report_framing(self, stream: Reader) -> None:
        now = time.monotonic()
        if stream.framing is None or stream.framing is self._framing or now - self._framed_at < FRAMING_EVERY:
            return
        self._framed_at, self._framing = now, stream.framing
        box = None if stream.framing.box is None else [round(value, 1) for value in stream.framing.box]
        self._say({"type": "framing", "time": self._last_time, "box": box, "hints": list(stream.framing.hints)})


class _Done(Exception):
    """The last message has been sent."""
