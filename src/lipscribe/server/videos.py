"""`POST /v1/video/inspections`, `/captioned` and `/mouths`: other things that are made of an upload."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from lipscribe.errors import VideoError
from lipscribe.server.opening import Clip, caption, draw_mouths, inspect
from lipscribe.server.reading import clip_of, parse_reading, transcribe_upload
from lipscribe.server.schemas import ERRORS, form
from lipscribe.server.service import Service
from lipscribe.server.told import ENDED, checking, read_lines
from lipscribe.server.transcriptions import READING, check_fields, unless_client_leaves
from lipscribe.server.uploads import Upload, receive_upload

router = APIRouter(tags=["videos"])

_SEEN = ("model", "face", "stream_index")
_MP4: dict[int | str, dict[str, Any]] = {200: {"content": {"video/mp4": {}}, "description": "An MP4."}, **ERRORS}


@router.post(
    "/v1/video/inspections",
    summary="Say how well a video can be read, and what to do",
    responses=ERRORS,
    openapi_extra=form(*_SEEN),
)
async def inspect_upload(request: Request) -> JSONResponse:
    """A verdict (good, doubtful, bad), and a line for each thing that is bad, with the remedy."""
    service: Service = request.app.state.service
    async with receive_upload(request, service) as upload:
        clip = await _clip(upload, service)
        found = await unless_client_leaves(request, service, service.child(inspect, clip))
    with checking():
        return JSONResponse({**found, "lines": read_lines([finding["text"] for finding in found["findings"]])})


@router.post(
    "/v1/video/captioned",
    summary="Read a video and write the words into it",
    response_class=Response,
    responses=_MP4,
    openapi_extra=form(*READING),
)
async def caption_upload(request: Request) -> Response:
    """An MP4: the video with its sound and a band under it, in which each word appears as it is spoken."""

    async def make(upload: Upload, service: Service, output: Path) -> dict[str, str]:
        check_fields(upload.fields, READING)
        reading = parse_reading(upload.fields)
        transcript = await transcribe_upload(upload, reading, service)
        clip = await _clip(upload, service, READING)
        await service.child(caption, clip, transcript, str(output), limited=False)  # it had its place already
        return {}

    return await _made(request, make)


@router.post(
    "/v1/video/mouths",
    summary="Show what the reader sees of a video",
    response_class=Response,
    responses=_MP4,
    openapi_extra=form(*_SEEN),
)
async def show_mouths(request: Request) -> Response:
    """An MP4 of the mouth as the reader sees it, in step with the video, at the model's rate (header X-FPS)."""

    async def make(upload: Upload, service: Service, output: Path) -> dict[str, str]:
        clip = await _clip(upload, service)
        await service.child(draw_mouths, clip, str(output))
        return {"X-FPS": f"{clip.fps:g}"}

    return await _made(request, make)


async def _clip(upload: Upload, service: Service, known: tuple[str, ...] = _SEEN) -> Clip:
    check_fields(upload.fields, known)
    reading = parse_reading(upload.fields)
    model = await service.small(lambda: service.models.get(reading.model))
    return clip_of(upload.file, reading, model, service)


async def _made(
    request: Request, make: Callable[[Upload, Service, Path], Coroutine[Any, Any, dict[str, str]]]
) -> Response:
    """The MP4 that `make` writes; it is removed with the upload once it is sent."""
    service: Service = request.app.state.service
    async with AsyncExitStack() as until:
        upload = await until.enter_async_context(receive_upload(request, service))
        output = upload.folder / "made.mp4"
        headers = await unless_client_leaves(request, service, make(upload, service, output))
        if output.is_symlink():  # a child that was taken over would have another file sent
            raise VideoError(ENDED)
        return _Temporary(output, headers, until.pop_all())


class _Temporary(FileResponse):
    """A file that is removed once it is sent."""

    def __init__(self, path: Path, headers: dict[str, str], until: AsyncExitStack):
        super().__init__(path, headers=headers, media_type="video/mp4")
        self._until = until

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._until:
            await super().__call__(scope, receive, send)
