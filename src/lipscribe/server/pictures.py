"""Pictures from clients: their size is read from the header before they are decoded."""

import struct

import numpy as np

from lipscribe.errors import LipscribeError
from lipscribe.mouth import CROP_SIZE

MIN_SIDE = 32  # px; a face of less cannot be found
_JPEG_SIZES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # start of frame


class PictureError(LipscribeError):
    """A picture is damaged, too large or too small."""


def decode_frame(data: bytes, max_pixels: int) -> np.ndarray:
    """A JPEG, PNG or WebP -> (H, W, 3) uint8 RGB.

    Raises:
        PictureError: It is none of these, damaged, or its size is out of range.
    """
    width, height = _size(data)
    if width * height > max_pixels:
        raise PictureError(
            f"a frame is {width}x{height}, over {max_pixels / 1e6:.1f} megapixels, the limit here: send smaller ones"
        )
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"a frame is {width}x{height}: send at least {MIN_SIDE}x{MIN_SIDE}")
    return np.ascontiguousarray(_decode(data, grey=False)[..., ::-1])


def decode_crop(data: bytes) -> np.ndarray:
    """A JPEG, PNG or WebP of a mouth crop -> (96, 96) uint8.

    Raises:
        PictureError: It is none of these, damaged, or of another size.
    """
    if (size := _size(data)) != (CROP_SIZE, CROP_SIZE):
        raise PictureError(f"a crop is {size[0]}x{size[1]}: send {CROP_SIZE}x{CROP_SIZE}")
    return _decode(data, grey=True)


def _decode(data: bytes, grey: bool) -> np.ndarray:
    import cv2

    kind = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        picture = None
    if picture is None:
        raise PictureError("a picture is damaged: send whole JPEG, PNG or WebP files")
    return picture


def _size(data: bytes) -> tuple[int, int]:
    """Width and height, as the header has them."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack(">II", data[16:24])
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            width, height = _webp_size(data)
        elif data[:2] == b"\xff\xd8":
            width, height = _jpeg_size(data)
        else:
            raise PictureError("a picture is no JPEG, PNG or WebP: send one of these after the 8 bytes of its time")
    except (struct.error, IndexError):
        raise PictureError("a picture ends in its header: send whole JPEG, PNG or WebP files") from None
    return width, height


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    raise struct.error
