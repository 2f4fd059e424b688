"""What a kill must not leave: a half file under its final name, another result, or anything beside the result."""

import csv
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np


def unfinished(name: str) -> bool:
    """Whether a path is of something that is known not to be finished: nobody reads it under this name."""
    parts = Path(name).parts
    return (
        parts[0] == "tmp"
        or any(part.startswith(".") and part != ".parts" for part in parts)
        or name.endswith((".partial", ".partial.version"))
        or parts[:2] == ("cache", "serve")  # uploads, which end with their server
        or "logs" in parts  # TensorBoard appends to its files
    )


def half_files(home: Path, whole_folders: Mapping[str, set[str]]) -> Iterator[str]:
    """What is wrong with each file that has its final name, and is not whole.

    Args:
        whole_folders: Folders that appear at once, such as models, by a pattern: the names that must be in them.
    """
    for path in files_of(home):
        name = path.relative_to(home).as_posix()
        if not unfinished(name) and (fault := _fault(path)):
            yield f"{name} is half written: {fault}"
    for pattern, wanted in whole_folders.items():
        for folder in home.glob(pattern):
            there = {path.name for path in folder.iterdir()}
            if not folder.name.startswith(".") and (lost := wanted - there):
                yield f"{folder.relative_to(home)} has no {min(lost)}"


def files_of(home: Path) -> list[Path]:
    """All files of a folder, and its empty folders."""
    every = sorted(home.rglob("*"))
    return [path for path in every if path.is_file() or (path.is_dir() and not any(path.iterdir()))]


def digests(home: Path, timed: Mapping[str, Callable[[bytes], bytes]]) -> dict[str, str]:
    """The SHA-256 of each file by name, without what `timed` takes out of files of a pattern.

    TensorBoard's logs are left out: they hold times, and have a file for each start of a run.
    """
    found = {}
    for path in files_of(home):
        name = path.relative_to(home).as_posix()
        if fnmatch(name, "*/logs/*"):
            continue
        content = path.read_bytes() if path.is_file() else b""
        for pattern, strip in timed.items():
            if fnmatch(name, pattern):
                content = strip(content)
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    """How a result differs from that of the uninterrupted run."""
    for name in sorted(wanted.keys() - found.keys()):
        yield f"{name} is lost"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"{name} is left over"
    for name in sorted(wanted.keys() & found.keys()):
        if wanted[name] != found[name]:
            yield f"{name} differs from the uninterrupted run's"


def without_seconds(content: bytes) -> bytes:
    """`metrics.csv` without the column of how long each epoch took."""
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return json.dumps([{key: value for key, value in row.items() if key != "epoch_seconds"} for row in rows]).encode()


def without_dates(content: bytes) -> bytes:
    """Texts that say on which day they were written."""
    return re.sub(rb"20\d\d-\d\d-\d\d", b"", content)


def tensors_of(content: bytes) -> bytes:
    """What a torch file says, in one order: the bytes depend on which objects were one and the same in memory."""
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return [str(value.dtype), *value.shape, hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()]
        if isinstance(value, dict):
            return [[str(key), plain(item)] for key, item in value.items()]
        return [plain(item) for item in value] if isinstance(value, list | tuple) else repr(value)

    return json.dumps(plain(torch.load(io.BytesIO(content), weights_only=True))).encode()


def _fault(path: Path) -> str:
    """Why a file is not whole; empty if it is."""
    if not path.is_file():
        return ""
    try:
        for pattern, parse in _PARSERS.items():
            if fnmatch(path.name, pattern):
                parse(path.read_bytes())
                break
    except Exception as error:  # each library has its own
        return f"{type(error).__name__}: {error}"
    return ""


def _json_lines(content: bytes) -> None:
    lines = content.decode().split("\n")
    if lines.pop():
        raise ValueError("its last line is cut off")
    for line in lines:
        json.loads(line)


def _journal(content: bytes) -> None:
    """All but the last line, which the reader of journals drops if it is cut off."""
    _json_lines(content[: content.rfind(b"\n") + 1])
    if not content.startswith(b"{") or b"\n" not in content:
        raise ValueError("it has no header")


def _tar(content: bytes) -> None:
    if any(content[-1024:]) or len(content) < 1024:
        raise ValueError("it is cut off")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is None or len(file.read()) != member.size:
                raise ValueError(f"{member.name} is cut off")


def _video(content: bytes) -> None:
    import av

    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        if sum(1 for _ in container.demux(stream)) - 1 != stream.frames:
            raise ValueError("frames are missing")


def _tensors(content: bytes) -> None:
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    end = max(each["data_offsets"][1] for name, each in header.items() if name != "__metadata__")
    if len(content) != 8 + size + end:
        raise ValueError(f"it has {len(content)} bytes, wanted {8 + size + end}")


def _torch(content: bytes) -> None:
    import torch

    torch.load(io.BytesIO(content), weights_only=True)


def _arrays(content: bytes) -> None:
    with np.load(io.BytesIO(content)) as arrays:
        for name in arrays:
            arrays[name].shape  # noqa: B018  reads it


def _onnx(content: bytes) -> None:
    import onnx

    onnx.load_model_from_string(content)


def _align(content: bytes) -> None:
    if not re.fullmatch(rb"(\d+ \d+ \S+\n)+", content):
        raise ValueError("it is no alignment")


def _text(content: bytes) -> None:
    if not content.endswith(b"\n"):
        raise ValueError("its last line is cut off" if content else "it is empty")


def _prompts(content: bytes) -> None:
    """Of an enrolment; empty before the first recording."""
    if content:
        _text(content)


_PARSERS: dict[str, Callable[[bytes], object]] = {
    "*.jsonl": _json_lines,
    "*.index": _json_lines,
    "*.read": _journal,
    "*.aligned": _journal,
    "*.json": json.loads,
    "*.tar": _tar,
    "*.mp4": _video,
    "*.safetensors": _tensors,
    "*.ckpt": _torch,
    "*.pth": _torch,
    "*.npz": _arrays,
    "*.onnx": _onnx,
    "*.align": _align,
    "*.csv": _text,
    "*.yaml": _text,
    "prompts.txt": _prompts,
    "*.txt": _text,
    "*.md": _text,
}
