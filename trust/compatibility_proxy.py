"""The row of `trust.compatibility` behind a proxy: every address goes through it, and NO_PROXY is honoured."""

import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trust.compatibility_rows import ROOT, Failed, lipscribe

CLIP = ROOT / "tests/golden/faces.mp4"


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Gives a video for every address and notes it; connections for https are noted and refused."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = CLIP.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_CONNECT(self) -> None:
        self.asked.append(f"CONNECT {self.path}")
        self.send_error(403)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running_proxy() -> Iterator[tuple[str, list[str]]]:
    """Its address without a scheme, and what it was asked for so far."""
    asked: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"asked": asked})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def proxied(folder: Path) -> str:
    with running_proxy() as (host, asked):
        address = f"http://{host}"
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        env |= {"HTTP_PROXY": address, "HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1"}
        wanted = {
            "a video by http": (["transcribe", "http://video.invalid/a.mp4"], "http://video.invalid:80/a.mp4"),
            "a video by https": (["transcribe", "https://video.invalid/a.mp4"], "CONNECT video.invalid:443"),
            "models pull": (["models", "pull", "auto-avsr-lrs3", "--accept-licence"], "CONNECT "),
            "download": (["download", "grid", "--accept-licence", "--output", folder / "grid"], "CONNECT "),
            "NO_PROXY": (["transcribe", f"{address}/own.mp4"], "/own.mp4"),
        }
        for name, (command, line) in wanted.items():
            asked.clear()
            try:
                said = lipscribe(*command, env=env, clean=True, code=None)
            except Failed as ended:  # with 0, which is as good: it is the way that counts
                said = str(ended)
                if "exit code 0 of" not in said:
                    raise
            if not any(one.startswith(line) for one in asked) or (name == "NO_PROXY" and len(set(asked)) != 1):
                raise Failed(f"{name}: the proxy was asked for {asked}; it said {said[-200:]!r}")
            if "Traceback" in said or "unexpected" in said:
                raise Failed(f"{name}: {said[-300:]}")
    return f"through the proxy: {', '.join(list(wanted)[:-1])}; NO_PROXY is honoured"
