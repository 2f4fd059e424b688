"""Files on disk and in object stores, by the same few methods.

    folder = location("s3://bucket/prepared")  # a RemotePath; location("prepared") is a Path
    for shard in folder.glob("train-*.tar"):
        with shard.open("rb") as file:
            ...

A `RemotePath` has those methods of `Path` that Lipscribe uses, through fsspec: s3, gs, az, hf and whatever else has a
package for it. It holds no connection, so it can be pickled, and used after a fork. Credentials, addresses and the like
are set as fsspec and the store's own tools have them (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `FSSPEC_S3`...).
"""

import contextlib
import fnmatch
import io
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from lipscribe import atomic
from lipscribe.errors import LipscribeError, MissingExtraError, VideoError

READ_BYTES = 4_000_000  # that one request asks for
# FFmpeg reads these itself, from front to end and without a copy.
_STREAMED = frozenset({"http", "https", "rtmp", "rtmps", "udp", "tcp", "srt", "ftp"})


class StorageError(LipscribeError):
    """An object store refuses, is out of reach, or has no such bucket."""


def scheme_of(where: object) -> str | None:
    """The scheme of an address, such as `s3` of `s3://bucket/...`; None of a file."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", where) if isinstance(where, str) else None
    return found[1].lower() if found else None


def is_url(where: object) -> bool:
    """Whether it is an address (`s3://bucket/...`), not a file."""
    return scheme_of(where) is not None


def absolute(where: str) -> str:
    """The same file or address, whatever the working folder; of a link, what it leads to."""
    return where if is_url(where) else str(Path(where).resolve())


def is_stored(where: object) -> bool:
    """Whether it lies in an object store: an address that FFmpeg does not open itself."""
    return scheme_of(where) not in (None, *_STREAMED)


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder in an object store.

    A file that is missing raises FileNotFoundError, as on disk. Everything else that a store refuses raises a
    StorageError (MissingExtraError where the store's package is not installed).
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """The last dot and what follows."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122, of a name that is no path

    @property
    def parent(self) -> "RemotePath":
        """The folder; that of a bucket is the bucket itself."""
        above = self.url.rpartition("/")[0]
        return self if above.endswith("/") else RemotePath(above)

    def with_suffix(self, suffix: str) -> "RemotePath":
        """The same with another suffix."""
        return RemotePath(self.url.removesuffix(self.suffix) + suffix)

    def with_name(self, name: str) -> "RemotePath":
        """Another file in the same folder."""
        return self.parent / name

    def open(self, mode: str = "rb") -> BinaryIO:
        """Opens the file for reading; `seek` costs nothing. See `writing` for the other way."""
        assert mode == "rb", mode
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, self.size()), READ_BYTES))

    def read_bytes(self, start: int = 0, stop: int | None = None) -> bytes:
        """The file's content, or a part of it."""
        with _told(self) as fs:
            return fs.cat_file(self.url, start=start or None, end=stop)

    def read_text(self, encoding: str = "utf-8") -> str:
        """The file's text."""
        return self.read_bytes().decode(encoding)

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        with _told(self) as fs:
            return fs.exists(self.url)

    def is_dir(self) -> bool:
        """Whether files lie below it."""
        with _told(self) as fs:
            return fs.isdir(self.url)

    def size(self) -> int:
        """Its size in bytes."""
        with _told(self) as fs:
            return int(fs.size(self.url) or 0)

    def iterdir(self) -> "Iterator[RemotePath]":
        """Its files and folders, in any order; none where there is no such folder."""
        return (child for child, _ in self._listed())

    def glob(self, pattern: str) -> "Iterator[RemotePath]":
        """Its files and folders with such names, in any order."""
        return (child for child in self.iterdir() if fnmatch.fnmatchcase(child.name, pattern))

    def fingerprints(self) -> dict[str, str]:
        """What changes with the content of each file of this folder, by name."""
        return {
            child.name: f"{info.get('size')}-{info.get('ETag') or info.get('LastModified') or info.get('mtime')}"
            for child, info in self._listed()
        }

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes the file."""
        try:
            with _told(self) as fs:
                fs.rm_file(self.url)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: object stores have no folders."""

    def _listed(self) -> Iterator[tuple["RemotePath", dict[str, Any]]]:
        try:
            with _told(self) as fs:
                found = fs.ls(self.url, detail=True)
        except FileNotFoundError:
            return
        for info in found:
            path = info["name"].rstrip("/")
            if not self.url.endswith(f"/{path}"):  # some stores list the folder itself
                yield self / path.rpartition("/")[2], info


AnyPath: TypeAlias = Path | RemotePath


def location(where: "str | os.PathLike[str] | RemotePath") -> AnyPath:
    """A path on disk, or an address in an object store; `file://` is on disk."""
    if isinstance(where, RemotePath):
        return where
    if isinstance(where, str) and is_url(where):
        scheme, _, rest = where.partition("://")
        return Path(rest) if scheme.lower() == "file" else RemotePath(f"{scheme}://{rest.rstrip('/')}")
    return Path(where)


def file_size(path: AnyPath) -> int:
    """The size of a file in bytes."""
    return path.stat().st_size if isinstance(path, Path) else path.size()


@contextlib.contextmanager
def writing(where: AnyPath | str) -> Iterator[BinaryIO]:
    """Yields a binary file that becomes `where` if the block ends without an error; until then the old one stays.

    Raises:
        OSError: The file cannot be written.
        StorageError: The store refuses.
    """
    path = location(where)
    if isinstance(path, Path):
        with atomic.writing(path) as file:
            yield file
        return
    with tempfile.TemporaryDirectory(prefix="lipscribe-") as folder:
        spool = Path(folder) / "upload"
        with spool.open("wb") as file:
            yield file
        with _told(path, "write") as fs:
            fs.put_file(str(spool), path.url)  # objects appear when they are whole


def write_bytes(where: AnyPath | str, content: bytes) -> None:
    """Writes a file atomically (see `writing`)."""
    path = location(where)
    if isinstance(path, Path):
        atomic.write_bytes(path, content)
    else:
        with _told(path, "write") as fs:
            fs.pipe_file(path.url, content)


def write_text(where: AnyPath | str, text: str) -> None:
    """Writes a UTF-8 text file atomically, with the line ends of `text` (see `writing`)."""
    write_bytes(where, text.encode())


def remove(paths: Iterable[AnyPath]) -> None:
    """Removes files; those that are gone already are no error."""
    remote: list[str] = []
    for path in paths:
        if isinstance(path, RemotePath):
            remote.append(path.url)
        else:
            path.unlink(missing_ok=True)
    if remote:
        with contextlib.suppress(FileNotFoundError), _told(RemotePath(remote[0])) as fs:
            fs.rm(remote)  # by the thousand, where a store can


def check_shared(path: AnyPath) -> None:
    """In a worker, which may be on another machine: checks that a file or folder of the driver is there too.

    Raises:
        StorageError: It is not.
    """
    if not path.exists():
        raise StorageError(
            f"{path} is not to be seen on {socket.gethostname()}: give a folder that all workers share, by its whole "
            "path, or one in an object store"
        )


def remove_folder(folder: AnyPath) -> None:
    """Removes a folder and the files in it, as far as that can be done."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        remove(folder.iterdir())


@contextlib.contextmanager
def local_copy(where: str) -> Iterator[str]:
    """Yields the name of a video on disk: the file itself, or a copy of an object, which is removed at the end.

    An address that FFmpeg opens itself is yielded as it is.

    Raises:
        VideoError: There is no such object.
        StorageError: The store refuses.
    """
    if not is_stored(where):
        yield where
        return
    path = location(where)
    if isinstance(path, Path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="lipscribe-") as folder:
        copy = Path(folder) / path.name
        try:
            with path.open() as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, READ_BYTES)
        except FileNotFoundError:
            raise VideoError(f"{where}: no such file; check its name and bucket") from None
        try:
            yield str(copy)
        except LipscribeError as error:  # which names the copy
            error.args = (str(error).replace(str(copy), where),)
            raise


class _Ranges(io.RawIOBase):
    """A file that is read by requests for ranges of it, so that errors of each are told."""

    def __init__(self, path: RemotePath, size: int):
        self._path, self._size, self._at = path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError(f"{self._path} has no byte {at}")
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        content = self._up_to(self._at + len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        return self._up_to(self._size)

    def _up_to(self, stop: int) -> bytes:
        stop = min(stop, self._size)
        content = self._path.read_bytes(self._at, stop) if self._at < stop else b""
        self._at += len(content)
        return content


@contextlib.contextmanager
def _told(path: RemotePath, doing: str = "read") -> Iterator[Any]:
    """Yields the file system of a path, and says in one line what it refuses."""
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtraError(f"{path}: object stores need fsspec: {_install(path)}") from None
    try:
        # What others wrote a moment ago counts, so listings are not kept.
        yield fsspec.url_to_fs(path.url, use_listings_cache=False)[0]
    except LipscribeError:
        raise
    except ImportError:
        raise MissingExtraError(f"{path}: its store needs another package: {_install(path)}") from None
    except Exception as error:  # each store's package has exceptions of its own
        if isinstance(error, FileNotFoundError) and doing == "read" and _NO_BUCKET not in str(error).lower():
            raise FileNotFoundError(f"{path}: no such file") from None
        raise StorageError(f"{path} {_why(error, doing)}") from error


def _install(path: RemotePath) -> str:
    scheme = path.url.partition(":")[0].lower()
    return "pip install 'lipscribe[s3]'" if scheme in ("s3", "s3a") else f"pip install 'fsspec[{scheme}]'"


def _why(error: Exception, doing: str) -> str:
    name, text = type(error).__name__, " ".join(str(error).split()) or "no message"
    if isinstance(error, PermissionError) or "Credentials" in name:
        return f"may not be {_PAST[doing]} ({text}): give credentials that may {doing} there, and list the bucket"
    if isinstance(error, FileNotFoundError):
        return f"is in no bucket of this store ({text}): create the bucket, or correct its name"
    if isinstance(error, ValueError) and "protocol" in text.lower():
        return f"is an address of an unknown kind ({text}): give one such as s3://bucket/folder"
    if isinstance(error, (ConnectionError, TimeoutError)) or any(word in name for word in _CONNECTION):
        return f"is out of reach ({text}): check the network and the store's address, and run it again to resume"
    return f"cannot be {_PAST[doing]} ({name}: {text}): run it again to resume, or give another place"


_NO_BUCKET = "bucket does not exist"  # as S3 and GCS say; a file that is missing has other words
_PAST = {"read": "read", "write": "written"}
_CONNECTION = ("Connect", "Timeout", "Endpoint", "Network", "HTTPClient", "ServerDisconnected")
