"""One person saying one thing: what mouth, head and lids do in every frame."""

from dataclasses import dataclass, replace

import numpy as np

from lipscribe.talker.coarticulation import USUAL, Habits, mouth_controls
from lipscribe.talker.face import NUM_LIDS
from lipscribe.talker.manners import CLEAR, Manner
from lipscribe.talker.natural_lips import Looks
from lipscribe.talker.person import Person
from lipscribe.talker.scene import Scene
from lipscribe.talker.timing import PhonemeTime
from lipscribe.units import Seconds

_BLINK = (0.06, 0.04, 0.1)  # seconds to shut, shut, to open
_NOD = 0.04  # eye distances that the head sinks and rises in speaking


@dataclass(frozen=True)
class Performance:
    """What one talker does.

    Attributes:
        person: Who.
        controls: (T, 9) float32, columns as in `CONTROLS`.
        x: (T,) float32 px, where the middle of the face is.
        y: (T,) float32 px.
        roll: (T,) float32 radians.
        yaw: (T,) float32 radians.
        pitch: (T,) float32 radians.
        lids: (T,) int, 0 open to `NUM_LIDS` - 1 shut.
        eyes_px: Distance of the eyes in pixels.
        light: Direction of the light, see `Face`.
        looks: Of a mouth that is drawn after measured ones; None where it is drawn clearly.
    """

    person: Person
    controls: np.ndarray
    x: np.ndarray
    y: np.ndarray
    roll: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    lids: np.ndarray
    eyes_px: float
    light: tuple[float, float, float]
    looks: Looks | None = None

    def lasting(self, num_frames: int) -> "Performance":
        """The same, held still at its end until it has so many frames."""
        rows = np.minimum(np.arange(num_frames), len(self.controls) - 1)
        arrays = ("controls", "x", "y", "roll", "yaw", "pitch", "lids")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def perform(
    person: Person,
    phonemes: list[PhonemeTime],
    num_frames: int,
    scene: Scene,
    rng: np.random.Generator,
    manner: Manner = CLEAR,
    looks: Looks | None = None,
    taken: np.random.Generator | None = None,
) -> Performance:
    """Moves a person: mouth by the phonemes, head and lids by chance.

    Args:
        rng: Of head and lids.
        manner: In which they speak.
        looks: Of their mouth, where the manner is measured.
        taken: By it one take's mouth differs from the next, where people's do.
    """
    times = (np.arange(num_frames) + 0.5) / scene.fps
    wander = person.restlessness * scene.head_motion
    sway = [wander * amount * _drift(times, rng) for amount in (0.05, 0.03, 0.025, 0.05, 0.035)]
    effort, habits = person.effort * manner.effort, USUAL
    if looks and taken:
        people, takes = manner.effort_spread
        effort = manner.effort * float(np.exp(people * looks.effort + takes * taken.standard_normal()))
        # Spreads set by eye, after how far six people's lips stand open in the half second before they speak.
        parting, lead, ajar = taken.standard_normal(3)
        habits = Habits(
            parting=float(np.exp(0.6 * looks.onset + 0.35 * parting)),
            lead=float(np.exp(0.5 * lead)),
            ajar=float(max(0, 0.2 + 0.5 * looks.ajar + 0.4 * ajar)),
            glide=looks.glide,
        )
    controls = mouth_controls(phonemes, num_frames, scene.fps, effort, manner, habits)
    if taken:
        controls = manner.moves_unevenly(controls, scene.fps, taken)
    x, y = _along(scene, times)
    nod = wander * _NOD * np.convolve(controls[:, 3], np.ones(9) / 9, mode="same")[:num_frames]
    return Performance(
        person=person,
        controls=controls,
        x=(x * scene.width + sway[0] * scene.eyes_px).astype(np.float32),
        y=(y * scene.height + (sway[1] + nod) * scene.eyes_px).astype(np.float32),
        roll=(np.radians(scene.roll_deg) + sway[2]).astype(np.float32),
        yaw=(np.radians(scene.yaw_deg) + sway[3]).astype(np.float32),
        pitch=sway[4].astype(np.float32),
        lids=_blinks(times, scene.blinks, rng),
        eyes_px=scene.eyes_px,
        light=(scene.light_from, -0.55, 1.0),
        looks=looks,
    )


def _along(scene: Scene, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if scene.path is None:
        return np.full_like(times, scene.x), np.full_like(times, scene.y)
    at, x, y = np.array(scene.path, float).T
    return np.interp(times, at, x), np.interp(times, at, y)


def _drift(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slow aimless movement of about -1 to 1: a few slow waves."""
    hertz, phase = rng.uniform(0.1, 0.9, 4), rng.uniform(0, 2 * np.pi, 4)
    waves = np.sin(2 * np.pi * hertz * times[:, None] + phase) / np.sqrt(1 + (hertz / 0.4) ** 2)
    return waves.sum(1) / 2


def _blinks(times: np.ndarray, a_minute: float, rng: np.random.Generator) -> np.ndarray:
    closed = np.zeros(len(times))
    if a_minute <= 0 or not len(times):
        return closed.astype(int)
    shut, stay, reopen = _BLINK
    at: Seconds = float(rng.exponential(60 / a_minute))
    while at < times[-1]:
        since = times - at
        lid = np.minimum(since / shut, (shut + stay + reopen - since) / reopen)
        closed = np.maximum(closed, np.clip(lid, 0, 1))
        at += 0.4 + float(rng.exponential(60 / a_minute))
    return np.round(closed * (NUM_LIDS - 1)).astype(int)
