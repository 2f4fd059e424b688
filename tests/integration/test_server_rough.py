"""What rough clients do to a real server: requests before it is ready, upgrades that are none, an end in the middle."""

import base64
import io
import logging
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

import httpx
from running_server import SAID, draw_clip, own_cache, running, started, wait_for

from trust.server_process import metric

pytestmark = pytest.mark.slow

PATH = "/v1/video/transcriptions"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from own_cache(tmp_path_factory)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return draw_clip(tmp_path_factory).read_bytes()


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[str]:
    with running(workers=1) as address:
        yield address


def connected(address: str) -> socket.socket:
    host, _, port = address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


@contextmanager
def logged(*loggers: str) -> Iterator[io.StringIO]:
    """What these loggers write."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    for name in loggers:
        logging.getLogger(name).addHandler(handler)
    try:
        yield log
    finally:
        for name in loggers:
            logging.getLogger(name).removeHandler(handler)


def upgrade(method: str = "GET", path: str = "/v1/stream", extra: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ("Host: localhost", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, f"Sec-WebSocket-Version: 13{extra}", "", ""]).encode()


def test_a_server_whose_clients_come_before_it_is_ready(clip: bytes):
    """They fill its queue at once; what it does to get ready is not refused for that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = threading.Event()
    codes: list[int] = []

    def ask() -> None:
        while not ended.is_set():
            try:
                answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", files={"file": ("a.mp4", clip)}, timeout=120)
            except httpx.TransportError:
                continue
            codes.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        with running(workers=1, queue=1, port=port):
            wait_for(lambda: 429 in codes and 200 in codes)
            ended.set()
            for thread in threads:
                thread.join()
    finally:
        ended.set()
    assert set(codes) <= {200, 429}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(upgrade("POST", extra="\r\nContent-Length: 5") + b"words", id="with a body"),
        pytest.param(upgrade(extra="\r\nX-Long: " + "a" * 9000), id="long header"),
        pytest.param(upgrade() + b"\x81", id="half a frame"),
        pytest.param(upgrade(path="/nothing"), id="unknown path"),
    ],
)
def test_an_upgrade_ends(server: str, request_: bytes):
    with connected(server) as client:
        client.sendall(request_)
        assert client.recv(4000).startswith((b"HTTP/1.1 4", b"HTTP/1.1 101"))
        client.shutdown(socket.SHUT_WR)
        while client.recv(4000):
            pass


def test_text_that_is_no_text_ends_its_stream_and_is_not_logged(server: str):
    with logged("uvicorn.error") as log, connected(server) as client:
        client.sendall(upgrade())
        client.recv(4000)
        client.sendall(b"\x81\x82" + bytes(4) + b"\xff\xfe")
        while client.recv(4000):
            pass
    assert "Traceback" not in log.getvalue() and log.getvalue().count("\n") == 1


CHUNKS = "POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
NOISE = b"zz\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([CHUNKS.format("/nothing").encode() + NOISE], id="answered before its body is read"),
        pytest.param([CHUNKS.format(PATH).encode() + NOISE], id="a body that is read"),
        pytest.param([CHUNKS.format("/nothing").encode(), NOISE], id="answered before its body comes"),
        pytest.param([CHUNKS.format(PATH).encode(), NOISE], id="a body that comes"),
        pytest.param([b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", NOISE], id="after an answer"),
        pytest.param([b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + NOISE], id="behind a request"),
    ],
)
def test_a_broken_body_is_not_logged(server: str, parts: list[bytes]):
    with logged("uvicorn.error", "asyncio", "lipscribe") as log:
        with connected(server) as client:
            for part in parts:
                client.sendall(part)
                time.sleep(0.3)
            answer = b""
            while more := client.recv(100_000):
                answer += more
        assert httpx.get(f"{server}/healthz").status_code == 200  # after what the server had to say of it
    assert answer.startswith(b"HTTP/1.1 ")
    assert log.getvalue() == ""


def test_clients_that_reset_their_connection(server: str):
    with logged("uvicorn.error") as log:
        for _ in range(20):
            client = connected(server)
            client.sendall(upgrade())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        assert httpx.get(f"{server}/healthz").status_code == 200
    assert log.getvalue() == ""


def test_a_server_that_ends_answers_what_it_has_taken(tmp_path: Path, clip: bytes):
    """In its last seconds it reads on; what is not read then is told to come again."""
    answers: list[httpx.Response] = []
    with started("--workers", "1", "--queue", "60", cache=str(tmp_path)) as (process, address):

        def ask() -> None:
            answers.append(httpx.post(address + PATH, files={"file": ("a.mp4", clip)}, timeout=120))

        threads = [threading.Thread(target=ask) for _ in range(60)]
        for thread in threads:
            thread.start()
        wait_for(lambda: metric(address, "lipscribe_jobs") + len(answers) == 60)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        assert process.stderr is not None
        log = process.stderr.read()
    assert len(answers) == 60
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.json()["text"] == SAID for answer in answers if answer.status_code == 200)
    assert all(
        "again in a moment" in answer.text and answer.headers["retry-after"]
        for answer in answers
        if answer.status_code == 503
    )
    assert "Traceback" not in log
    assert not list(tmp_path.glob("serve/run-*"))
