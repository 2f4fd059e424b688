"""`POST /v1/audio/transcriptions`, `/v1/video/transcriptions`: in the shape of OpenAI's, so that its clients work."""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from lipscribe.server.errors import ApiError, as_api_error, error_body, error_response
from lipscribe.server.formats import FORMATS, TEXTS, to_diarized, to_json, to_turn, to_verbose
from lipscribe.server.reading import Reading, one_field, parse_reading, transcribe_upload
from lipscribe.server.schemas import ERRORS, form
from lipscribe.server.service import Service
from lipscribe.server.uploads import ClientLeftError, Upload, receive_upload
from lipscribe.transcript import Segment, Transcript

router = APIRouter(tags=["transcriptions"])

Result = TypeVar("Result")

DEFAULT_ALTERNATIVES = 3  # of verbose_json
IGNORED = (  # OpenAI's fields that change nothing here: the model has one language, and no prompt or chunks
    "language",
    "prompt",
    "temperature",
    "include",
    "chunking_strategy",
    "known_speaker_names",
    "known_speaker_references",
)
READING = ("model", "face", "stream_index", "nbest", "alternatives", "phrases", "grammar", "initials")
_OWN = ("response_format", "timestamp_granularities", "stream")
_GRANULARITIES = ("word", "segment")


@dataclass(frozen=True)
class _Wanted:
    """How the answer is to look."""

    format: str
    words: bool
    segments: bool
    stream: bool


@router.post(
    "/v1/audio/transcriptions",
    summary="Read the words of a video",
    response_class=Response,
    responses=ERRORS,
    openapi_extra=form(*READING, *_OWN, *IGNORED),
)
@router.post(
    "/v1/video/transcriptions",
    summary="Read the words of a video",
    response_class=Response,
    responses=ERRORS,
    openapi_extra=form(*READING, *_OWN, *IGNORED),
)
async def create_transcription(request: Request) -> Response:
    """Reads the words from the lips. In diarized_json a speaker is a face; `stream=true` sends server-sent events."""
    service: Service = request.app.state.service
    async with AsyncExitStack() as until:
        upload = await until.enter_async_context(receive_upload(request, service))
        check_fields(upload.fields, (*READING, *_OWN, *IGNORED))
        wanted = _parse_wanted(upload.fields)
        face = "all" if wanted.format == "diarized_json" else "moving"
        detailed = wanted.format == "verbose_json" or wanted.stream
        reading = parse_reading(upload.fields, DEFAULT_ALTERNATIVES if detailed else 0, face)
        if not wanted.stream:
            return _answer(
                await unless_client_leaves(request, service, transcribe_upload(upload, reading, service)), wanted
            )
        return _Events(upload, reading, service, wanted, until.pop_all())


async def unless_client_leaves(request: Request, service: Service, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client leaves.

    Raises:
        ClientLeftError: It has.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            service.metrics.left.inc()
            raise ClientLeftError
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.wait({task, gone})


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def check_fields(fields: dict[str, list[str]], known: tuple[str, ...]) -> None:
    """Refuses a field that nobody knows: it is more likely a typing error than of no use.

    Raises:
        ApiError: There is one.
    """
    for name in fields:
        if name not in known:
            raise ApiError(400, f"there is no field {name[:40]!r}: give some of {', '.join(sorted(known))}", name[:40])


def _parse_wanted(fields: dict[str, list[str]]) -> _Wanted:
    format = one_field(fields, "response_format") or "json"
    if format not in FORMATS:
        raise ApiError(400, f"response_format is {format[:40]!r}: give one of {', '.join(FORMATS)}", "response_format")
    granularities = [each for each in fields.get("timestamp_granularities", []) if each]
    for each in granularities:
        if each not in _GRANULARITIES:
            raise ApiError(
                400, f"timestamp_granularities[] is {each[:40]!r}: give word or segment", "timestamp_granularities"
            )
    if granularities and format != "verbose_json":
        raise ApiError(
            400, "timestamp_granularities[] is for response_format verbose_json: give that", "timestamp_granularities"
        )
    stream = (one_field(fields, "stream") or "false").lower()
    if stream not in ("true", "false", "1", "0"):
        raise ApiError(400, f"stream is {stream[:40]!r}: give true or false", "stream")
    if stream in ("true", "1") and format in ("srt", "vtt"):
        raise ApiError(400, f"response_format {format} cannot be streamed: leave stream out, or give json", "stream")
    segments = not granularities or "segment" in granularities
    return _Wanted(format, "word" in granularities, segments, stream in ("true", "1"))


def _answer(transcript: Transcript, wanted: _Wanted) -> Response:
    if wanted.format == "text":
        return Response(transcript.text + "\n", media_type="text/plain; charset=utf-8")
    if wanted.format in TEXTS:
        kind, write = TEXTS[wanted.format]
        return Response(write(transcript), media_type=f"{kind}; charset=utf-8")
    if wanted.format == "verbose_json":
        return JSONResponse(to_verbose(transcript, wanted.words, wanted.segments))
    return JSONResponse(to_diarized(transcript) if wanted.format == "diarized_json" else to_json(transcript))


class _Events(Response):
    """Server-sent events while an upload is read; the upload is removed when they end.

    An error before the first event is answered with its status, a later one is an event.
    """

    def __init__(self, upload: Upload, reading: Reading, service: Service, wanted: _Wanted, until: AsyncExitStack):
        super().__init__(media_type="text/event-stream")
        self._upload, self._reading, self._service, self._wanted = upload, reading, service, wanted
        self._until = until

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._until:
            with suppress(ClientLeftError):
                await unless_client_leaves(Request(scope, receive), self._service, self._stream(scope, receive, send))

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        segments: asyncio.Queue[Segment | None] = asyncio.Queue()
        reading = asyncio.ensure_future(
            transcribe_upload(self._upload, self._reading, self._service, segments.put_nowait)
        )
        reading.add_done_callback(lambda _: segments.put_nowait(None))
        try:
            number = 0
            while (segment := await segments.get()) is not None:
                await self._begin(send, number == 0)
                delta = f" {segment.text}" if number else segment.text
                await _send_event(send, {"type": "transcript.text.delta", "delta": delta})
                await _send_event(send, to_turn(segment, number))
                number += 1
            if number == 0 and (error := reading.exception()) is not None:
                await error_response(error)(scope, receive, send)
                return
            await self._begin(send, number == 0)
            await _send_event(send, self._last(reading))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _begin(self, send: Send, is_first: bool) -> None:
        if is_first:
            head = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store"}
            headers = [(name.encode(), value.encode()) for name, value in head.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})

    def _last(self, reading: "asyncio.Future[Transcript]") -> dict[str, Any]:
        if (error := reading.exception()) is not None:
            return error_body(as_api_error(error))
        verbose = to_verbose(reading.result(), words=True)
        return {
            "type": "transcript.text.done",
            **{key: verbose[key] for key in verbose if key not in ("usage", "task")},
        }


async def _send_event(send: Send, event: dict[str, Any]) -> None:
    body = f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})
