"""Ways to damage a file: each takes its bytes and a source of chance, and gives other bytes."""

import random
import re
import struct
from collections.abc import Callable, Sequence

Mutation = Callable[[bytearray, random.Random], bytearray]

HEADER = 600  # bytes in which most formats say what they are
MAX_BYTES = 4_000_000  # of a mutated file
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FLOATS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e300, 1e-300)
TEXTS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    b'<?xml version="1.0"?><MPD type="static"><Period><BaseURL>/etc/hostname</BaseURL></Period></MPD>',
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    b"../../../../etc/hostname\0",
    b"\r\n\r\n",
    "‮‏\ud7ff".encode() + b"\xff\xfe\x1b[31m",
    b"%s%n%s%n",
)
_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}")


def _place(content: bytearray, chance: random.Random) -> int:
    """Somewhere in the file, every second time in its header."""
    if not content:
        return 0
    return chance.randrange(min(HEADER, len(content)) if chance.random() < 0.5 else len(content))


def _chunk(content: bytearray, chance: random.Random) -> tuple[int, int]:
    start = _place(content, chance)
    return start, min(len(content), start + int(2 ** chance.uniform(0, 14)))


def flip_bits(content: bytearray, chance: random.Random) -> bytearray:
    """Flips 1 to 64 bits."""
    for _ in range(int(2 ** chance.uniform(0, 6)) if content else 0):
        content[_place(content, chance)] ^= 1 << chance.randrange(8)
    return content


def random_bytes(content: bytearray, chance: random.Random) -> bytearray:
    """Writes noise over a stretch."""
    start, stop = _chunk(content, chance)
    content[start:stop] = chance.randbytes(stop - start)
    return content


def truncate(content: bytearray, chance: random.Random) -> bytearray:
    """Cuts the end off."""
    return content[: chance.randrange(len(content) + 1)]


def delete(content: bytearray, chance: random.Random) -> bytearray:
    """Leaves a stretch out."""
    start, stop = _chunk(content, chance)
    return content[:start] + content[stop:]


def duplicate(content: bytearray, chance: random.Random) -> bytearray:
    """Repeats a stretch up to 20 times."""
    start, stop = _chunk(content, chance)
    return content[:stop] + content[start:stop] * chance.randint(1, 20) + content[stop:]


def swap(content: bytearray, chance: random.Random) -> bytearray:
    """Exchanges two stretches."""
    (a, b), (c, d) = sorted((_chunk(content, chance), _chunk(content, chance)))
    b, c = min(b, c), max(b, c)
    return content[:a] + content[c : max(c, d)] + content[b:c] + content[a:b] + content[max(c, d) :]


def fill(content: bytearray, chance: random.Random) -> bytearray:
    """Writes one byte over a stretch."""
    start, stop = _chunk(content, chance)
    content[start:stop] = bytes([chance.choice((0, 0, 0xFF, 0x20))]) * (stop - start)
    return content


def number(content: bytearray, chance: random.Random) -> bytearray:
    """Writes an extreme whole number of 1 to 8 bytes, or one near what is there."""
    size, order = chance.choice((1, 2, 4, 4, 8)), chance.choice(("big", "little"))
    at = _place(content, chance) if chance.random() < 0.5 else _place(content, chance) & ~3
    there = int.from_bytes(content[at : at + size], order)
    new = there + chance.randint(-16, 16) if chance.random() < 0.3 else chance.choice(NUMBERS)
    content[at : at + size] = (new % 256**size).to_bytes(size, order)
    return content


def real(content: bytearray, chance: random.Random) -> bytearray:
    """Writes a number that is no rate: NaN, infinite, negative, tiny or huge."""
    at = _place(content, chance)
    made = struct.pack(chance.choice((">d", "<d")), chance.choice(FLOATS))
    content[at : at + len(made)] = made
    return content


def length_field(content: bytearray, chance: random.Random) -> bytearray:
    """Changes the four bytes before or after a name of four letters, where MP4, AVI and others have lengths."""
    tags = [found.start() for found in _TAG.finditer(bytes(content[:20_000]))]
    if not tags:
        return number(content, chance)
    at = max(0, chance.choice(tags) + chance.choice((-4, 4)))
    order = chance.choice((">I", "<I"))
    there = struct.unpack(order, bytes(content[at : at + 4]).ljust(4, b"\0"))[0]
    new = chance.choice((*NUMBERS, there + 1, there - 1, there * 2, there // 2, len(content)))
    content[at : at + 4] = struct.pack(order, new % 2**32)
    return content


def picture_size(content: bytearray, chance: random.Random) -> bytearray:
    """Changes the width or height, where they stand as 16 or 32 bits."""
    found = []
    for size in (160, 120, 176, 144, 128, 96):
        for order in (">H", "<H"):
            pattern = struct.pack(order, size)
            at = content.find(pattern)
            while at >= 0 and len(found) < 200:
                found.append((at, order))
                at = content.find(pattern, at + 1)
    if not found:
        return number(content, chance)
    at, order = chance.choice(found)
    content[at : at + 2] = struct.pack(order, chance.choice((0, 1, 2, 15, 4096, 8192, 16384, 32767, 65535)))
    return content


def text(content: bytearray, chance: random.Random) -> bytearray:
    """Inserts a playlist or another text, at the start or anywhere."""
    at = 0 if chance.random() < 0.3 else _place(content, chance)
    return content[:at] + chance.choice(TEXTS) + content[at:]


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, flip_bits, random_bytes, truncate, delete, duplicate, swap, fill),
    *(number, number, number, real, length_field, length_field, picture_size, text),
)


def mutate(content: bytes, others: Sequence[bytes], chance: random.Random) -> tuple[bytes, list[str]]:
    """A damaged copy, and the names of what was done to it.

    Args:
        content: The file.
        others: What it may be spliced with: callers give a few, chosen by the same chance.
        chance: Decides everything.
    """
    made, names = bytearray(content), list[str]()
    if others and chance.random() < 0.08:
        other = chance.choice(others)
        made = made[: _place(made, chance)] + other[chance.randrange(len(other)) :]
        names.append("splice")
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        mutation = chance.choice(MUTATIONS)
        made = mutation(made, chance)
        names.append(mutation.__name__)
    return bytes(made[:MAX_BYTES]), names
