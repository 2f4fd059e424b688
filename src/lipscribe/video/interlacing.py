"""Interlaced pictures: two moments woven into one, line by line; found where they are not marked, and made whole."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import av
import av.error
import av.filter
import numpy as np
from av.video.reformatter import VideoReformatter

FieldOrder = Literal["tff", "bff"]  # top field first, bottom field first

MOST_PIXELS = 20_000  # that are looked at of a picture in which more move
COLUMNS = 160  # of wider pictures so many are looked at, or up to twice as many; all lines
# Levels are those of stored luma, of which there are 219 in most video.
MOVED = 10  # levels by which a pixel that moves differs from the picture before or after
COMB = 74  # levels squared: a pixel darker, or lighter, than both neighbours above and below by 8.6 each
LUMA_FIRST = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"}  # plane 0, 8 bits
MIN_COMBED = 50  # pixels; fewer are no basis for a decision
REPEATED = 0.2  # of the pixels that move on one side of a picture: with fewer on the other, it is there twice
# Each picture's odd lines are replaced by those of the picture before and of that after. Of whole pictures both show
# as many more combed pixels than the picture itself (3.5 to 30 times on GRID and talkers; once, where all is noise).
# Of woven ones, one of the two is no further away in time than the picture's own odd lines are: 0.9 to 1.7 times, and
# the other 2.2 times or more.
AS_NEAR, FURTHER = 2.2, 1.6


def _build(picture: av.VideoFrame, *filters: tuple[str, dict[str, str]]) -> av.filter.Graph:
    """A chain of filters for pictures of this kind."""
    graph = av.filter.Graph()
    last = graph.add(
        "buffer",
        video_size=f"{picture.width}x{picture.height}",
        pix_fmt=picture.format.name,
        time_base=str(picture.time_base),
        colorspace=str(int(picture.colorspace)),
        range=str(int(picture.color_range)),
    )
    for name, options in [*filters, ("buffersink", {})]:
        node = graph.add(name, **options)
        last.link_to(node)
        last = node
    graph.configure()
    return graph


def _pull(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):  # wants more; has no more
        while True:
            yield graph.vpull()


class WovenDetector:
    """Tells interlaced pictures that are not marked as such, by which of their neighbours' lines fit as well."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # kept: making one takes as long as its work
        self._triple: list[np.ndarray] = []
        self._combed = np.zeros(3, int)  # pixels: as it is, with the odd lines of the picture before, and after

    def push(self, picture: av.VideoFrame) -> None:
        """Looks at one more picture; those that are marked are none of its business."""
        if picture.interlaced_frame:
            self._triple.clear()
            return
        grey = self._luma(picture)
        if self._triple and self._triple[-1].shape != grey.shape:
            self._triple.clear()
        self._triple.append(grey)
        if len(self._triple) == 3:
            before, now, after = self._triple
            moved = [np.maximum(now, other) - np.minimum(now, other) > MOVED for other in (before, after)]
            if not _has_repeated(moved):
                self._combed += _combed_pixels(before, now, after, moved[0] | moved[1])
            del self._triple[:2]

    def _luma(self, picture: av.VideoFrame) -> np.ndarray:
        """Some columns of the luma, (H, W') uint8: as it is stored, or converted where it is not stored by itself."""
        if picture.format.name not in LUMA_FIRST or picture.planes[0].line_size < 0:  # stored bottom up
            picture = self._reformatter.reformat(picture, format="gray", threads=1)  # to start threads takes longer
        plane = picture.planes[0]
        lines = np.frombuffer(plane, np.uint8).reshape(picture.height, plane.line_size)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return np.ascontiguousarray(lines[:, : picture.width : max(1, picture.width // COLUMNS)])

    def field_order(self) -> FieldOrder | None:
        """Which field comes first, None where the pictures are whole or too little moves."""
        own, before, after = self._combed
        nearer = min(before, after)
        if own < MIN_COMBED or nearer > AS_NEAR * own or max(before, after) < FURTHER * nearer:
            return None
        return "tff" if before < after else "bff"


def _has_repeated(moved: list[np.ndarray]) -> bool:
    """Whether a neighbour is the same picture again, as where 25 a second are in a file of 50: its lines fit always.

    Args:
        moved: (H, W) bool, which pixels differ from the picture before, and from the one after.
    """
    counts = [int(np.count_nonzero(each)) for each in moved]
    return min(counts) < REPEATED * max(counts)


def _combed_pixels(before: np.ndarray, now: np.ndarray, after: np.ndarray, moved: np.ndarray) -> list[int]:
    """How many moving pixels differ from the lines above and below, in `now` and with the others' odd lines."""
    width = now.shape[1]
    places = np.flatnonzero(moved[1:-1]) + width  # these alone are looked at: of a speaker few move
    places = places[:: -(-len(places) // MOST_PIXELS) or 1]
    is_odd = places // width % 2 == 1
    odd, even = places[is_odd], places[~is_odd]
    whole, upper, lower = now.take(even), now.take(odd - width), now.take(odd + width)
    return [
        _combed(other.take(odd), upper, lower) + _combed(whole, other.take(even - width), other.take(even + width))
        for other in (now, before, after)
    ]


def _combed(own: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> int:
    """How many pixels differ from those above and below, in the same direction."""
    own = own.astype(np.int32)
    return int(np.count_nonzero((own - upper) * (own - lower) > COMB))


class Deinterlacer:
    """Makes one whole picture of the two half pictures of each interlaced one; others pass untouched.

    The filter starts with the first interlaced picture, so that ordinary video costs nothing.

    Args:
        woven: Which field comes first in pictures that are not marked but interlaced all the same; None if those that
            are not marked are whole.
    """

    def __init__(self, woven: FieldOrder | None = None) -> None:
        self._woven = woven
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """The pictures that are done once this one is there."""
        kind = (picture.width, picture.height, picture.format.name)
        if self._graph is not None and kind != self._kind:
            yield from self.flush()
        if self._graph is None:
            if not picture.interlaced_frame and self._woven is None:
                yield picture
                return
            which = {"deint": "interlaced"} if self._woven is None else {"deint": "all", "parity": self._woven}
            self._graph, self._kind = _build(picture, ("bwdif", {"mode": "send_frame", **which})), kind
        self._graph.push(picture)
        yield from _pull(self._graph)

    def flush(self) -> Iterator[av.VideoFrame]:
        """The pictures that are left."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pull(self._graph)
            self._graph = None
