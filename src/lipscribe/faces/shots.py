"""Where one shot ends and the next begins."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

# Measured at 25 fps as `_change` gives it: a talking head at most 0.002 from frame to frame and 0.05 in 30 frames,
# noise 0.01, half the light 0.02; another person in the same pose and place 0.06 or more, an ordinary cut 0.5.
CUT_CHANGE = 0.04
CUT_RATIO = 3.0  # a cut changes the picture this many times more than the movement around it
REACH = 6  # frames looked at on either side: a stretch of 5, such as a flash, is no shot; sees movement at 8 fps too

_SIDE = 24  # px of the thumbnail
_FLAT = 8.0  # grey levels: a picture with less contrast than this is not blown up to full contrast
_NOTHING = 2.0  # grey levels: a picture with less contrast than this is a gap in the shot, not another shot


@dataclass
class _Seen:
    frame: np.ndarray | None
    thumbnail: np.ndarray
    change: float  # from the frame before


def mark_cuts(frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Tells of each frame whether a new shot begins with it.

    Looks a few frames ahead, so that a flash, a damaged frame or a sudden movement is not taken for a cut. After a
    stretch of black the picture is compared with the one before it. Cross-fades are not found.

    Args:
        frames: (H, W, 3) uint8 RGB each. The next few frames are taken before one is given out.

    Yields:
        Each frame with True where it is the first of a shot other than the first one.
    """
    past: deque[_Seen] = deque(maxlen=REACH)
    coming: deque[_Seen] = deque()
    last = np.zeros(3 * _SIDE**2, np.float32)
    is_begun = False
    previous: np.ndarray | None = None
    for frame in frames:
        is_held = frame is previous and not frame.flags.writeable  # as `Video` gives out a picture that stays
        thumbnail = None if is_held else _thumbnail(frame)
        previous, change = frame, 0.0
        if thumbnail is not None:
            change = _change(last, thumbnail) if is_begun else 0.0
            last, is_begun = thumbnail, True
        coming.append(_Seen(frame, last, change))
        if len(coming) > REACH:
            yield _give_out(past, coming)
    while coming:
        yield _give_out(past, coming)


def _give_out(past: deque[_Seen], coming: deque[_Seen]) -> tuple[np.ndarray, bool]:
    is_cut = _is_cut(past, coming)
    now = coming.popleft()
    past.append(now)
    frame, now.frame = now.frame, None  # of the past only the thumbnails are kept
    assert frame is not None
    return frame, is_cut


def _is_cut(past: deque[_Seen], coming: deque[_Seen]) -> bool:
    now, *later = coming
    if not past or now.change < CUT_CHANGE:
        return False
    # The largest change around may be another cut; the second largest is movement.
    others = sorted(seen.change for seen in (*past, *later))
    movement = others[-2] if len(others) > 1 else 0.0
    if now.change < CUT_RATIO * movement:
        return False
    before = past[-1]
    is_back = any(_change(seen.thumbnail, now.thumbnail) < CUT_CHANGE for seen in past)
    goes_back = any(_change(before.thumbnail, seen.thumbnail) < CUT_CHANGE for seen in later)
    return not is_back and not goes_back


def _thumbnail(frame: np.ndarray) -> np.ndarray | None:
    """The picture in small, freed of its brightness and contrast: (3 * 24 * 24,) float32; None if it shows nothing."""
    # Averaging every pixel of a large picture takes 3 ms.
    height, width = frame.shape[:2]
    step = max(1, min(height, width) // (3 * _SIDE))
    part = frame[: height - height % step, : width - width % step]
    few = cv2.resize(part, (width // step, height // step), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(few, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    pixels = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)
    mean, deviation = cv2.meanStdDev(pixels)
    contrast = float(deviation[0, 0])
    if contrast < _NOTHING:
        return None
    return ((pixels - mean[:, 0].astype(np.float32)) / np.float32(max(contrast, _FLAT))).ravel()


def _change(first: np.ndarray, second: np.ndarray) -> float:
    """How unlike two thumbnails are: 0 the same, about 1 nothing in common, at most 2."""
    difference = first - second
    # Without the constant the noise of two black pictures would be a change.
    return float(difference @ difference / (first @ first + second @ second + 0.2 * _SIDE**2))
