"""JSON that others wrote -> plain data, or one line that says why not."""

import json
from typing import Any

MAX_DEPTH = 100  # of lists and mappings in each other; what follows the data down could go no deeper than some 1000


def parse_json(text: str | bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The data of a JSON text.

    Raises:
        ValueError: It is not JSON, or is nested more than `max_depth` deep.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError(_too_deep(max_depth)) from None
    openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if openings > max_depth:
        count_nodes(data, max_depth=max_depth)
    return data


def count_nodes(data: Any, limit: int | None = None, max_depth: int = MAX_DEPTH) -> int:
    """The number of values in plain data, each counted wherever it is referred to.

    Args:
        limit: Of their number; None is none.

    Raises:
        ValueError: They are more, or nested more than `max_depth` deep, as what holds itself is.
    """
    found, todo = 0, [(data, 0)]
    while todo:
        node, depth = todo.pop()
        found += 1
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
        if depth > max_depth:
            raise ValueError(_too_deep(max_depth))
        if limit is not None and found + len(todo) > limit:
            raise ValueError(f"it has more than {limit} values")
        todo.extend((item, depth + 1) for item in inner)
    return found


def _too_deep(max_depth: int) -> str:
    return f"it is nested more than {max_depth} deep"


def check_format(data: Any, known: int, source: str, error: type[Exception]) -> int:
    """The format version of a record of a file, which is its field `format_version`; without it the record is of 1.

    A format that changes gets the next number, and its reader migrates the older ones.

    Args:
        data: The record; what is no mapping has no version, and is for the caller to refuse.
        known: The newest version that this program reads.
        source: Name of the file in the message.
        error: The exception to raise.

    Raises:
        Exception: `error`: it is newer than that.
    """
    version = data.get("format_version", 1) if isinstance(data, dict) else 1
    if isinstance(version, int) and version > known:
        raise error(
            f"{source} was written by a newer Lipscribe (format {version}, this one reads up to {known}): "
            "update with `pip install -U lipscribe`"
        )
    return version
