"""The header of a safetensors file: 8 bytes of its length, JSON, and after it the raw tensors."""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lipscribe.errors import CheckpointError
from lipscribe.plain_data import parse_json

_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_INFINITE = {  # by dtype: its bits as whole numbers, and those of infinity
    "F16": (np.dtype("<u2"), 0x7C00),
    "BF16": (np.dtype("<u2"), 0x7F80),
    "F32": (np.dtype("<u4"), 0x7F800000),
    "F64": (np.dtype("<u8"), 0x7FF0000000000000),
}
_BLOCK_BYTES = 1 << 20
MAX_HEADER = 100_000_000  # bytes, as the format has it


class StoredTensor(NamedTuple):
    """One tensor in the file.

    Attributes:
        dtype: As safetensors calls it: "F16", "F32", "I64".
        shape: Its sizes.
        offset: Of its first byte in the file.
        num_bytes: Its length.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    num_bytes: int


def write_header(file: BinaryIO, tensors: Mapping[str, tuple[str, tuple[int, ...], int]]) -> None:
    """Writes the header; the tensors follow in the same order.

    Args:
        tensors: By name the dtype as safetensors calls it, the shape, and the number of bytes.
    """
    header, offset = {}, 0
    for name, (dtype, shape, num_bytes) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + num_bytes]}
        offset += num_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)


def check_finite(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Checks that no weight in a file is NaN or infinite.

    The file is read block by block instead of being mapped, so that weights which are mapped later are not in memory
    before they are used.

    Raises:
        CheckpointError: One is; the message names the first tensor.
        OSError: The file cannot be read.
    """
    block = np.empty(_BLOCK_BYTES, np.uint8)
    with path.open("rb") as file:
        for name, tensor in sorted(tensors.items(), key=lambda item: item[1].offset):
            if tensor.dtype not in _INFINITE:
                continue
            kind, infinite = _INFINITE[tensor.dtype]
            file.seek(tensor.offset)
            for done in range(0, tensor.num_bytes, _BLOCK_BYTES):
                part = block[: min(_BLOCK_BYTES, tensor.num_bytes - done)]
                read = file.readinto(part.data)
                bits = part[: read // kind.itemsize * kind.itemsize].view(kind) & ~kind.type(1 << 8 * kind.itemsize - 1)
                # Without the sign, numbers are in the order of their bits, and infinity and NaN are the largest.
                if bits.max(initial=0) >= infinite:
                    raise CheckpointError(f"{path} has NaN or infinite values in {name}: copy or train the model again")


def _stored(name: str, entry: Mapping[str, Any], begin: int) -> StoredTensor:
    dtype, shape, (first, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    whole = all(isinstance(number, int) and number >= 0 for number in (*shape, first, end - first))
    if not whole or (dtype in _ITEM_BYTES and prod(shape) * _ITEM_BYTES[dtype] != end - first):
        raise ValueError(f"{name} has {str(shape)[:60]} of {str(dtype)[:20]} in {end - first} bytes")
    return StoredTensor(dtype, shape, begin + first, end - first)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by name.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= MAX_HEADER:
                raise ValueError(f"its header has {length} bytes")
            header = parse_json(file.read(length))
        begin = 8 + length
        tensors = {name: _stored(name, entry, begin) for name, entry in header.items() if name != "__metadata__"}
        wanted = max((tensor.offset + tensor.num_bytes for tensor in tensors.values()), default=begin)
        if (size := path.stat().st_size) < wanted:
            raise ValueError(f"{size} bytes of {wanted}")
        return tensors
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} holds no {path.name}: copy or train the model again") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or train the model again") from None
