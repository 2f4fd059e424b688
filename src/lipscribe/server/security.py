"""Whom the server answers: checks of Host, Origin and token before anything else, and headers for browsers after.

A page of any site may send requests to this machine, and by DNS rebinding even read the answers. So the name that a
request is sent to must be one of ours, and a page that sends it must be ours or allowed. Beyond loopback a token is
needed too: as a bearer, as OpenAI's clients send it; or as a cookie, which `/?token=...` sets for the page.
"""

import asyncio
import hmac
import ipaddress
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lipscribe.server.errors import ApiError, error_response, server_ends, too_slow
from lipscribe.server.settings import Settings

COOKIE = "lipscribe_token"
OPEN_PATHS = ("/healthz", "/readyz")  # for whoever watches the process: no token, any name
PAGE_PATHS = ("/", "/style.css", "/parts.css", "/icon.svg")  # the page itself: no token, for which it asks
MAX_HEAD_BYTES, MAX_HEADERS = 32_000, 100
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}


class Guard:
    """Middleware with these checks; it also gives up on a client that stops sending or reading.

    Args:
        open_requests: The tasks of the requests that are not answered yet are kept here.
    """

    def __init__(self, app: ASGIApp, settings: Settings, open_requests: "set[asyncio.Task[Any]] | None" = None):
        self._app, self._settings = app, settings
        self._open_requests = set() if open_requests is None else open_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None and scope["type"] == "http":
            await refusal(scope, receive, self._guarded(send, scope))
        elif refusal is not None:
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: answered with 403
        elif scope["type"] == "websocket":
            with suppress(asyncio.CancelledError):  # the server ends, and has closed it
                await self._app(scope, receive, self._guarded(send, scope))
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what nobody expected with a plain error; uvicorn would log its message, which may name a file."""
        has_begun = False
        this = asyncio.current_task()
        assert this is not None
        self._open_requests.add(this)

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, self._patient(receive), self._guarded(watched, scope))
        except (Exception, asyncio.CancelledError) as error:  # cancelled: the server ends, and has waited for it
            answer = error_response(server_ends() if isinstance(error, asyncio.CancelledError) else error)
            if not has_begun:
                await answer(scope, receive, self._guarded(send, scope))
        finally:
            self._open_requests.discard(this)

    def _patient(self, receive: Receive) -> Receive:
        """Gives up on a client that sends nothing in the middle of its request."""
        is_whole = False

        async def patient() -> Message:
            nonlocal is_whole
            if is_whole:  # what may still come is that it leaves
                return await receive()
            try:
                async with asyncio.timeout(self._settings.idle_timeout):
                    message = await receive()
            except TimeoutError:
                raise too_slow() from None
            is_whole = not message.get("more_body", False)
            return message

        return patient

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        try:
            _check_size(scope)
            if scope["path"] in OPEN_PATHS:
                return None
            self._check_host(headers.getlist("host"))
            self._check_origin(headers)
            if self._settings.token is not None:
                return self._check_token(scope, headers)
        except ApiError as error:
            return error_response(error)
        return None

    def _check_host(self, hosts: list[str]) -> None:
        name = _host_name(hosts[0]) if len(hosts) == 1 else ""
        if name in (*_LOCAL, self._settings.host, *self._settings.allowed_hosts):
            return
        if not self._settings.is_loopback and _is_address(name):
            return
        raise ApiError(421, "the server does not know this host name: start it with --allow-host and that name")

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self._settings.allowed_origins:
            return
        if _netloc(origin) != headers.get("host", "").lower():
            raise ApiError(403, "another site's page sent this: start the server with --allow-origin and its address")

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._is_token(headers.get("authorization", "").partition("Bearer ")[2]):
            return None
        if self._is_token(_cookie(headers)):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and not given and _is_page(scope):
            return None
        if scope["type"] == "http" and scope["path"] == "/" and self._is_token(given):
            answer = RedirectResponse("/", 303)
            secure = scope["scheme"] == "https" or headers.get("x-forwarded-proto") == "https"
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict", secure=secure)
            return answer
        raise ApiError(
            401,
            "the token is missing or wrong: send it as a bearer (a client's api_key), or open /?token=... for the page",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.strip().encode(), (self._settings.token or "").encode())

    def _guarded(self, send: Send, scope: Scope) -> Send:
        # The page is asked for again; what is a user's stays in no cache.
        cached = "no-cache" if scope["type"] == "http" and _is_page(scope) and not scope["query_string"] else "no-store"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HEADERS | {"Cache-Control": cached}).items():
                    headers.setdefault(name, value)
            try:
                async with asyncio.timeout(self._settings.idle_timeout):
                    await send(message)
            except TimeoutError:
                raise ApiError(408, "the client does not read the answer") from None

        return guarded


def _check_size(scope: Scope) -> None:
    """Uvicorn limits a head that comes in parts; one that comes in one part it takes as it is."""
    size = (
        len(scope["path"])
        + len(scope["query_string"])
        + sum(len(name) + len(value) for name, value in scope["headers"])
    )
    if size > MAX_HEAD_BYTES or len(scope["headers"]) > MAX_HEADERS:
        raise ApiError(
            431, f"the head of the request has over {MAX_HEAD_BYTES / 1000:g} kB or {MAX_HEADERS} headers: send less"
        )


def _is_page(scope: Scope) -> bool:
    path = scope["path"]
    return scope["method"] in ("GET", "HEAD") and (path in PAGE_PATHS or path.startswith("/js/"))


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # http://[
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
