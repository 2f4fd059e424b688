"""A short clip that is drawn while it is probed: a probe decodes most of it anyway."""

from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from lipscribe.video.blocks import Blocks
from lipscribe.video.canvas import Canvas, shown_size
from lipscribe.video.source import Clock

MAX_PICTURES = 100  # of a clip that is drawn at once: twice as many as a probe decodes


class Drawing(NamedTuple):
    """How a short clip is to be drawn.

    Attributes:
        max_side: As of a `Canvas`.
        max_bytes: What the frames of a clip may take.
    """

    max_side: int
    max_bytes: int


class DrawnPicture(NamedTuple):
    """What is left of a decoded picture: its times, as `av.VideoFrame` has them, and its frame (H, W, 3) uint8 RGB."""

    pts: int | None
    dts: int | None
    duration: int
    time_base: Fraction | None
    frame: np.ndarray


class DrawnClip:
    """Draws the pictures of a clip as they are decoded.

    It gives up where they are interlaced, of several sizes, or more than expected: these are drawn when they are read.
    Decoded pictures are not kept, so that the decoder can use their memory again.

    Attributes:
        pictures: Those drawn so far, in the order of display; empty if it gave up.
        size: Width and height of all of them, as of `shown_size`.
    """

    def __init__(self, aspect: float, drawing: Drawing):
        self.pictures: list[DrawnPicture] = []
        self.size: tuple[int, int] | None = None
        self.gave_up = False
        self._aspect = aspect
        self._drawing = drawing
        self._canvas: Canvas | None = None

    @classmethod
    def of(cls, stream: av.VideoStream, clock: Clock, aspect: float, drawing: Drawing) -> "DrawnClip | None":
        """One for a stream that is short by its headers; None for others."""
        rate = stream.guessed_rate or stream.average_rate
        num_pictures = stream.frames or ((clock.end - clock.first) * rate if clock.end and rate else 0)
        width, height = (min(side, drawing.max_side) for side in (stream.width, stream.height))
        fits = num_pictures * width * height * 3 <= drawing.max_bytes
        return cls(aspect, drawing) if 0 < num_pictures <= MAX_PICTURES and fits else None

    def add(self, picture: av.VideoFrame) -> None:
        """Draws one more picture."""
        if self.gave_up:
            return
        if self._canvas is None:
            self.size = shown_size(picture, self._aspect)
            self._canvas = Canvas(self._aspect, self.size, self._drawing.max_side, Blocks())
        try:
            frame = self._canvas.draw(picture)
        except av.FFmpegError:  # reading fails in the same way, and says so
            self.give_up()
            return
        num_pictures = len(self.pictures) + 1
        too_many = num_pictures > MAX_PICTURES or num_pictures * frame.nbytes > self._drawing.max_bytes
        if too_many or picture.interlaced_frame or self._canvas.num_fitted:
            self.give_up()
            return
        self.pictures.append(DrawnPicture(picture.pts, picture.dts, picture.duration, picture.time_base, frame))

    def give_up(self) -> None:
        """Lets go of what was drawn."""
        self.gave_up = True
        self.pictures = []
        self._canvas = None
