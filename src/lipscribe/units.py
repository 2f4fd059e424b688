"""Seconds and frames: the only place where one becomes the other."""

Seconds = float

MODEL_FPS = 25.0  # Hz: the rate of GRID and of every published lip-reading model, and so of ours.


def frame_to_seconds(frame_idx: float, fps: float) -> Seconds:
    """Time at which frame `frame_idx` (a count from 0; a fraction is allowed) begins."""
    return frame_idx / fps


def seconds_to_frame(seconds: Seconds, fps: float) -> int:
    """Index of the frame whose beginning is nearest to `seconds`; halves go to the later frame."""
    return int(seconds * fps + 0.5)
