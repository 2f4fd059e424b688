"""A video behind a web proxy, by the variables that every other program goes by."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipscribe.errors import VideoError
from lipscribe.video import Video
from lipscribe.video.formats import proxy_of

CLIP = Path(__file__).parents[2] / "golden/faces.mp4"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Gives the clip for every address, and refuses to connect to others."""

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


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Its address without a scheme, and what it was asked for."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    asked: list[str] = []
    handler = type("Proxy", (_Proxy,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_video_comes_through_the_proxy(
    proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
):
    monkeypatch.setenv(name, scheme + proxy[0])
    assert len(next(iter(Video("http://video.invalid/a.mp4"))).shape) == 3
    assert set(proxy[1]) == {"http://video.invalid:80/a.mp4"}


def test_https_goes_by_the_variable_of_its_own(proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy[0]}")
    with pytest.raises(VideoError):
        Video("https://video.invalid/a.mp4")
    assert proxy[1][0] == "CONNECT video.invalid:443"


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_without_a_proxy_are_asked_themselves(
    proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody there
    monkeypatch.setenv(name, "127.0.0.1")
    assert len(next(iter(Video(f"http://{proxy[0]}/a.mp4"))).shape) == 3
    assert set(proxy[1]) == {"/a.mp4"}


def test_without_settings_there_is_none(proxy: tuple[str, list[str]]):
    assert proxy_of("http://video.invalid/a.mp4") == ""
