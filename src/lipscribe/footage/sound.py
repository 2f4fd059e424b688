"""The sound of a part of a film: how loud it is over time, and where somebody may be speaking."""

import contextlib
import os
from collections.abc import Iterator

import av
import av.container
import av.error
import numpy as np

from lipscribe.units import Seconds
from lipscribe.video.source import open_sound

SAMPLE_RATE = 16_000  # Hz: what speech recognisers take
ENVELOPE_HZ = 100.0
SEEK_MARGIN: Seconds = 1.0

# Of the levels of a part: its pauses, and its loudest moments. Speech rises 25 to 40 dB over a room.
_FLOOR_PERCENTILE, _PEAK_PERCENTILE = 10, 98
SILENT_DB = -65.0  # a film whose loudest moments are below this has no sound
MIN_RANGE_DB = 12.0  # less between the two is a steady noise or silence
_THRESHOLD_SHARE = 0.35  # of the way from the floor to the peak
MIN_SPEECH: Seconds = 0.12  # shorter sounds are clicks
MIN_PAUSE: Seconds = 0.16  # shorter silences are closures of p, t, k


def read_sound(path: str | os.PathLike[str], start: Seconds, end: Seconds) -> np.ndarray | None:
    """The samples of a part of a file's sound.

    Args:
        start, end: From the file's start, as `Video` counts.

    Returns:
        (N,) float32 at 16 kHz, -1 to 1, one channel, silent where the file has no sound; None where the file has no
        sound that can be decoded at all.
    """
    with contextlib.suppress(av.FFmpegError), open_sound(path) as opened:
        if opened is None:
            return None
        container, stream, origin = opened
        samples = np.zeros(round((end - start) * SAMPLE_RATE), np.float32)
        if start > SEEK_MARGIN:
            container.seek(int((start - SEEK_MARGIN + origin) * av.time_base))
        for at, piece in _pieces(container, stream, origin):
            first = round((at - start) * SAMPLE_RATE)
            if first >= len(samples):
                break
            low, high = max(first, 0), min(first + len(piece), len(samples))
            if low < high:
                samples[low:high] = piece[low - first : high - first]
        return samples
    return None


def _pieces(
    container: av.container.InputContainer, stream: av.AudioStream, origin: Seconds
) -> Iterator[tuple[Seconds, np.ndarray]]:
    """Decoded samples at 16 kHz, each piece with the time of its first one."""
    resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:  # damaged: what follows is read
            continue
        for frame in frames:
            for out in resampler.resample(frame):
                if out.pts is not None and out.time_base is not None:
                    yield float(out.pts * out.time_base) - origin, out.to_ndarray()[0]


def envelope(samples: np.ndarray) -> np.ndarray:
    """How loud the sound is: (N,) float32 samples at 16 kHz -> (T,) float32 decibels at 100 Hz."""
    hop = round(SAMPLE_RATE / ENVELOPE_HZ)
    steps = len(samples) // hop
    if not steps:
        return np.zeros(0, np.float32)
    energy = (samples[: steps * hop].reshape(steps, hop) ** 2).mean(1)
    energy = np.convolve(energy, np.hanning(7)[1:-1] / np.hanning(7).sum(), "same")
    return (10 * np.log10(energy + 1e-9)).astype(np.float32)


def is_silent(levels: np.ndarray) -> bool:
    """Whether there is nothing to be heard: levels (T,) float32 decibels."""
    return not len(levels) or float(np.percentile(levels, _PEAK_PERCENTILE)) < SILENT_DB


def sounding(levels: np.ndarray) -> list[tuple[Seconds, Seconds]]:
    """Where the sound is clearly louder than its pauses: (start, end) of each stretch, seconds.

    It may be speech, or music, or a door: whose mouth moves with it is told elsewhere.
    """
    if not len(levels):
        return []
    floor, peak = np.percentile(levels, [_FLOOR_PERCENTILE, _PEAK_PERCENTILE])
    if peak - floor < MIN_RANGE_DB:
        return []
    return stretches(levels > floor + _THRESHOLD_SHARE * (peak - floor), ENVELOPE_HZ, MIN_SPEECH, MIN_PAUSE)


def stretches(active: np.ndarray, fps: float, min_length: Seconds, min_pause: Seconds) -> list[tuple[Seconds, Seconds]]:
    """The stretches of a (T,) bool: pauses shorter than `min_pause` are bridged, then short stretches left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    found: list[tuple[Seconds, Seconds]] = []
    for first, stop in edges.reshape(-1, 2) / fps:
        if found and first - found[-1][1] < min_pause:
            found[-1] = (found[-1][0], float(stop))
        else:
            found.append((float(first), float(stop)))
    return [(start, end) for start, end in found if end - start >= min_length]
