"""Transcripts as pictures: a captioned video, and the mouth at each word."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from lipscribe.figures import ACCENT, FAINT, INK, MUTED, Page, rated_color, rgb, shortened
from lipscribe.transcript import Transcript, Word
from lipscribe.units import seconds_to_frame

MAX_WORDS = 40  # that fit on a page
ROW_WORDS = 8
CROPS_PER_WORD = 3

_CELL, _GAP, _MARGIN = 1.62, 0.14, 0.4  # inches
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
    width = 2 * _MARGIN + ROW_WORDS * (_CELL + _GAP) - _GAP
    row_height = _CELL / CROPS_PER_WORD + 0.95
    page = Page(width, 2 * _MARGIN + 0.85 + len(rows) * row_height)
    page.text(_MARGIN, _MARGIN, f"read: {shortened(transcript.text, 110)}", size=14, weight="bold")
    if said is not None:
        page.text(_MARGIN, _MARGIN + 0.36, f"said: {shortened(said, 130)}", size=11, color=MUTED)
    for row, row_words in enumerate(rows):
        top = _MARGIN + 0.85 + row * row_height
        for column, word in enumerate(row_words):
            times = np.linspace(word.start, word.end, CROPS_PER_WORD + 2)[1:-1]
            shown = [seconds_to_frame(time, fps) - first_frame for time in times]
            _draw_word(page, _MARGIN + column * (_CELL + _GAP), top, word, crops[np.clip(shown, 0, len(crops) - 1)])
    page.save(path)


def _draw_word(page: Page, left: float, top: float, word: Word, crops: np.ndarray) -> None:
    color = rated_color(word.probability)
    page.text(left, top, shortened(word.text, 14), size=13, weight="bold", color=INK)
    page.text(left + _CELL, top + 0.04, f"{word.probability:.0%}", size=9, color=color, ha="right")
    bar = page.axes(left, top + 0.3, _CELL, 0.06, bare=True)
    bar.barh([0, 0], [1, word.probability], color=[FAINT, color], height=1)
    bar.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    side = _CELL / CROPS_PER_WORD
    for i, crop in enumerate(crops):
        axes = page.axes(left + i * side, top + 0.42, side, side, bare=True)
        axes.imshow(crop, cmap="gray", vmin=0, vmax=255, aspect="auto")
    page.text(left, top + 0.47 + side, f"{word.start:.2f} to {word.end:.2f} s", size=8.5, color=MUTED)


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
        color = rgb(ACCENT) if word.start <= now < word.end else rgb(INK)
        text = "".join(c if c.isascii() else "?" for c in word.text)  # what OpenCV's font has
        cv2.putText(band, text, (x, round(height * 0.66)), _FONT, scale, color, 1, cv2.LINE_AA)
        x += size + gap
