"""A WebSocket client that does exactly what it is told, also what no client should."""

import base64
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class RawWebSocket:
    """A connection to `/v1/stream`.

    Args:
        port: Of a server of this machine.
        timeout: Seconds that any step may take.
    """

    def __init__(self, port: int, path: str = "/v1/stream", timeout: float = 60.0, extra: str = ""):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ("Host: localhost", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
        head = "\r\n".join([f"GET {path} HTTP/1.1", *lines, f"Sec-WebSocket-Version: 13{extra}", "", ""])
        self._socket.sendall(head.encode("latin-1"))
        self._read = b""
        while b"\r\n\r\n" not in self._read:
            if not (some := self._socket.recv(4096)):
                break
            self._read += some
        head_read, _, self._read = self._read.partition(b"\r\n\r\n")
        self.status = int(head_read[9:12] or 0)

    def send(self, data: bytes | str, kind: int | None = None, is_last: bool = True) -> None:
        """Sends a frame, masked as a client's has to be."""
        content = data.encode() if isinstance(data, str) else data
        kind = (TEXT if isinstance(data, str) else BINARY) if kind is None else kind
        self.send_bytes(frame(content, kind, is_last))

    def send_bytes(self, data: bytes) -> None:
        """Sends any bytes."""
        self._socket.sendall(data)

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame, None at the end of the connection; pings are answered."""
        while True:
            if (head := self._take(2)) is None:
                return None
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8) or b"")
            content = self._take(size) if size else b""
            if content is None:
                return None
            if head[0] & 15 != PING:
                return head[0] & 15, content
            self.send(content, 10)

    def _take(self, size: int) -> bytes | None:
        while len(self._read) < size:
            try:
                some = self._socket.recv(65536)
            except ConnectionError:
                return None
            if not some:
                return None
            self._read += some
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def close(self) -> None:
        """Closes the connection without a word."""
        self._socket.close()

    def reset(self) -> None:
        """Ends it as a crash does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def __enter__(self) -> "RawWebSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame(content: bytes, kind: int = BINARY, is_last: bool = True, size: int | None = None) -> bytes:
    """A frame; `size` is what its head says, if that is to be another size."""
    size = len(content) if size is None else size
    first = bytes([(128 if is_last else 0) | kind])
    if size < 126:
        head = first + bytes([128 | size])
    elif size < 65536:
        head = first + bytes([254]) + struct.pack(">H", size)
    else:
        head = first + bytes([255]) + struct.pack(">Q", size)
    return head + bytes(4) + content  # a mask of zeros changes nothing
