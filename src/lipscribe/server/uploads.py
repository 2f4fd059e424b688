"""Uploads: streamed to a folder of their own, checked while they come in, removed after the answer."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from lipscribe.server.bodies import drain
from lipscribe.server.errors import ApiError, too_slow
from lipscribe.server.service import Service
from lipscribe.units import Seconds

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELD_BYTES = 200_000  # of all fields but the file, together
MAX_PARTS = 200
SLOWEST = 20_000  # bytes a second, on average
FIRST: Seconds = 20.0  # before the average counts
FILE = "video"  # its name here: the client's own is not used


@dataclass
class Upload:
    """What came in.

    Attributes:
        folder: Of this request alone.
        path: The file; None if there was none.
        fields: Values of the other fields by name, without brackets (`include[]`).
    """

    folder: Path
    path: Path | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The file.

        Raises:
            ApiError: There is none.
        """
        if self.path is None or not self.path.stat().st_size:
            raise ApiError(400, "there is no video in the request: send one as the form's field 'file'", "file")
        return self.path


@asynccontextmanager
async def receive_upload(request: Request, service: Service) -> AsyncIterator[Upload]:
    """The upload of a request with a form (`multipart/form-data`) or a bare video as its body.

    Raises:
        ApiError: It is too large or too slow, no form, or there is no place for it in the queue.
    """
    reading = _Body(request, service)
    await reading.refuse_early()
    folder = Path(tempfile.mkdtemp(prefix="upload-", dir=service.folder))  # 0700
    try:
        yield await reading.save(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


class _Body:
    """The body of a request, as it comes in."""

    def __init__(self, request: Request, service: Service):
        self._request, self._service = request, service
        self._limit = service.settings.max_upload_bytes + MAX_FIELD_BYTES
        self._received = 0
        self._ended = False

    async def refuse_early(self) -> None:
        """Refuses what the head tells is too much.

        Raises:
            ApiError: 413 or 429.
        """
        try:
            length = self._request.headers.get("content-length", "")
            if length.isdecimal() and int(length[:20]) > self._limit:
                raise self._too_large()
            self._service.check_queue()
            if self._service.num_uploads >= self._service.settings.max_uploads:
                self._service.metrics.refused.inc()
                raise ApiError(
                    429, "too many uploads at once: try again in 5 s", code="queue_full", headers={"Retry-After": "5"}
                )
        except ApiError:
            await self._drain()
            raise

    async def save(self, folder: Path) -> Upload:
        """Writes the file into the folder."""
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        upload = Upload(folder)
        self._service.num_uploads += 1
        self._service.metrics.uploads.set(self._service.num_uploads)
        try:
            if kind == b"multipart/form-data":
                await self._save_form(upload, options.get(b"boundary", b""))
            elif kind.split(b"/")[0] == b"video" or kind == b"application/octet-stream":
                await self._save_bare(upload)
            else:
                await self._drain()
                raise ApiError(415, "the request is no form: send multipart/form-data with the video as field 'file'")
        except ApiError:
            await self._drain()
            raise
        finally:
            self._service.num_uploads -= 1
            self._service.metrics.uploads.set(self._service.num_uploads)
            self._service.metrics.upload_bytes.inc(self._received)
        return upload

    async def _save_form(self, upload: Upload, boundary: bytes) -> None:
        form = _Form(upload)
        try:
            parser = MultipartParser(boundary, form.callbacks)
            async for chunk in self._chunks():
                parser.write(chunk)
            parser.finalize()
        except (FormParserError, ValueError):
            raise ApiError(400, "the form is damaged: send multipart/form-data as a browser or curl -F does") from None
        finally:
            form.close()
        if not form.ended:
            raise ApiError(400, "the form ends in the middle: send it again")

    async def _save_bare(self, upload: Upload) -> None:
        upload.path = upload.folder / FILE
        with upload.path.open("wb") as file:
            async for chunk in self._chunks():
                file.write(chunk)

    async def _chunks(self) -> AsyncIterator[bytes]:
        """The body, until it is too large or too slow."""
        begun = time.monotonic()
        while True:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            self._received += len(message.get("body", b""))
            self._ended = not message.get("more_body")
            if self._received > self._limit:
                raise self._too_large()
            if self._received < SLOWEST * (time.monotonic() - begun - FIRST):
                raise too_slow()
            yield message.get("body", b"")
            if self._ended:
                return

    async def _drain(self) -> None:
        if not self._ended:
            await drain(self._request.receive)
            self._ended = True

    def _too_large(self) -> ApiError:
        limit = self._service.settings.max_upload_bytes / 1e6
        return ApiError(
            413, f"the upload is over {limit:g} MB, the limit here: send a shorter or smaller video", "file"
        )


class ClientLeftError(ApiError):
    """The client has left, so nobody reads the answer."""

    def __init__(self) -> None:
        super().__init__(499, "the client closed the request")


class _Form:
    """Parts of a form: the file's go to disk, the others to memory."""

    def __init__(self, upload: Upload):
        self.ended = False
        self._upload = upload
        self._file: BinaryIO | None = None
        self._name = ""
        self._value = bytearray()
        self._header, self._header_value, self._disposition = b"", b"", b""
        self._in_fields = self._num_parts = 0
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name_data,
            "on_header_value": self._header_value_data,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def close(self) -> None:
        """Closes the file, if it is open still."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._num_parts += 1
        if self._num_parts > MAX_PARTS:
            raise ApiError(400, f"the form has over {MAX_PARTS} fields: leave some out")
        self._value.clear()
        self._disposition = b""

    def _header_name_data(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header, self._header_value = b"", b""

    def _headers_end(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._name = options.get(b"name", b"").decode("utf-8", "replace").partition("[")[0]
        if b"filename" in options:
            if self._upload.path is not None:
                raise ApiError(400, "the form has several files: send one", "file")
            if self._name != "file":
                raise ApiError(400, f"the file is field {self._name[:40]!r}: send it as field 'file'", "file")
            self._upload.path = self._upload.folder / FILE
            self._file = self._upload.path.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._in_fields += end - start
        if self._in_fields > MAX_FIELD_BYTES:
            raise ApiError(413, f"the form's fields hold over {MAX_FIELD_BYTES / 1000:g} kB: make them shorter")
        self._value += data[start:end]

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            return
        try:
            value = self._value.decode("utf-8")
        except UnicodeDecodeError:
            raise ApiError(400, f"{self._name[:40]} is not text in UTF-8: send it so", self._name) from None
        self._upload.fields.setdefault(self._name, []).append(value)

    def _end_form(self) -> None:
        self.ended = True
