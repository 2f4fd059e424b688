"""A local HTTP server that can be set to misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Serves `files`, by path.

    Attributes:
        ranges: Whether it can send the rest of a file.
        break_after: Bytes after which it hangs up, one number for each of the next answers.
        lie: What it adds to the length of each file.
        codes: What it answers the next requests with, instead of the file.
        log, logins: Path and Range of each GET; and its Authorization.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.ranges, self.lie, self.etags = True, 0, True
        self.break_after: list[int] = []
        self.codes: list[int] = []
        self.log: list[tuple[str, str | None]] = []
        self.logins: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.server.log.append((self.path, self.headers.get("Range")))
        self.server.logins.append(self.headers.get("Authorization"))
        self.answer(head=False)

    def answer(self, head: bool) -> None:
        content = self.server.files.get(self.path)
        code = self.server.codes.pop(0) if self.server.codes and not head else None
        if content is None or code:
            return self.send_error(code or 404)
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        start, asked, total = 0, self.headers.get("Range"), len(content)
        whole = self.headers.get("If-Range") not in (None, etag)
        if asked and self.server.ranges and not whole:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= total:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        if self.server.etags:
            self.send_header("ETag", etag)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(total - start + self.server.lie))
        self.end_headers()
        if not head:
            end = start + self.server.break_after.pop(0) if self.server.break_after else total
            self.wfile.write(content[start:end])

    def log_message(self, *args) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dead_url() -> str:
    """An address where nobody listens."""
    server = Server()
    server.server_close()
    return server.url
