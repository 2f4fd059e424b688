"""What faces do that say nothing: rest, smile, chew, yawn, look away, nod.

A lip reader must give no words for these, and learns it from them (`lipscribe talk --corpus idle`). Movements and their
sizes are ours; the rates of chewing follow those that are usual (one to two strokes a second).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lipscribe.talker.performance import Performance
from lipscribe.talker.visemes import CONTROLS
from lipscribe.units import Seconds

Movement = Callable[[Performance, np.ndarray, np.random.Generator], Performance]


def still(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """Lips at rest; head and lids move."""
    return shown


def smiling(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """A smile that comes and goes, every second one with the teeth seen."""
    open_by = rng.choice([0.0, 0.4])
    size = rng.uniform(0.6, 1.2)
    share = size * _held(times, rng, 0.4)
    return _moved(shown, share, width=0.8, bare=open_by)


def chewing(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """A jaw that goes up and down behind lips that are closed, or, every fourth time, part a little."""
    begin = rng.uniform(0, 0.3) * times[-1]
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(1.0, 2.0) * (times - begin))
    share = rng.uniform(0.5, 1.3) * swing * (times > begin)
    part = rng.choice([0.0, 0.0, 0.0, 0.08])
    return _moved(shown, share, jaw=0.35, press=0.3, gap=part)


def yawning(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """The mouth opens wide for some seconds."""
    share = rng.uniform(0.6, 1.1) * _held(times, rng, 0.9)
    return _moved(shown, share, gap=0.7, jaw=0.9)


def looking_away(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """The head turns aside and comes back."""
    angle = np.radians(rng.choice([-1, 1]) * rng.uniform(12, 28))
    return replace(shown, yaw=(shown.yaw + _held(times, rng, 0.5) * angle).astype(np.float32))


def nodding(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """The head goes up and down as in saying yes, with closed lips."""
    swing = np.sin(2 * np.pi * rng.uniform(1.0, 1.8) * times) * (_held(times, rng, 0.3) > 0)
    pitch, y = shown.pitch + 0.12 * swing, shown.y + 0.1 * swing * shown.eyes_px
    return replace(shown, pitch=pitch.astype(np.float32), y=y.astype(np.float32))


def swallowing(shown: Performance, times: np.ndarray, rng: np.random.Generator) -> Performance:
    """Lips pressed together, or the lower one drawn in and wetted, for a moment."""
    share = _held(times, rng, 0.25) * rng.uniform(0.5, 1.0)
    if rng.random() < 0.5:
        return _moved(shown, share, press=0.9)
    return _moved(shown, share, gap=0.1, tip=1.0, out=0.8, jaw=0.1)


MOVEMENTS: dict[str, Movement] = {
    kind.__name__.replace("_", " "): kind
    for kind in (still, smiling, chewing, yawning, looking_away, nodding, swallowing)
}
"""The kinds of idle movement by name."""


def _held(times: np.ndarray, rng: np.random.Generator, fade: Seconds) -> np.ndarray:
    """(T,) from 0 to 1 and back, at a random place and for a random time."""
    duration = float(times[-1])
    begin = rng.uniform(0.02, 0.35) * duration
    end = rng.uniform(0.6, 0.98) * duration
    return np.clip(np.minimum(times - begin, end - times) / min(fade, (end - begin) / 2), 0, 1)


def _moved(shown: Performance, share: np.ndarray, **controls: float) -> Performance:
    changed = shown.controls.copy()
    for name, most in controls.items():
        changed[:, CONTROLS.index(name)] += most * share
    return replace(shown, controls=changed.astype(np.float32))
