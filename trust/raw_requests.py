"""Requests that no client should send: broken heads, lengths, chunks and forms, and streams of wrong messages."""

import random
import socket
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

from trust.raw_websocket import BINARY, CLOSE, PING, TEXT, RawWebSocket, frame

PATHS = (
    "/v1/video/transcriptions",
    "/v1/audio/transcriptions",
    "/v1/video/inspections",
    "/v1/video/captioned",
    "/v1/video/mouths",
    "/v1/enrolments",
    "/mouths",
    "/transcripts",
)
FIELDS = ("model", "face", "nbest", "phrases", "grammar", "initials", "stream", "response_format", "stream_index", "x")
ANSWER_LIMIT = 60.0  # s; the server gives a silent client 10 s

Rng = random.Random


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode("latin-1", "replace")


def garbage(rng: Rng, size: int) -> bytes:
    return rng.randbytes(rng.randrange(size))


def mutated(rng: Rng, content: bytes) -> bytes:
    """A file with some of its bytes changed, cut out, or doubled."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 30))):
        at = rng.randrange(len(data) or 1)
        length = rng.choice((1, 4, 100, 5000))
        change = rng.randrange(4)
        if change == 0:
            data[at : at + length] = rng.randbytes(len(data[at : at + length]))
        elif change == 1:
            del data[at : at + length]
        elif change == 2:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
    return bytes(data)


def form(rng: Rng, clip: bytes) -> bytes:
    """A form that is broken in some way, or whole with strange fields."""
    boundary = rng.choice(("b", "----x", "a" * 60, "b b", "'"))
    parts = [
        f'Content-Disposition: form-data; name="{rng.choice(FIELDS)}"\r\n\r\n'.encode()
        + rng.choice((b"1", b"[" * 9000, b'["a"]', b"\xff\xfe", b"<s> = (a|b)+", b"x" * 250_000, garbage(rng, 300)))
        for _ in range(rng.choice((0, 1, 2, 5, 300)))
    ]
    name = rng.choice(
        ('"file"; filename="a.mp4"', '"file"; filename="../../a"', '"files"; filename=a', '"file"', "file;;")
    )
    parts.insert(rng.randrange(len(parts) + 1), f"Content-Disposition: form-data; name={name}\r\n\r\n".encode() + clip)
    body = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    body += rng.choice((f"--{boundary}--\r\n".encode(), b"", f"--{boundary}".encode(), garbage(rng, 200)))
    if rng.random() < 0.3:
        body = mutated(rng, body)
    named = rng.choice((boundary, boundary, boundary, "other", ""))
    return body_request(rng, body, f"multipart/form-data; boundary={named}")


def body_request(rng: Rng, body: bytes, kind: str) -> bytes:
    """With a right or wrong length."""
    length = rng.choice((len(body),) * 6 + (len(body) + 9, max(len(body) - 9, 0), 0))
    return head(rng.choice(PATHS), f"Content-Type: {kind}", f"Content-Length: {length}") + body


def bare(rng: Rng, clip: bytes) -> bytes:
    return body_request(
        rng, mutated(rng, clip), rng.choice(("video/mp4", "application/octet-stream", "video/", "text/x"))
    )


def json_body(rng: Rng, clip: bytes) -> bytes:
    content = rng.choice((b"{", b"[" * 100_000, b'{"a":' * 50_000, b"nul", b'{"text": "\\ud800"}', b'{"words": 1e999}'))
    return body_request(rng, content + garbage(rng, 20), "application/json")


def huge_json(rng: Rng, clip: bytes) -> bytes:
    """80 MB."""
    content = b'{"text": "' + b"a" * 80_000_000 + b'"}'
    path = rng.choice(("/transcripts", "/transcripts?format=srt", "/v1/enrolments"))
    return head(path, "Content-Type: application/json", f"Content-Length: {len(content)}") + content


def chunked(rng: Rng, clip: bytes) -> bytes:
    sizes = (b"5", b"0", b"FFFFFFFFFFFFFFFF", b"-1", b"5;" + b"x" * 5000, b"zz", b"", b"0x5", b" 5")
    chunks = b"".join(rng.choice(sizes) + b"\r\n" + garbage(rng, 12) + b"\r\n" for _ in range(rng.randrange(1, 8)))
    extra = rng.choice(((), ("Content-Length: 5",), ("Transfer-Encoding: gzip",)))
    return head(rng.choice(PATHS), "Content-Type: video/mp4", "Transfer-Encoding: chunked", *extra) + chunks


def many_headers(rng: Rng, clip: bytes) -> bytes:
    lines = [f"X-{number}: {'a' * rng.choice((0, 10, 40_000))}" for number in range(rng.choice((10, 300, 3000)))]
    return head(rng.choice((*PATHS, "/", "/v1/models")), *lines, method=rng.choice(("GET", "POST")))


def broken_head(rng: Rng, clip: bytes) -> bytes:
    methods, targets = (
        ("GET", "PUT", "get", "\0", "A" * 900, "OPTIONS"),
        ("/", "*", "//", "/%00", "/%ff", "/" + "a" * 9000),
    )
    lines = (
        *("Content-Length: -1", "Content-Length: 5, 6", "Content-Length: 99999999999999999999", "Host: a", ": x", "X"),
        *(
            "Expect: 100-continue",
            "Range: bytes=0-1,2-3,99-",
            "Upgrade: websocket",
            "Connection: upgrade",
            "\xff: \xfe",
        ),
        *(
            "Cookie: a=\x01; lipscribe_token=" + "x" * 900,
            "Authorization: Bearer \xe9",
            "Origin: null",
            "Origin: http://[",
        ),
    )
    made = head(rng.choice(targets), *rng.sample(lines, rng.randrange(4)), method=rng.choice(methods))
    return mutated(rng, made) if rng.random() < 0.5 else made


def noise(rng: Rng, clip: bytes) -> bytes:
    return garbage(rng, 3000) + b"\r\n\r\n"


REQUESTS: tuple[Callable[[Rng, bytes], bytes], ...] = (
    *(form, form, form, bare, json_body, chunked, many_headers, broken_head, broken_head, noise),
)


def exchange(port: int, request: bytes, rng: Rng) -> bytes:
    """The answer to a request, sent at once, in parts, slowly, or with its end left out.

    Raises:
        TimeoutError: Neither an answer nor an end comes.
    """
    manner = rng.choice(("whole", "whole", "whole", "parts", "half", "half and closed", "gone"))
    with socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT) as client:
        answer = b""
        with suppress(ConnectionError):  # it may be closed before all is sent
            _send(client, request, manner, rng)
        try:
            while manner != "gone" and len(answer) < 1_000_000 and (some := client.recv(65536)):
                answer += some
                if _is_whole(answer):
                    break
        except ConnectionError:  # it was closed before all was sent or read
            pass
    return answer


def _send(client: socket.socket, request: bytes, manner: str, rng: Rng) -> None:
    if manner == "parts":
        at = sorted(rng.randrange(len(request) or 1) for _ in range(5))
        for start, stop in zip([0, *at], [*at, len(request)], strict=True):
            client.sendall(request[start:stop])
            time.sleep(0.02)
    elif manner.startswith("half"):
        client.sendall(request[: len(request) // 2])
        if manner != "half":
            with suppress(OSError):  # which it is not connected for any more
                client.shutdown(socket.SHUT_WR)
    else:
        client.sendall(request)


def _is_whole(answer: bytes) -> bool:
    """Whether all of it is there, by its Content-Length."""
    before, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in before.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


def bomb(width: int, height: int, kind: str) -> bytes:
    """A small picture that says that it is large; the PNG's pixels are there, a thousandth of their size."""
    if kind == "png":
        rows = zlib.compress(bytes((3 * width + 1) * min(height, 2000)), 9)
        chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    start_of_frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8" + start_of_frame + b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0" + bytes(200) + b"\xff\xd9"


def websocket_script(port: int, pictures: tuple[bytes, ...], rng: Rng) -> str:
    """Opens a stream and sends wrong messages; what the server said last.

    Raises:
        TimeoutError: It does not end.
    """
    extra = rng.choice(
        ("",) * 5 + ("\r\nSec-WebSocket-Extensions: permessage-deflate", "\r\nSec-WebSocket-Protocol: ,,")
    )
    with RawWebSocket(port, rng.choice(("/v1/stream",) * 9 + ("/v1", "/%00")), ANSWER_LIMIT, extra) as client:
        if client.status != 101:
            return str(client.status)
        try:
            _say(client, pictures, rng)
            if rng.random() < 0.2:
                client.reset()
                return "reset"
            client.send('{"type": "finish"}')
        except (ConnectionError, BrokenPipeError):
            pass
        last = ""
        while (found := client.receive()) is not None:
            if found[0] == CLOSE:
                break
            last = found[1].decode()
        return last


def _say(client: RawWebSocket, pictures: tuple[bytes, ...], rng: Rng) -> None:
    inputs = ("frames", "crops", "video", "sound")
    if rng.random() < 0.9:
        more = rng.choice(
            ("", ', "phrases": ["one", "two"]', ', "phrases": "x"', ', "alternatives": 99', ', "model": "nope"')
        )
        client.send(f'{{"type": "start", "input": "{rng.choice(inputs)}"{more if rng.random() < 0.5 else ""}}}')
    now = 0.0
    for _ in range(rng.randrange(12)):
        now += rng.choice((0.04, 0.04, 0.04, 0.5, 100.0, 0.0, -1.0))
        time_of = struct.pack("<d", rng.choice((now,) * 9 + (float("nan"), 1e300)))
        picture = rng.choice(pictures)
        client.send_bytes(
            rng.choice(
                (
                    *(frame(time_of + picture),) * 6,
                    frame(time_of + mutated(rng, picture)),
                    frame(
                        time_of
                        + bomb(rng.choice((4000, 65535)), rng.choice((2000, 65535)), rng.choice(("png", "jpeg")))
                    ),
                    frame(garbage(rng, 100)),
                    frame(b'{"type": "flush"}', TEXT),
                    frame(rng.choice((b"{", b"[]", b"[" * 150_000, b'{"type": 5}', b"\xff\xfe", b"x" * 300_000)), TEXT),
                    frame(b"part", BINARY, is_last=False) + frame(b"ping", PING) + frame(b"rest", 0),
                    frame(b"", rng.choice((0, 3, 7, 11, 15))),
                    frame(b"x", BINARY, size=2**62),
                    frame(bytes(4_100_000)),
                    frame(
                        struct.pack(">H", rng.choice((0, 999, 1000, 1005, 5000))) + b"\xff" * rng.choice((0, 1, 123)),
                        CLOSE,
                    ),
                )
            )
        )
