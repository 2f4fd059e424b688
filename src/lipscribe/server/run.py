"""Runs the server until Ctrl-C: its socket, and the patience it has with connections."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lipscribe.engines import place_of
from lipscribe.errors import LipscribeError
from lipscribe.server.app import create_app
from lipscribe.server.messages import MAX_BYTES
from lipscribe.server.security import MAX_HEAD_BYTES
from lipscribe.server.settings import Settings
from lipscribe.units import Seconds
from lipscribe.zoo.registry import find_model

MAX_CONNECTIONS = 500  # more are closed at once: a process may open 1024 files
GRACE_S = 5  # for open requests when the server ends
UNREAD_LIMIT: Seconds = 30.0  # for a client to take what it was sent, before the system closes the connection
_NO_WEBSOCKET = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientProtocol(H11Protocol):
    """HTTP of uvicorn, which closes connections whose request does not come, and those beyond a number.

    Attributes:
        head_limit: For the head of a request to be there.
    """

    head_limit: Seconds = 10.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as its base
        """A new connection."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection to WebSockets, or answers where these do not take it: they would leave it open."""
        super().handle_websocket_upgrade(event)
        taken_by = self.transport.get_protocol()
        if not getattr(taken_by, "handshake_initiated", True) and not self.transport.is_closing():
            self.transport.write(_NO_WEBSOCKET)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP; an application that has its beginning hears that the client has left."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what it still says would be no HTTP either
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # in the middle of an answer, or after it
            self.transport.close()

    def _watch(self) -> None:
        """Starts the timer where a head is awaited, however many bytes of it come, and stops it when it is there."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(self.head_limit, self._close_late)

    def _close_late(self) -> None:
        self._late = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _OneLine(logging.Filter):
    """Leaves tracebacks out of uvicorn's log, which clients may cause and which hold what they sent.

    The kind of the error and the functions that it passed remain.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            said = f"{record.getMessage().strip()} ({type(error).__name__} in {place_of(error)})"
            record.msg, record.args = said, ()
            record.exc_info = record.exc_text = None
        return True


_ONE_LINE = _OneLine()  # one: a filter that is added twice counts once


def run(settings: Settings, on_start: Callable[[str], Any] | None = None) -> None:
    """Serves until it is told to stop.

    Args:
        on_start: Called with the address, once it listens.

    Raises:
        LipscribeError: It cannot listen there, or the model does not exist.
    """
    os.umask(0o077)  # of all that is written here and in child processes: recordings, models, journals
    find_model(settings.model)
    listening = listen(settings.host, settings.port)
    if on_start is not None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        on_start(f"http://{host}:{listening.getsockname()[1]}")
    uvicorn.Server(configure(settings)).run(sockets=[listening])


def configure(settings: Settings) -> uvicorn.Config:
    """How uvicorn runs the application."""
    config = uvicorn.Config(
        create_app(settings),
        http=type("Protocol", (PatientProtocol,), {"head_limit": settings.idle_timeout}),
        ws="websockets-sansio",
        ws_max_size=MAX_BYTES,
        ws_per_message_deflate=False,  # pictures are compressed, and a small message may grow without bound
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="error",
    )
    logging.getLogger("uvicorn.error").addFilter(_ONE_LINE)
    return config


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        LipscribeError: It cannot.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise LipscribeError(f"cannot listen on {host}, port {port} ({why}): give another --host or --port") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # its connections have it too
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_LIMIT))
    return listening
