"""How a talker speaks and looks: clearly, as the tables of sounds say, or as people do whose lips were measured.

`clear` has the targets of `visemes.py`, set by eye. `natural` has targets, dominances and durations that were fitted
to the tracked lips of six speakers of GRID (`assets/talker/mouths.json`; `benchmarks/mouths.py` makes it), and mouths
drawn after theirs. `careful` is the same people speaking so that one can follow: larger, slower and steadier.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.talker.visemes import CONTROLS, VISEMES, Viseme
from lipscribe.units import Seconds

TABLE = Path(__file__).parent.parent / "assets" / "talker" / "mouths.json"
MANNERS = ("clear", "natural", "careful")
"""The manners of speaking by name."""

# How far a control is anticipated and carried over: lips round early and stay round, the tongue is quick.
REACH: dict[str, tuple[Seconds, Seconds]] = {
    "gap": (0.034, 0.036),
    "width": (0.055, 0.050),
    "round": (0.060, 0.050),
    "jaw": (0.045, 0.050),
    "tuck": (0.026, 0.026),
    "press": (0.024, 0.024),
    "bare": (0.035, 0.035),
    "tip": (0.028, 0.030),
    "out": (0.024, 0.024),
}
_FITTED = ("gap", "width", "jaw")  # the controls that landmarks show
_AT_REST = ("rest", "ready", "after")
_STEADIER, _SLOWER, _LARGER = 0.4, 1.2, 1.5  # what care does to people's speech


@dataclass(frozen=True)
class Unevenness:
    """How a control differs from take to take, and from moment to moment.

    Attributes:
        spread: Standard deviation, in units of the control; of the gap, as a share of it.
        time: How long a deviation lasts.
    """

    spread: float
    time: Seconds


@dataclass(frozen=True)
class Manner:
    """A manner of speaking.

    Attributes:
        name: One of `MANNERS`.
        visemes: Targets and dominances of each visual class; with "ready" and "after" the lips are shown on their way
            from and to rest.
        reach: For each control, seconds of anticipation and of carrying over.
        shares: By visual class, its phonemes' part of a word's time as a multiple of Klatt's rules; 1 if not named.
        lengths: By visual class, how long its phonemes make a word as a multiple of these rules; 1 if not named.
        tempo: How fast words are said, as a multiple of these rules and of the person's own tempo.
        tempo_spread: How that varies between people: standard deviation of its logarithm.
        plateau: Share of a phoneme's length in which its pull is full.
        closed: The same where lips close, within an utterance and as its first sound.
        effort: How far this manner moves, as a multiple of the person's own.
        effort_spread: How that varies between people and between takes: standard deviations of its logarithm.
        unevenness: By control.
        weak_forms: Largest share of small words that somebody says without their full vowel.
        measured: Whether mouths are drawn as measured ones are.
    """

    name: str
    visemes: Mapping[str, Viseme]
    reach: Mapping[str, tuple[Seconds, Seconds]]
    shares: Mapping[str, float] = field(default_factory=dict)
    lengths: Mapping[str, float] = field(default_factory=dict)
    tempo: float = 1.0
    tempo_spread: float = 0.0
    plateau: float = 0.3
    closed: tuple[float, float] = (0.3, 0.3)
    effort: float = 1.0
    effort_spread: tuple[float, float] = (0.0, 0.0)
    unevenness: Mapping[str, Unevenness] = field(default_factory=dict)
    weak_forms: float = 0.0
    measured: bool = False

    def moves_unevenly(self, controls: np.ndarray, fps: float, rng: np.random.Generator) -> np.ndarray:
        """The controls (T, 9) float32 as they come out in one take: no two are the same, and closed lips are closed."""
        uneven = controls.copy()
        for name, how in self.unevenness.items():
            column = CONTROLS.index(name)
            wander = how.spread * _wander(len(controls), how.time * fps, rng)
            if name == "gap":
                uneven[:, column] *= np.where(controls[:, column] > 0, np.exp(wander), 1)
            else:
                uneven[:, column] += wander
        return uneven.astype(np.float32)


def manner_of(name: str) -> Manner:
    """The manner of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in MANNERS:
        raise ConfigError(f"manner is {name!r}, wanted one of: {', '.join(MANNERS)}")
    return _manners()[name]


CLEAR = Manner("clear", VISEMES, REACH)


@functools.cache
def _manners() -> dict[str, Manner]:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    natural = Manner(
        name="natural",
        visemes={name: _viseme(name, numbers) for name, numbers in table["classes"].items()},
        reach=REACH | {control: tuple(table["reach"][control]) for control in _FITTED},
        shares={name: numbers["share"] for name, numbers in table["classes"].items()},
        lengths={name: numbers["length"] for name, numbers in table["classes"].items()},
        tempo=table["tempo"],
        tempo_spread=table["spread"]["tempo"],
        plateau=table["plateau"],
        closed=tuple(table["closed"]),
        effort_spread=(table["spread"]["people"], table["spread"]["takes"]),
        unevenness={name: Unevenness(*numbers) for name, numbers in table["unevenness"].items()},
        weak_forms=1.0,
        measured=True,
    )
    careful = replace(
        natural,
        name="careful",
        weak_forms=0.0,
        tempo=natural.tempo / _SLOWER,
        effort=_LARGER,
        effort_spread=(0.5 * natural.effort_spread[0], 0.5 * natural.effort_spread[1]),
        unevenness={n: Unevenness(_STEADIER * each.spread, each.time) for n, each in natural.unevenness.items()},
    )
    return {"clear": CLEAR, "natural": natural, "careful": careful}


def _viseme(name: str, numbers: Mapping[str, Any]) -> Viseme:
    """Measured where landmarks show it; tongue, teeth and rounding are as in `clear`."""
    by_eye = {} if name in _AT_REST else VISEMES[name].targets
    targets = {control: target for control, target in by_eye.items() if control not in _FITTED}
    targets |= {control: (numbers[control][0], numbers[control][1]) for control in _FITTED}
    return Viseme(VISEMES[name].phonemes if name in VISEMES else (), targets)


def _wander(number: int, frames: float, rng: np.random.Generator) -> np.ndarray:
    """(T,) noise of standard deviation 1 that is alike for about so many frames."""
    reach = int(np.ceil(3 * frames)) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(frames, 1e-3)) ** 2)
    noise = rng.standard_normal(number + 2 * reach)
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()), mode="valid")
