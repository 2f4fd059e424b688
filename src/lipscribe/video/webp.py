"""Animated WebP, which FFmpeg cannot decode: its pictures, copied into a container that it can."""

import io
import os
from fractions import Fraction

import av

from lipscribe.errors import VideoError

NAME = "animated WebP"  # of the container made of it
_MS = Fraction(1, 1000)
MAX_BYTES = 500_000_000  # of the copy, which is kept in memory
_DEFAULT_MS = 100  # how long browsers show a picture whose duration is 0


class _Container(io.BytesIO):
    name = NAME


def is_animated_webp(head: bytes) -> bool:
    """Whether a file with these first 21 bytes is one."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 2)


def webp_pixels(head: bytes) -> int:
    """How many pixels a picture of an animated WebP has, by the first 30 bytes of the file."""
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    return width * height


def transcode_webp(path: str | os.PathLike[str]) -> io.BytesIO:
    """The same pictures at the same times, lossless, in Matroska.

    Raises:
        VideoError: Pillow cannot read it.
    """
    from PIL import Image

    made = _Container()
    try:
        with Image.open(path, formats=["WEBP"]) as image, av.open(made, "w", format="matroska") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = *image.size, "bgr0"
            stream.codec_context.time_base = _MS
            at_ms = 0
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                image.load()
                picture = av.VideoFrame.from_image(image.convert("RGB"))
                picture.pts, picture.time_base = at_ms, _MS
                duration = round(image.info.get("duration") or _DEFAULT_MS)
                for packet in stream.encode(picture):
                    packet.duration = duration
                    container.mux(packet)
                at_ms += duration
                if made.tell() > MAX_BYTES:
                    raise VideoError(f"{path}: an animated WebP too large to be read whole; convert it to MP4")
            container.mux(stream.encode(None))
    except (
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:  # what Pillow raises at damage
        raise VideoError(f"{path}: an animated WebP that can't be read ({error}); convert it to MP4") from error
    made.seek(0)
    return made
