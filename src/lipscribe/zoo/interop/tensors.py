"""Loads weights from foreign files. A pickle is a program: only the operations that build tensors are allowed."""

import pickle
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.plain_data import parse_json

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"  # first bytes of torch.save's files, since torch 1.6 and before
_LIGHTNING = "state_dict"
_WRAPPERS = (_LIGHTNING, "model_state_dict", "model")  # keys of the weights in some trainers' checkpoints
_PREFIXES = ("module.", "model.")  # of all names in some trainers' checkpoints
_COMPILED = "_orig_mod."  # in the names of what torch.compile wraps, wherever it does
# Errors of unpickling bytes that are not a pickle.
DAMAGED_PICKLE = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    *(struct.error, ArithmeticError, MemoryError),
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights in a file of `torch.save` or safetensors, by name, unwrapped from trainers' checkpoints.

    Files of the current layout are memory-mapped.

    Raises:
        CheckpointError: The file is missing or damaged, would execute code, or has something other than weights.
    """
    beginning = _beginning(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if beginning.startswith(_ZIP):
        _refuse_archive(path)
    elif not beginning.startswith(_PICKLE):
        raise CheckpointError(f"{path} {_what_it_is(beginning)}: fetch the file of weights itself")
    try:
        with warnings.catch_warnings():  # about a newer pickle, which is loaded or refused
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            data = torch.load(path, map_location="cpu", weights_only=True, mmap=beginning.startswith(_ZIP))
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from None
    except DAMAGED_PICKLE as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise CheckpointError(f"{path} is damaged or incomplete ({reason}): fetch it again") from None
    return _weights(data, path)


def read_config(path: Path) -> dict[str, Any]:
    """ESPnet's `model.json` of a model: a mapping, or the third of `[inputs, outputs, mapping]`.

    Raises:
        CheckpointError: It cannot be read or is not such a file.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch it again") from None
    if isinstance(data, list) and len(data) == 3:
        data = data[2]
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not describe a model: wanted a mapping, or [inputs, outputs, mapping]")
    return data


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): give a file of weights") from None


def _what_it_is(beginning: bytes) -> str:
    if not beginning:
        return "is empty"
    if beginning.lstrip()[:1] == b"<":
        return "is a web page, not weights"
    if beginning.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the weights"
    return "is not a file of torch.save"


def _refuse_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete ({error}): fetch it again") from None
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(f"{path} is an archive of {len(names)} files: unpack it, and give the folder")


def _refusal(path: Path, message: str) -> str:
    if found := re.search(r"GLOBAL (\S+)", message):
        wish = f"would execute {found[1].rstrip('.')}, but weights need no code"
    else:
        wish = "is not a plain file of weights"
    return (
        f"{path} {wish}: nothing of it was executed; "
        "if you trust its author, save only its tensors (torch.save of its state_dict) and import that"
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _weights(load_file(path), path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete ({error}): fetch it again") from None


def _weights(data: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(data, dict) and isinstance(data.get(wrapper), dict):
            data = data[wrapper]
    if not isinstance(data, dict) or not data:
        raise CheckpointError(f"{path} holds {type(data).__name__}, wanted weights by name (a state_dict)")
    strange = [name for name, value in data.items() if not isinstance(name, str) or not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(
            f"{path} holds {len(strange)} entries that are not tensors (first {strange[0]!r}): "
            "wanted weights by name (a state_dict)"
        )
    plain = {name.replace(_COMPILED, ""): tensor for name, tensor in data.items()}
    if len(plain) < len(data):
        raise CheckpointError(
            f"{path} holds {len(data) - len(plain)} weights twice, compiled and plain: save one network"
        )
    data = plain
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in data):
            data = {name.removeprefix(prefix): tensor for name, tensor in data.items()}
    return data
