"""Transcripts as pictures: a captioned video, and the mouth at each word."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from lipscribe.atomic import write_bytes
from lipscribe.figures import ACCENT, FAINT, INK, MUTED, rated_color, rgb, shortened
from lipscribe.transcript import Transcript, Word
from lipscribe.units import seconds_to_frame

MAX_WORDS = 40  # that fit on a page
ROW_WORDS = 8
CROPS_PER_WORD = 3

_CELL, _GAP, _MARGIN, _HEAD = 195, 17, 48, 96  # px
_BAND = 0.14  # of the picture's height, under it, for the words
_LINE_WORDS = 100  # that fit in the band
_FONT = cv2.FONT_HERSHEY_DUPLEX


def draw_storyboard(
    crops: np.ndarray, transcript: Transcript, fps: float, path: Path, first_frame: int = 0, said: str | None = None
) -> None:
    """Writes a PNG: each word with its time, its probability, and the mouth at its start, middle and end.

    Args:
        crops: (T, 96, 96) uint8.
        transcript: The first 40 words are shown.
        fps: Rate of the crops in Hz.
        path: Output file.
        first_frame: Index in the video of the first crop.
        said: The reference text, if known.

    Raises:
        OSError: `path` cannot be written.
    """
    words = transcript.words[:MAX_WORDS]
    rows = [words[i : i + ROW_WORDS] for i in range(0, len(words), ROW_WORDS)] or [()]
    row_height = _CELL // CROPS_PER_WORD + 110
    width = 2 * _MARGIN + ROW_WORDS * (_CELL + _GAP) - _GAP
    page = np.full((2 * _MARGIN + _HEAD + len(rows) * row_height, width, 3), 255, np.uint8)
    _put(page, _MARGIN, _MARGIN + 20, f"read: {shortened(transcript.text, 100)}", 0.8, INK)
    if said is not None:
        _put(page, _MARGIN, _MARGIN + 56, f"said: {shortened(said, 120)}", 0.65, MUTED)
    for row, row_words in enumerate(rows):
        top = _MARGIN + _HEAD + row * row_height
        for column, word in enumerate(row_words):
            times = np.linspace(word.start, word.end, CROPS_PER_WORD + 2)[1:-1]
            shown = [seconds_to_frame(time, fps) - first_frame for time in times]
            _draw_word(page, _MARGIN + column * (_CELL + _GAP), top, word, crops[np.clip(shown, 0, len(crops) - 1)])
    encoded, png = cv2.imencode(".png", page[..., ::-1])
    assert encoded, "a page of any size can be encoded"
    write_bytes(path, png.tobytes())


def _draw_word(page: np.ndarray, left: int, top: int, word: Word, crops: np.ndarray) -> None:
    color = rated_color(word.probability)
    _put(page, left, top + 20, shortened(word.text, 11), 0.7, INK)
    percent = f"{word.probability:.0%}"
    _put(page, left + _CELL - cv2.getTextSize(percent, _FONT, 0.5, 1)[0][0], top + 20, percent, 0.5, color)
    bar, done = (top + 30, top + 36), left + round(_CELL * word.probability)
    page[slice(*bar), left : left + _CELL] = rgb(FAINT)
    page[slice(*bar), left:done] = rgb(color)
    side = _CELL // CROPS_PER_WORD
    for i, crop in enumerate(crops):
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        page[top + 44 : top + 44 + side, left + i * side : left + (i + 1) * side] = small[..., None]
    _put(page, left, top + 62 + side, f"{word.start:.2f} to {word.end:.2f} s", 0.45, MUTED)


def _put(picture: np.ndarray, x: int, y: int, text: str, scale: float, color: str) -> None:
    """Writes text whose baseline is at y; OpenCV's font is ASCII."""
    text = "".join(c if c.isascii() else "?" for c in text)
    cv2.putText(picture, text, (x, y), _FONT, scale, rgb(color), 1, cv2.LINE_AA)


def caption_frames(frames: Iterable[np.ndarray], words: Sequence[Word], fps: float) -> Iterator[np.ndarray]:
    """Adds a band under each frame in which the words appear as they are read, the current one in colour.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        words: In order of time.
        fps: Rate of the frames in Hz.

    Yields:
        (H + band, W, 3) uint8 RGB.
    """
    starts = [word.start for word in words]
    for frame_idx, frame in enumerate(frames):
        height, width = frame.shape[:2]
        band = np.full((max(24, round(_BAND * height) // 2 * 2), width, 3), 255, np.uint8)
        now = (frame_idx + 0.5) / fps
        begun = bisect_right(starts, now)
        _write_words(band, words[max(0, begun - _LINE_WORDS) : begun], now)
        yield np.concatenate([frame, band])


def _write_words(band: np.ndarray, words: Sequence[Word], now: float) -> None:
    height, width = band.shape[:2]
    scale = height / 60
    gap = round(14 * scale)
    sizes = [cv2.getTextSize(word.text, _FONT, scale, 1)[0][0] for word in words]
    first = len(words)  # the last words that fit on the line
    while first > 0 and sum(sizes[first - 1 :]) + gap * (len(words) - first) <= width - 2 * gap:
        first -= 1
    x = gap
    for word, size in zip(words[first:], sizes[first:], strict=True):
        color = ACCENT if word.start <= now < word.end else INK
        _put(band, x, round(height * 0.66), word.text, scale, color)
        x += size + gap
