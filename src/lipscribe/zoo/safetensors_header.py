"""The header of a safetensors file: 8 bytes of its length, JSON, and after it the raw tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lipscribe.errors import CheckpointError

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
            header = json.loads(file.read(length))
        begin = 8 + length
        tensors = {
            name: StoredTensor(
                entry["dtype"],
                tuple(entry["shape"]),
                begin + entry["data_offsets"][0],
                entry["data_offsets"][1] - entry["data_offsets"][0],
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
        wanted = max((tensor.offset + tensor.num_bytes for tensor in tensors.values()), default=begin)
        if (size := path.stat().st_size) < wanted:
            raise ValueError(f"{size} bytes of {wanted}")
        return tensors
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} holds no {path.name}: copy or train the model again") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or train the model again") from None
