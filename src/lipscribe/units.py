"""Conversions between seconds and frames, in one place."""

Seconds = float

MODEL_FPS = 25.0  # Hz: the rate of GRID, of published lip-reading models and of ours


def frame_to_seconds(frame_idx: float, fps: float) -> Seconds:
    """Start time of frame `frame_idx` (from 0, fractions allowed)."""
    return frame_idx / fps


def seconds_to_frame(seconds: Seconds, fps: float) -> int:
    """Index of the frame whose start is nearest to `seconds`; halves round up."""
    return int(seconds * fps + 0.5)
