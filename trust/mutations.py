"""Seeded mutations of files: bytes, tokens of texts, nodes of JSON, and what is inside zip, tar and safetensors."""

import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

MAX_BYTES = 400_000  # of a mutated file; what repeats itself is cut there
_DEEP, _BIG, _NAN, _INF = "@deep@", "@big@", "@nan@", "@inf@"  # stand for what `json.dumps` would not write
_RAW = {_NAN: "NaN", _INF: "-Infinity", _BIG: "9" * 5000}
NODES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2, 2**31, 2**63, 2**64, 10**30, -0.0, 0.1, 1e308, _NAN, _INF, _BIG, _DEEP),
    *("", " ", "\0", "\ud800", "\n", "a\nb", "\x1b[31m", "\u202e", "../x", "/", "x" * 3000, "nan", "1e999", "9" * 5000),
    *([], {}, [[]], [None], {"": ""}, [0] * 2000, {"a": {"a": {}}}),
)
TOKENS: tuple[str, ...] = (
    *("", "0", "-0", "-1", "1", "00", "1e999", "-1e999", "nan", "-inf", "9" * 5000, "1" + "0" * 400, "2147483648"),
    *("99999999999999999999", "0.1e-400", "\u0663", "\u00b2", "\u2028", "\x85", "\x1c", "\u202e", "\ufeff", "\0"),
    *("\x1b[2J", "../../x", "/", "..", "\\", "x" * 3000, "a b", "-->", "<v ", "&#55296;", "&#x110000;"),
    *(
        "&#" + "9" * 5000 + ";",
        "%",
        "(",
        ")",
        "[",
        "]",
        "<a>",
        "<a> = <a>",
        "*",
        "+",
        "|",
        ":",
        "#",
        '"',
        '""',
        "{",
        "}",
    ),
    *("\t", "\r", "\r\n", "\n\n", ",", "  ", "\\data\\", "\\1-grams:", "--- ", "&a [*a]", "<<: *a", "!!python/name:os"),
    *("00:00:01,000 --> 00:00:02,000", "99:99:99.999", "[" * 3000, "(" * 3000, "{" * 3000, "- " * 3000, '{"a":' * 3000),
)
YAML_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghijkl")
)


def mutate(content: bytes, rng: random.Random, seeds: Sequence[bytes] = (), depth: int = 0) -> bytes:
    """A mutated copy of a file; the same for the same state of `rng`.

    Args:
        seeds: Other valid files, of which pieces are taken.
        depth: How many containers it is in.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        kinds: list[Callable[[bytes, random.Random], bytes | None]] = [_bytes, _bytes, _tokens, _tokens, _lines, _json]
        if depth < 2:
            kinds += [_container] * 6 if _is_container(content) else []
        if seeds and rng.random() < 0.1:
            content = _splice(content, rng.choice(seeds), rng)
            continue
        content = rng.choice(kinds)(content, rng) or content
    return content if rng.random() > 0.01 else rng.choice((b"", content[:1], YAML_BOMB.encode(), content * 20))


def _bytes(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content or b"\0")
    at = rng.randrange(len(data))
    length = min(rng.choice((1, 1, 2, 4, 8, 64, 1000)), len(data) - at)
    match rng.randrange(8):
        case 0:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            data[at : at + length] = rng.randbytes(length)
        case 2:
            data[at : at + length] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
        case 5:
            del data[at:]
        case 6:
            number = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
            size = rng.choice((1, 2, 4, 8))
            data[at : at + size] = (number % 256**size).to_bytes(size, rng.choice(("little", "big")))
        case _:
            other = rng.randrange(len(data))
            data[at : at + length] = data[other : other + length]
    return bytes(data[:MAX_BYTES])


def _splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return (content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :])[:MAX_BYTES]


def _tokens(content: bytes, rng: random.Random) -> bytes | None:
    """Replaces a word or number, or puts a token before it."""
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r"[\w.+-]+|[^\w\s]", text[:20_000]))
    if not found:
        return None
    where, token = rng.choice(found), rng.choice(TOKENS)
    if rng.random() < 0.2:
        token = rng.choice(found)[0]
    kept = where[0] if rng.random() < 0.2 else ""
    text = text[: where.start()] + token + kept + text[where.end() :]
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")[:MAX_BYTES]


def _lines(content: bytes, rng: random.Random) -> bytes | None:
    lines = content.split(b"\n")
    if len(lines) < 2:
        return None
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines[at], lines[other] = lines[other], lines[at]
        case 2:
            lines[at:at] = [lines[other]] * rng.choice((1, 2, 2000))
        case 3:
            lines[at] = rng.choice(TOKENS).encode("utf-8", "replace")
        case _:
            lines[at] += lines[other]
    return rng.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r")).join(lines)[:MAX_BYTES]


def _json(content: bytes, rng: random.Random) -> bytes | None:
    """Replaces, removes or repeats a node of JSON, or of one of its lines."""
    try:
        return _dumped(_with_other_node(json.loads(content), rng))
    except (ValueError, RecursionError):
        lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    try:
        lines[at] = _dumped(_with_other_node(json.loads(lines[at]), rng))
    except (ValueError, RecursionError):
        return None
    return b"\n".join(lines)[:MAX_BYTES]


def _with_other_node(data: Any, rng: random.Random) -> Any:
    nodes = list(_places(data))
    if not nodes:
        return rng.choice(NODES)
    parent, key = rng.choice(nodes)
    if rng.random() < 0.15:
        del parent[key]
    elif rng.random() < 0.2:
        other, other_key = rng.choice(nodes)
        parent[key] = json.loads(json.dumps(other[other_key]))
    elif rng.random() < 0.1 and isinstance(parent, dict):
        parent[rng.choice(("", "x", "\ud800", "__class__", "version", "9" * 200))] = parent.pop(key)
    else:
        parent[key] = rng.choice(NODES)
    return data


def _places(data: Any) -> "list[tuple[Any, Any]]":
    places, todo = [], [data]
    while todo and len(places) < 5000:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            todo.append(node[key])
    return places


def _dumped(data: Any) -> bytes:
    text = json.dumps(data)
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"', raw)
    return text.replace(f'"{_DEEP}"', "[" * 50_000 + "]" * 50_000).encode()


def _is_container(content: bytes) -> bool:
    return content[:4] == b"PK\x03\x04" or content[257:262] == b"ustar" or content[8:9] == b"{"


def _container(content: bytes, rng: random.Random) -> bytes | None:
    """Mutates what is inside, and closes the container properly."""
    try:
        if content[:4] == b"PK\x03\x04":
            return _in_zip(content, rng)
        if content[257:262] == b"ustar":
            return _in_tar(content, rng)
        return _in_safetensors(content, rng)
    except Exception:  # it is damaged already
        return None


def _in_zip(content: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    at, made = rng.randrange(len(members)), io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, (info, data) in enumerate(members):
            if number == at and rng.random() < 0.1:
                continue
            archive.writestr(info, _member(data, rng) if number == at else data)
    return made.getvalue()


def _member(data: bytes, rng: random.Random) -> bytes:
    if data[:6] == b"\x93NUMPY" and rng.random() < 0.5:  # another shape or type than there are data for
        new = rng.choice((b"(99999999999999, 96, 96)", b"(-1, 96, 96)", b"(3000000000,)", b"()", b"(0, 96, 96)"))
        data = re.sub(rb"'shape': \([^)]*\)", b"'shape': " + new, data, count=1)
        return re.sub(rb"'\|u1'", rng.choice((b"'|u1'", b"'|O'", b"'<f8'", b"'<U9999999'")), data, count=1)
    return mutate(data, rng, depth=1)


def _in_tar(content: bytes, rng: random.Random) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = [(info, file.read()) for info in tar if (file := tar.extractfile(info))]
    at, made = rng.randrange(len(members)), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for number, (info, data) in enumerate(members):
            if number == at:
                data = mutate(data, rng, depth=1)
                if rng.random() < 0.1:
                    info.name = rng.choice(("../x", "/etc/x", "x" * 300, "a\nb", info.name + ".json"))
                if rng.random() < 0.05:
                    info.type, info.linkname = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE)), "/etc"
                    data = b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def _in_safetensors(content: bytes, rng: random.Random) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], bytearray(content[8 + length :])
    if rng.random() < 0.3 and len(data) >= 8:
        at = rng.randrange(len(data) - 7) // 4 * 4
        data[at : at + 4] = rng.choice((b"\xff" * 4, b"\0\x7c\0\x7c", b"\0\0\x80\x7f", b"\0\xfc\0\xfc"))
        return content[: 8 + length] + bytes(data)
    header = mutate(header, rng, depth=2)
    return len(header).to_bytes(8, "little") + header + bytes(data)
