"""Downloads a file from a URL and resumes interrupted downloads."""

import contextlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from lipscribe.atomic import write_text
from lipscribe.errors import LipscribeError
from lipscribe.progress import Progress

BLOCK_BYTES = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
PAUSES = (1.0, 3.0, 9.0)  # seconds before each retry after an attempt without progress
_HOPELESS = range(400, 500)  # HTTP errors that a retry does not change, except the next ones
_PASSING = (408, 425, 429)


@dataclass
class _Answer:
    """A server's response headers: offset of the content, length of the file, and its version."""

    body: BinaryIO
    start: int
    total: int | None
    version: str


class _IncompleteError(Exception):
    """An attempt ended before the file did; another may resume it."""


def download(url: str, path: Path, progress: Progress | None = None, headers: Mapping[str, str] | None = None) -> None:
    """Downloads a file to `path`, which exists only once it is complete.

    An interrupted download is kept next to it as `.partial` and resumed, now or by another process, if the server
    supports ranges and still has the same version; otherwise it starts again.

    Args:
        progress: Called with the number of bytes.
        headers: Request headers; redirects get them too.

    Raises:
        LipscribeError: The server refuses, cannot be reached, or ends every attempt early.
    """
    if not url.lower().startswith(("http://", "https://")):  # urllib would copy a file of this machine
        raise LipscribeError(f"{url[:200]!r} is no address to fetch from: wanted one that begins with https://")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, attempts = path.with_name(path.name + ".partial"), 0
    furthest = _size(partial)
    while True:
        try:
            _attempt(url, partial, progress, headers or {})
            break
        except _IncompleteError as error:
            attempts = 0 if _size(partial) > furthest else attempts + 1  # an attempt with progress does not count
            furthest = max(furthest, _size(partial))
            if attempts > len(PAUSES):
                raise LipscribeError(_unreachable(url, str(error), _size(partial))) from None
            time.sleep(PAUSES[max(attempts, 1) - 1])
    partial.replace(path)
    _version_file(partial).unlink(missing_ok=True)


def _attempt(url: str, partial: Path, progress: Progress | None, headers: Mapping[str, str]) -> None:
    with _ask(url, partial, headers) as answer:
        if not answer.start:
            partial.unlink(missing_ok=True)  # before its version is written: it may be of another
            write_text(_version_file(partial), answer.version)
        task, came = f"{partial.name.removesuffix('.partial')} (bytes)", answer.start
        with partial.open("ab") as file:
            while block := _next_block(answer.body):
                file.write(block)
                came += len(block)
                if progress is not None:
                    progress(task, came, answer.total)
    came = _size(partial)
    if answer.total is not None and came < answer.total:
        raise _IncompleteError(f"it ended after {came} of {answer.total} bytes")
    if answer.total is not None and came > answer.total:
        partial.unlink()
        raise _IncompleteError(f"{came} bytes came instead of {answer.total}")


@contextlib.contextmanager
def _ask(url: str, partial: Path, more: Mapping[str, str]) -> Iterator[_Answer]:
    start = _size(partial)
    version_file = _version_file(partial)
    version = version_file.read_text(encoding="ascii", errors="replace") if version_file.is_file() else ""
    if not (version.isascii() and version.isprintable()):  # damaged: it is fetched from the beginning
        version = ""
    headers = {"User-Agent": "lipscribe", **more, "Accept-Encoding": "identity"}
    if start and version:  # without a version the partial file may be of another file
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            yield _understand(response, start)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the partial file is longer than the file: of another version
            partial.unlink(missing_ok=True)
            raise _IncompleteError("the partial file is of another version") from None
        if error.code in _HOPELESS and error.code not in _PASSING:
            raise LipscribeError(
                f"{url} is unavailable (HTTP {error.code} {error.reason}): it has moved or is not public any more"
            ) from None
        raise _IncompleteError(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _IncompleteError(str(error.reason)) from None
    except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
        raise _IncompleteError(str(error) or type(error).__name__) from None
    except ValueError as error:  # a malformed URL
        raise LipscribeError(f"{url!r} is no address to fetch from: {error}") from None


def _understand(response: http.client.HTTPResponse, asked: int) -> _Answer:
    headers = response.headers
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    if version.startswith("W/"):  # a weak tag does not promise equal bytes, and is not valid in If-Range
        version = ""
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if found is None or int(found[1]) != asked:
            raise LipscribeError(f"{response.url} answers with another part than was asked for: try again later")
        return _Answer(response, asked, None if found[2] == "*" else int(found[2]), version)
    length = headers.get("Content-Length", "")
    return _Answer(response, 0, int(length) if length.isdigit() else None, version)


def _next_block(body: BinaryIO) -> bytes:
    try:
        return body.read(BLOCK_BYTES)
    except http.client.IncompleteRead as error:
        return error.partial


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".version")


def _unreachable(url: str, reason: str, came: int) -> str:
    kept = f"the {came / 1e6:.1f} MB that came are kept, and " if came else ""
    return (
        f"{urlsplit(url).netloc or url} cannot be read ({' '.join(reason.split())}): "
        f"check the network, {kept}the same command {'resumes there' if came else 'tries again'}"
    )
