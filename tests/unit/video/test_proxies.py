"""A video behind a web proxy, by the variables that every other program goes by."""

from collections.abc import Iterator

import pytest

from lipscribe.errors import VideoError
from lipscribe.video import Video
from lipscribe.video.formats import proxy_of
from trust.compatibility_proxy import running_proxy

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Its address without a scheme, and what it was asked for."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_proxy() as running:
        yield running


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


@pytest.mark.parametrize("address", ["http://[x/y.mp4", "https://localhost:99999/x.mp4"])
def test_what_is_no_address_is_one_line(address: str):
    with pytest.raises(VideoError, match=r"^http.*: is no address \(.*\); check it$"):
        Video(address, 25)
