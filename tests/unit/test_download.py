# ruff: noqa: F811
"""Downloads from a real server that breaks off, forgets how to resume, lies, and is not there."""

from pathlib import Path

import numpy as np
import pytest
from local_server import dead_url, server  # noqa: F401

from lipscribe import download as module
from lipscribe.download import download
from lipscribe.errors import LipscribeError

CONTENT = np.random.default_rng(0).bytes(3_500_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(module, "TIMEOUT", 5.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "model.pth"


def left(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def test_a_file_comes_whole(server, path):
    server.files["/a"] = CONTENT
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    assert left(path) == {"model.pth"}
    assert server.log == [("/a", None)]


def test_progress_is_told_in_bytes_and_counts_what_was_there(server, path):
    server.files["/a"] = CONTENT
    server.break_after = [1_500_000]
    told = []
    download(f"{server.url}/a", path, progress=lambda *report: told.append(report))
    done = [report[1] for report in told]
    assert {report[::2] for report in told} == {("model.pth (bytes)", len(CONTENT))}
    assert done == sorted(done)
    assert (1_500_000 in done, done[-1]) == (True, len(CONTENT))


def test_an_empty_file(server, path):
    server.files["/a"] = b""
    download(f"{server.url}/a", path)
    assert path.read_bytes() == b""


def test_what_breaks_off_goes_on_from_there(server, path):
    server.files["/a"] = CONTENT
    server.break_after = [1_000_000, 0, 1, 2_000_000]
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    asked = [0, 1_000_000, 1_000_000, 1_000_001, 3_000_001]
    assert server.log == [("/a", f"bytes={start}-" if start else None) for start in asked]


def test_another_process_goes_on_from_there(server, path):
    server.files["/a"] = CONTENT
    server.break_after = [1_000_000, 0, 0, 0]
    with pytest.raises(LipscribeError, match=r"127.0.0.1:\d+ cannot be read \(it ended after 1000000 of 3500000") as e:
        download(f"{server.url}/a", path)
    assert "the 1.0 MB that came are kept, and the same command resumes there" in str(e.value)
    assert not path.exists()
    server.log.clear()
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    assert server.log == [("/a", "bytes=1000000-")]


def test_a_file_that_changed_in_between_starts_again(server, path):
    server.files["/a"] = CONTENT
    server.break_after = [1_000_000, 0, 0, 0]
    with pytest.raises(LipscribeError):
        download(f"{server.url}/a", path)
    server.files["/a"] = CONTENT[::-1]
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("weakness", ["no ranges", "no versions", "weak versions"])
def test_a_server_that_cannot_send_the_rest_sends_all(weakness, server, path):
    server.files["/a"] = CONTENT
    server.ranges = weakness != "no ranges"
    server.etags = weakness == "no ranges"
    if weakness == "weak versions":
        server.headers["ETag"] = 'W/"1"'
    server.break_after = [1_000_000]
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    assert len(server.log) == 2


def test_a_part_that_is_longer_than_the_file_is_dropped(server, path):
    server.files["/a"] = CONTENT
    server.break_after = [1_000_000, 0, 0, 0]
    with pytest.raises(LipscribeError):
        download(f"{server.url}/a", path)
    partial = path.with_name("model.pth.partial")
    partial.write_bytes(CONTENT + b"more")
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_promises_more_than_it_has(server, path):
    server.files["/a"], server.lie = CONTENT, 10
    with pytest.raises(LipscribeError, match="cannot be read"):
        download(f"{server.url}/a", path)
    assert not path.exists()


@pytest.mark.parametrize("code", [404, 403, 410])
def test_what_is_not_there_is_told_at_once(code, server, path):
    server.codes = [code]
    server.files["/a"] = CONTENT
    with pytest.raises(LipscribeError, match=rf"/a is unavailable \(HTTP {code} .*\): it has moved"):
        download(f"{server.url}/a", path)
    assert len(server.log) == 1
    assert left(path) == set()


@pytest.mark.parametrize("code", [500, 503, 429])
def test_what_passes_is_tried_again(code, server, path):
    server.files["/a"] = CONTENT
    server.codes = [code, code]
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    server.codes = [code] * 3
    with pytest.raises(LipscribeError, match=f"HTTP {code}"):
        download(f"{server.url}/a", path.with_name("again"))


def test_no_network(dead_url, path):
    with pytest.raises(
        LipscribeError, match=r"127.0.0.1:\d+ cannot be read .*efused.*: check the network, .* tries again"
    ):
        download(f"{dead_url}/a", path)
    assert left(path) == set()


@pytest.mark.parametrize("url", ["nonsense", "http://", "gopher://x/y"])
def test_no_address(url, path):
    with pytest.raises(LipscribeError):
        download(url, path)


@pytest.mark.parametrize("version", [b"\xff\xfe", b'"1"\nX-Other: 1', "\u00e9".encode()])
def test_a_damaged_version_means_from_the_beginning(server, path, version):
    server.files["/a"] = CONTENT
    path.parent.mkdir(parents=True)
    path.with_name("model.pth.partial").write_bytes(CONTENT[:1000])
    path.with_name("model.pth.partial.version").write_bytes(version)
    download(f"{server.url}/a", path)
    assert path.read_bytes() == CONTENT
    assert server.log == [("/a", None)]


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_other_schemes_are_not_fetched(scheme, tmp_path, path):
    """A record from elsewhere must not name a file of this machine."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(LipscribeError, match="is no address to fetch from: wanted one that begins with https"):
        download(f"{scheme}://{secret}", path)
    assert not path.exists()
