"""`WS /v1/stream`: frames or mouth crops with their capture times in, words out; or a WebM, read once it is whole.

Each connection has a thread that reads, and a bounded queue before it. When it falls behind, the oldest frames are
dropped and the client is told how many: what is said now matters more than what was said.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from lipscribe.errors import LipscribeError
from lipscribe.server.errors import ApiError, as_api_error
from lipscribe.server.live_reading import LiveThread, disconnects, receive_message, send_message
from lipscribe.server.messages import Start, done_message, parse_message, segment_message
from lipscribe.server.reading import Reading, load_text, transcribe_upload
from lipscribe.server.service import Service
from lipscribe.server.uploads import FILE, Upload
from lipscribe.transcript import Segment
from lipscribe.units import Seconds

router = APIRouter()

START_LIMIT: Seconds = 20.0  # for the first message
_POLICY, _TRY_LATER, _UNEXPECTED = 1008, 1013, 1011  # codes of closing


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """See docs/serve.md for the messages."""
    service: Service = socket.app.state.service
    code = 1000
    try:
        with disconnects():
            await socket.accept()
        with _place(service):
            async with asyncio.timeout(START_LIMIT):
                text = await _text(socket)
            await _serve(socket, service, Start.parse(text))
    except WebSocketDisconnect:
        return
    except _Full as error:
        code = _TRY_LATER
        await _say_error(socket, error)
    except TimeoutError:
        code = _POLICY
        await _say_error(socket, ApiError(408, f"there was no start in {START_LIMIT:g} s: connect again and send it"))
    except Exception as error:
        code = _POLICY if isinstance(error, LipscribeError) else _UNEXPECTED
        await _say_error(socket, as_api_error(error))
    with suppress(WebSocketDisconnect), disconnects():  # the client has closed it
        await socket.close(code)


class _Full(ApiError):
    """There is no place for another stream."""


@contextmanager
def _place(service: Service) -> Iterator[None]:
    """A place among the streams."""
    limit = service.settings.max_streams
    if service.num_streams >= limit:
        raise _Full(429, f"{limit} streams are open, all that this server serves at once: try again later")
    service.num_streams += 1
    service.metrics.streams.set(service.num_streams)
    try:
        yield
    finally:
        service.num_streams -= 1
        service.metrics.streams.set(service.num_streams)


async def _text(socket: WebSocket) -> str:
    message = await receive_message(socket)
    if message.get("text") is None:
        raise ApiError(400, "the first message is binary: send the start as text")
    return message["text"]


async def _say_error(socket: WebSocket, error: LipscribeError) -> None:
    with suppress(WebSocketDisconnect):
        await send_message(socket, {"type": "error", "message": str(error)})


async def _serve(socket: WebSocket, service: Service, start: Start) -> None:
    get = service.models.get if start.input == "video" else service.models.get_live
    model = await service.small(lambda: get(start.model))
    folder = Path(tempfile.mkdtemp(prefix="stream-", dir=service.folder))
    try:
        ready = {"type": "ready", "model": model.name, "fps": model.spec.input.fps}
        if start.input == "video":
            await send_message(socket, ready)
            await _serve_video(socket, service, start, folder)
            return
        load = load_text(start.phrases, "phrases", folder)
        grammar = await service.job(lambda stop: load(service, stop)) if start.phrases else None
        thread = LiveThread(model, grammar, start, service)
        await send_message(socket, ready)
        await thread.serve(socket)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _serve_video(socket: WebSocket, service: Service, start: Start, folder: Path) -> None:
    """Saves the parts of a video, and reads it when they are all there."""
    upload = Upload(folder, folder / FILE)
    await _save_parts(socket, service, folder / FILE)
    segments: asyncio.Queue[Segment | None] = asyncio.Queue()
    reading = Reading(start.model, alternatives=start.alternatives, phrases=start.phrases)
    work = asyncio.ensure_future(transcribe_upload(upload, reading, service, segments.put_nowait))
    gone = asyncio.ensure_future(_until_gone(socket))
    work.add_done_callback(lambda _: segments.put_nowait(None))
    gone.add_done_callback(lambda _: segments.put_nowait(None))
    try:
        number = 0
        while (segment := await segments.get()) is not None:
            utterance = {"type": "utterance", "utterance": number, "segment": segment_message(segment, number)}
            await send_message(socket, utterance)
            number += 1
        if not work.done():
            raise WebSocketDisconnect
        await send_message(socket, done_message(work.result()))
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.wait({work, gone})


async def _save_parts(socket: WebSocket, service: Service, path: Path) -> None:
    limit, size = service.settings.max_upload_bytes, 0
    with path.open("wb") as file:
        while True:
            message = await receive_message(socket)
            if (part := message.get("bytes")) is not None:
                size += len(part)
                if size > limit:
                    raise ApiError(413, f"the video is over {limit / 1e6:g} MB, the limit here: record a shorter one")
                file.write(part)
            elif parse_message(message.get("text") or "").get("type") == "finish":
                return
            else:
                raise ApiError(400, "a message is of no known type: send parts of the video, then finish")


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await receive_message(socket)
