"""The server against what a hostile client sends, and what it writes down of honest ones."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs httpx: make setup")

import httpx
from running_server import SAID, draw_clip, own_cache, running, started
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-this-test"
NAME = "a-name-of-a-file"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from own_cache(tmp_path_factory)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return draw_clip(tmp_path_factory).read_bytes()


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[str]:
    with running(token=TOKEN, idle_timeout=2.0, workers=1) as address:
        yield address


def post(server: str, content: bytes, path: str = "/v1/video/transcriptions", **fields: str) -> httpx.Response:
    files = {"file": (f"{NAME}.mp4", content)}
    return httpx.post(f"{server}{path}", files=files, data=fields, headers=BEARER, timeout=120)


def raw(server: str, content: bytes) -> bytes:
    """The answer to bytes as they are."""
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(content)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_logs_hold_no_content(
    server: str, clip: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """Of a reading, of refusals and of faults: no words, names of files, tokens or grammars."""
    with caplog.at_level(logging.INFO):
        assert post(server, clip).json()["text"] == SAID
        assert post(server, clip, phrases=f"{SAID}\n").json()["text"] == SAID
        assert post(server, b"no video").status_code == 422
        assert post(server, clip, grammar="<secretword").status_code == 400
        assert post(server, clip, secretfield="1").status_code == 400
        assert httpx.get(f"{server}/?token={TOKEN}").status_code == 303
        assert httpx.get(f"{server}/v1/models?token={TOKEN}").status_code == 401
        assert httpx.get(f"{server}/{NAME}", headers=BEARER).status_code == 404
        with pytest.raises(InvalidStatus), connect(f"{server.replace('http', 'ws')}/v1/stream?token={TOKEN}"):
            pass
        with connect(f"{server.replace('http', 'ws')}/v1/stream", additional_headers=BEARER) as stream:
            stream.send(json.dumps({"type": "start", "phrases": [SAID], "secretword": 1}))
            stream.recv()
            stream.send("secretword")
            with pytest.raises(ConnectionClosed):
                while True:
                    stream.recv()
    captured = capfd.readouterr()
    ours = [
        record for record in caplog.records if not record.name.startswith(("httpx", "httpcore", "websockets.client"))
    ]
    written = captured.out + captured.err + "\n".join(logging.Formatter().format(record) for record in ours)
    for content in (TOKEN, NAME, SAID, "place", "secretword", "secretfield", "talker.mp4"):
        assert content not in written


def test_json_has_limits(server: str):
    """80 MB of JSON took the server a minute, in which it answered nobody."""
    for path in ("/page/transcripts?format=srt", "/v1/enrolments"):
        for content, status in ((b'{"words": [' + b"{}," * 26_000_000, 413), (b"[" * 100_000, 400)):
            try:
                answer = httpx.post(
                    server + path, content=content, headers={**BEARER, "content-type": "application/json"}, timeout=60
                )
            except httpx.TransportError:  # it was refused while it was sent
                assert status == 413
            else:
                assert answer.status_code == status
            assert httpx.get(f"{server}/healthz").status_code == 200


def test_heads_have_limits(server: str):
    for line in ("X-Long: " + "x" * 100_000, "\r\n".join(f"X-{number}: y" for number in range(20_000))):
        head = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n"
        try:
            answer = raw(server, head.encode())
        except ConnectionError:  # it is closed while the rest is sent
            answer = b""
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert b"HTTP/1.1 400" in raw(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"\0")
    two = raw(server, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n")
    assert two.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


@pytest.mark.parametrize("kind", ["header", "headers", "fields", "field"])
def test_forms_have_limits(server: str, kind: str):
    part = '--b\r\nContent-Disposition: form-data; name="phrases"\r\n'
    body = {
        "header": part + "X: " + "x" * 1_000_000 + "\r\n\r\na\r\n--b--\r\n",
        "headers": part + "X: y\r\n" * 100_000 + "\r\na\r\n--b--\r\n",
        "fields": (part + "\r\na\r\n") * 10_000 + "--b--\r\n",
        "field": part + "\r\n" + "a" * 1_000_000 + "\r\n--b--\r\n",
    }[kind]
    answer = httpx.post(
        f"{server}/v1/video/transcriptions",
        content=body.encode(),
        headers={**BEARER, "content-type": "multipart/form-data; boundary=b"},
        timeout=60,
    )
    assert answer.status_code == (413 if kind == "field" else 400)
    assert answer.json()["error"]["message"]


def test_no_other_site_reads_an_answer(server: str):
    """There are no CORS headers, not even in answer to a preflight."""
    for method in ("GET", "OPTIONS"):
        answer = httpx.request(
            method,
            f"{server}/v1/models",
            headers={**BEARER, "origin": "https://evil.example", "access-control-request-method": "POST"},
        )
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_no_file_is_readable_by_others(tmp_path: Path, clip: bytes):
    """Of a server that is started with an open umask: while it reads, and of what stays."""
    before = os.umask(0)
    try:
        with started(cache=str(tmp_path)) as (_, address):
            made = httpx.post(f"{address}/v1/enrolments", json={"name": "me", "base": "talkers"}, timeout=60)
            assert made.status_code == 201, made.text
            recording = {"content": clip, "headers": {"content-type": "video/mp4"}, "timeout": 120}
            kept = httpx.put(f"{address}/v1/enrolments/me/recordings/1", params={"text": SAID}, **recording)
            assert kept.json()["kept"], kept.text
            found = list(tmp_path.rglob("*"))
    finally:
        os.umask(before)
    assert {path.name for path in found} >= {"enrolment.json", "001.mp4", "prompts.txt"}
    opened = [path for path in found if path.exists() and path.stat().st_mode & 0o077]
    assert opened == []
