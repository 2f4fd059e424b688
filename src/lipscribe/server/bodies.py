"""Bodies of JSON: read whole, so their size, depth and time have limits before anything is made of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from lipscribe.plain_data import parse_json
from lipscribe.server.errors import ApiError, too_slow
from lipscribe.units import Seconds

MAX_JSON_BYTES = 2_000_000  # an hour's words, with alternatives
MAX_DEPTH = 20
READ_LIMIT: Seconds = 20.0
DRAINED_BYTES, DRAINED_SECONDS = 8_000_000, 1.0  # read before a refusal, which a client that still sends may not see


class JsonRoute(APIRoute):
    """A route whose body is JSON, or none: every route that does not read an upload.

    It answers 413 to a longer body, 408 to one that does not come, and 400 to what is no JSON or is nested deeper.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the limits."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def limited(request: Request) -> Response:
            body = await _read(request)
            _check(body)
            return await handle(Request(request.scope, _replay(body, request.receive)))

        return limited


async def drain(receive: Receive) -> None:
    """Reads on for a moment: a connection that is closed before its request was read may lose the answer."""
    drained, ended = 0, False
    try:
        async with asyncio.timeout(DRAINED_SECONDS):
            while not ended and drained < DRAINED_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                ended = not message.get("more_body")
    except TimeoutError:
        return


async def _read(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    too_large = ApiError(413, f"the body is over {MAX_JSON_BYTES / 1e6:g} MB, the limit here: send less at once")
    if length.isdecimal() and int(length[:20]) > MAX_JSON_BYTES:
        await drain(request.receive)
        raise too_large
    body, ended = bytearray(), False
    try:
        async with asyncio.timeout(READ_LIMIT):
            while not ended:
                message = await request.receive()
                body += message.get("body", b"")
                ended = not message.get("more_body")
                if len(body) > MAX_JSON_BYTES:
                    if not ended:
                        await drain(request.receive)
                    raise too_large
    except TimeoutError:
        raise too_slow() from None
    return bytes(body)


def _check(body: bytes) -> None:
    """Refuses what is no JSON, with one message for all kinds of it; an empty body is the route's affair."""
    try:
        if body:
            parse_json(body, MAX_DEPTH)
    except ValueError:
        raise ApiError(
            400, f"the body is no JSON, or nested deeper than {MAX_DEPTH}: send what /docs describes"
        ) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, then what comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
