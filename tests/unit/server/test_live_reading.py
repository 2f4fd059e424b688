"""The live protocol with a reader that is as slow as a test wants."""

import asyncio
import json
import struct
import threading
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from fastapi import WebSocket, WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from lipscribe.server.errors import ApiError
from lipscribe.server.live import stream
from lipscribe.server.live_reading import MAX_WAITING, LiveThread, Waiting, send_message
from lipscribe.server.messages import Start
from lipscribe.server.metrics import Metrics
from lipscribe.streaming import Framing, StreamUpdate
from lipscribe.transcript import Segment, Word

PNG = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()


def test_the_oldest_frames_are_dropped_and_commands_are_not():
    waiting = Waiting()
    waiting.add_frame(b"first")
    waiting.add_command("flush")
    dropped = sum(waiting.add_frame(bytes([number])) for number in range(MAX_WAITING + 4))
    assert dropped == 5
    assert waiting.take() == ("flush", 5)
    assert waiting.take() == (bytes([4]), 0)
    large = bytes(15_000_000)
    assert waiting.add_frame(large) == 0
    assert waiting.add_frame(large) > 0
    assert waiting.take() == (large, MAX_WAITING)


class FakeStream:
    """Reads a word from each frame; `gate` holds it up."""

    def __init__(self, gate: threading.Event):
        self.gate, self.framing, self.frames = gate, None, []

    def add(self, frame: np.ndarray, time: float) -> list[StreamUpdate]:
        self.gate.wait(30)
        self.frames.append(time)
        self.framing = Framing((1.0, 2.0, 3.0, 4.04), ("Come nearer.",))
        return [StreamUpdate(time, 0, committed=(Word("red", time, time + 0.1, 0.9),))]

    def add_crop(self, crop: np.ndarray, time: float) -> list[StreamUpdate]:
        assert crop.shape == (96, 96)
        return self.add(crop, time)

    def flush(self) -> list[StreamUpdate]:
        return [StreamUpdate(self.frames[-1], 0, segment=Segment("red", 0.0, 1.0))] if self.frames else []

    finish = flush


class FakeSocket:
    """What a client sends, and what it gets."""

    def __init__(self, *messages: Any):
        self.got: list[dict[str, Any]] = []
        self._sent = asyncio.Queue()
        for each in messages:
            kind = "bytes" if isinstance(each, bytes) else "text"
            self._sent.put_nowait({"type": "websocket.receive", kind: each if kind == "bytes" else json.dumps(each)})

    def leave(self) -> None:
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def receive(self) -> dict[str, Any]:
        return await self._sent.get()

    async def send_json(self, message: dict[str, Any]) -> None:
        self.got.append(message)


def frame(time: float, picture: bytes = PNG) -> bytes:
    return struct.pack("<d", time) + picture


def serve(
    *messages: Any, input: str = "frames", gate: threading.Event | None = None, leave: bool = False
) -> FakeSocket:
    from concurrent.futures import ThreadPoolExecutor

    if gate is None:
        gate = threading.Event()
        gate.set()
    metrics = Metrics()
    service = SimpleNamespace(
        metrics=metrics,
        settings=SimpleNamespace(max_pixels=10_000),
        make_stream=lambda model, options: FakeStream(gate),
    )

    async def run() -> FakeSocket:
        with ThreadPoolExecutor(1) as threads:
            service.stream_threads = threads
            socket = FakeSocket(*messages)
            if leave:
                socket.leave()
            asyncio.get_running_loop().call_later(0.3, gate.set)
            model = SimpleNamespace(name="fake")
            await LiveThread(model, None, Start(input, None, None, 3), service).serve(socket)
            return socket

    return asyncio.run(run())


def kinds(socket: FakeSocket) -> list[str]:
    return [message["type"] for message in socket.got]


def test_words_come_in_order_and_the_transcript_last():
    got = serve(frame(0.0), frame(0.04), {"type": "flush"}, frame(0.08), {"type": "finish"}).got
    assert [message["type"] for message in got if message["type"] != "framing"] == [
        *("words", "words", "words", "utterance"),
        *("words", "words", "utterance", "done"),
    ]
    word = {"word": "red", "start": 0.0, "end": 0.1, "probability": 0.9, "alternatives": []}
    assert got[0]["committed"] == [word]
    framing = [message for message in got if message["type"] == "framing"]
    assert framing == [
        {"type": "framing", "time": 0.0, "box": [1.0, 2.0, 3.0, 4.0], "hints": ["Come nearer."]}
    ]  # 4 a second
    assert got[-1]["transcript"]["text"] == "red red"


def test_a_reader_that_falls_behind_tells_what_was_dropped():
    socket = serve(*(frame(number / 25) for number in range(200)), {"type": "finish"}, gate=threading.Event())
    dropped = sum(message["frames"] for message in socket.got if message["type"] == "dropped")
    read = kinds(socket).count("words") - 1  # `finish` has words too
    assert dropped + read == 200
    assert MAX_WAITING <= read <= MAX_WAITING + 1


def test_crops():
    crop = cv2.imencode(".jpg", np.zeros((96, 96), np.uint8))[1].tobytes()
    assert kinds(serve(frame(0.0, crop), {"type": "finish"}, input="crops"))[-1] == "done"
    with pytest.raises(Exception, match="40x40: send 96x96"):
        serve(frame(0.0), input="crops")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([b""], "no picture"),
        ([struct.pack("<d", 1.0)], "no picture"),
        ([frame(1.0), frame(1.0)], "rising times"),
        ([frame(float("nan"))], "no usable number"),
        ([frame(1e300)], "no usable number"),
        ([frame(0.0, b"GIF89a" + bytes(50))], "no JPEG"),
        ([{"type": "stop"}], "of no known type"),
        ([[1]], "no JSON object"),
    ],
)
def test_what_cannot_be_read_ends_the_stream(messages: list[Any], told: str):
    with pytest.raises(Exception, match=told):
        serve(*messages)


def test_a_client_that_leaves_ends_the_thread():
    with pytest.raises(WebSocketDisconnect):
        serve(*(frame(number / 25) for number in range(60)), leave=True)


def test_a_message_to_a_connection_that_uvicorn_has_ended():
    """After bytes that are no frame it closes the connection by itself, and takes no message for it."""

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["type"] != "websocket.accept":
            raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")

    async def run() -> None:
        socket = WebSocket({"type": "websocket"}, receive, send)
        await socket.accept()
        await send_message(socket, {"type": "ready"})

    with pytest.raises(WebSocketDisconnect):
        asyncio.run(run())


def test_a_client_that_has_left_before_its_stream_is_accepted_is_nothing_unexpected(caplog: pytest.LogCaptureFixture):
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        raise ClientDisconnected

    app = SimpleNamespace(state=SimpleNamespace(service=None))
    asyncio.run(stream(WebSocket({"type": "websocket", "app": app}, receive, send)))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{", "no JSON object"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"type": "go"}', "no start"),
        ('{"type": "start", "input": "sound"}', "frames, crops, video"),
        ('{"type": "start", "model": 5}', "model is no text"),
        ('{"type": "start", "phrases": "one"}', "list of texts"),
        ('{"type": "start", "alternatives": true}', "from 0 to 20"),
        ('{"type": "start", "alternatives": 21}', "from 0 to 20"),
    ],
)
def test_a_wrong_start(message: str, told: str):
    with pytest.raises(ApiError, match=told):
        Start.parse(message)


def test_a_start():
    text = '{"type": "start", "input": "crops", "model": "grid", "phrases": ["one", "two"], "alternatives": 1}'
    assert Start.parse(text) == Start("crops", "grid", "one\ntwo", 1)
    assert Start.parse('{"type": "start"}') == Start("frames", None, None, 3)


def test_a_client_that_does_not_read_is_told_so_and_loses_no_word_unawares(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lipscribe.server.live_reading.MAX_UNSENT", 3)

    async def never(self: FakeSocket, message: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(FakeSocket, "send_json", never)
    with pytest.raises(ApiError, match="3 messages behind"):
        serve(*(frame(number / 25) for number in range(8)), {"type": "finish"})


@pytest.mark.parametrize("turns", range(10))
def test_a_message_that_comes_while_the_stream_ends_does_not_hold_it_open(monkeypatch: pytest.MonkeyPatch, turns: int):
    """So many turns of the loop after the last message was sent; the client waits for the server to close."""

    async def send(self: FakeSocket, message: dict[str, Any]) -> None:
        self.got.append(message)
        if message["type"] == "done":
            late = {"type": "websocket.receive", "bytes": frame(9.0)}
            _after(turns, lambda: self._sent.put_nowait(late))

    def _after(turns: int, act: Any) -> None:
        act() if turns == 0 else asyncio.get_running_loop().call_soon(_after, turns - 1, act)

    monkeypatch.setattr(FakeSocket, "send_json", send)
    monkeypatch.setattr("lipscribe.server.live_reading.IDLE_LIMIT", 20.0)
    started = asyncio.run

    def within(main: Any) -> Any:
        return started(asyncio.wait_for(main, 5))

    monkeypatch.setattr(asyncio, "run", within)
    assert kinds(serve(frame(0.0), {"type": "finish"}))[-1] == "done"
