"""A synthetic person who says what you write: the way in."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lipscribe.data.manifest import WordTime
from lipscribe.errors import ConfigError
from lipscribe.progress import Progress, tracked
from lipscribe.talker.idle import MOVEMENTS
from lipscribe.talker.manners import manner_of
from lipscribe.talker.natural_lips import Looks
from lipscribe.talker.performance import Performance, perform
from lipscribe.talker.person import Person
from lipscribe.talker.phonemes import SpokenWord, pronounce, weakened
from lipscribe.talker.render import render
from lipscribe.talker.scene import Scene
from lipscribe.talker.timing import SILENCE, PhonemeTime, time_phonemes, word_times
from lipscribe.units import Seconds, seconds_to_frame
from lipscribe.video.write import save_video

MORE_COMPRESSED = 5  # steps of x264's quality: 360x288 at 100 to 300 kbit/s
MARGIN: Seconds = 0.12  # least silence before and after speech in a clip of fixed length


class Talker:
    """A synthetic person.

    Args:
        seed: Decides who it is; the same seed is the same person, everywhere.
        person: Somebody described instead of drawn.
        manner: How they speak and look, one of `lipscribe.talker.manners.MANNERS`: "clear", as tables of sounds say;
            "natural", as people move whose lips were measured; or "careful", the same larger, slower and steadier.

    Raises:
        ConfigError: The seed is no whole number of 0 or more, or there is no such manner.
    """

    def __init__(self, seed: int = 0, person: Person | None = None, manner: str = "clear"):
        self.seed = _whole("seed", seed)
        self.manner = manner_of(manner)
        self.person = person or Person.drawn(np.random.default_rng([self.seed, 1]))
        self._looks = None
        if self.manner.measured:
            self._looks = Looks.drawn(np.random.default_rng([self.seed, 7]))
            self.person = self.person if person else self._looks.on(self.person)

    @property
    def tempo(self) -> float:
        """How fast this person speaks, as a multiple of `time_phonemes`."""
        own = math.exp(self.manner.tempo_spread * self._looks.tempo) if self._looks else 1.0
        return self.person.tempo * self.manner.tempo * own

    def say(
        self,
        text: str | Sequence[SpokenWord],
        *,
        take: int = 0,
        rate: float = 1.0,
        duration: Seconds | None = None,
        scene: Scene | Mapping[str, Any] | None = None,
    ) -> "TalkingClip":
        """Says a text, in English.

        Args:
            text: Any English, or words already pronounced.
            take: Another number is another performance: other timing, head movement, and scene if none is given.
            rate: Speaking rate as a multiple of the person's own.
            duration: Length of the clip; silence is added before and after. By default 0.35 s on either side.
            scene: The scene, or fixed fields of `Scene`; the others are drawn from seed and take.

        Raises:
            ConfigError: The text cannot be said (empty, not English), a number is out of range, or the speech does not
                fit into `duration`.
        """
        take = _whole("take", take)
        words = pronounce(text) if isinstance(text, str) else list(text)
        if not words:
            raise ConfigError("there is no word to say: give a text")
        timing, motion, setting = (np.random.default_rng([self.seed, take, part]) for part in (2, 3, 4))
        scene = self._scene(scene, setting)
        if self.manner.measured:
            share = self.manner.weak_forms * np.random.default_rng([self.seed, 10]).random()
            words = weakened(words, share, np.random.default_rng([self.seed, take, 9]))
        how = self.manner
        phonemes = time_phonemes(words, timing, rate * self.tempo, shares=how.shares, lengths=how.lengths)
        if duration is not None:
            phonemes = _fitted(phonemes, duration, timing)
        num_frames = max(1, seconds_to_frame(phonemes[-1].end, scene.fps))
        performance = self._perform(phonemes, num_frames, scene, motion, take)
        return TalkingClip(
            scene, (performance,), word_times(words, phonemes), tuple(phonemes), num_frames, (self.seed, take, 5)
        )

    def idle(
        self,
        movement: str,
        duration: Seconds,
        *,
        take: int = 0,
        scene: Scene | Mapping[str, Any] | None = None,
    ) -> "TalkingClip":
        """Says nothing: a clip without words.

        Args:
            movement: What the face does, one of `lipscribe.talker.idle.MOVEMENTS`.
            duration: Length of the clip.
            take: Another number is another performance.
            scene: As in `say`.

        Raises:
            ConfigError: There is no such movement, or a number is out of range.
        """
        take = _whole("take", take)
        if movement not in MOVEMENTS:
            raise ConfigError(f"movement is {movement!r}, wanted one of: {', '.join(MOVEMENTS)}")
        if not (duration > 0 and math.isfinite(duration)):
            raise ConfigError(f"duration is {duration}, wanted seconds, more than 0")
        chance, motion, setting = (np.random.default_rng([self.seed, take, part]) for part in (6, 3, 4))
        scene = self._scene(scene, setting)
        silence = [PhonemeTime(SILENCE, 0, 0.0, duration, None)]
        num_frames = max(1, seconds_to_frame(duration, scene.fps))
        resting = self._perform(silence, num_frames, scene, motion, take)
        times = (np.arange(num_frames) + 0.5) / scene.fps
        performance = MOVEMENTS[movement](resting, times, chance)
        return TalkingClip(scene, (performance,), (), tuple(silence), num_frames, (self.seed, take, 5))

    def _scene(self, scene: Scene | Mapping[str, Any] | None, rng: np.random.Generator) -> Scene:
        if isinstance(scene, Scene):
            return scene
        fixed = dict(scene or {})
        drawn = Scene.drawn(rng, **fixed)
        if self.manner.measured and "crf" not in fixed:  # people's videos are compressed more
            return replace(drawn, crf=drawn.crf + MORE_COMPRESSED)
        return drawn

    def _perform(
        self, phonemes: list[PhonemeTime], num_frames: int, scene: Scene, motion: np.random.Generator, take: int
    ) -> Performance:
        taken = np.random.default_rng([self.seed, take, 8]) if self.manner.measured else None
        return perform(self.person, phonemes, num_frames, scene, motion, self.manner, self._looks, taken)


@dataclass(frozen=True, eq=False)
class TalkingClip:
    """What was said, and how it looks; frames are drawn when they are asked for.

    Attributes:
        scene: Size, rate, light, noise and more.
        performances: What each talker does, one in most clips.
        words: With times in seconds; of all talkers in order of time.
        phonemes: With times; of all talkers.
        num_frames: Length of the clip.
        seed: Of what else is made up: background and noise.
    """

    scene: Scene
    performances: tuple[Performance, ...]
    words: tuple[WordTime, ...]
    phonemes: tuple[PhonemeTime, ...]
    num_frames: int
    seed: tuple[int, ...]

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.scene.fps

    @property
    def duration(self) -> Seconds:
        """Length in seconds."""
        return self.num_frames / self.fps

    @property
    def text(self) -> str:
        """The words said."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def frames(self) -> np.ndarray:
        """All frames, (T, H, W, 3) uint8 RGB; long clips are better streamed."""
        return np.stack(list(self.stream()))

    def stream(self) -> Iterator[np.ndarray]:
        """The frames one by one, (H, W, 3) uint8 RGB, in constant memory."""
        return render(self.performances, self.scene, self.seed)

    def save(self, path: str | os.PathLike[str], progress: Progress | None = None) -> None:
        """Writes an MP4, whole or not at all: see `save_video` for the errors.

        Args:
            progress: Called after each frame.
        """
        drawn = self.__dict__.get("frames")  # where they were asked for already
        frames = tracked(self.stream() if drawn is None else drawn, progress, "rendering frames", self.num_frames)
        save_video(path, frames, self.fps, crf=self.scene.crf, preset="veryfast")


def together(clips: Sequence[TalkingClip]) -> TalkingClip:
    """Several talkers in one picture: the first clip's scene, each talker where their own scene puts them.

    Args:
        clips: Of one picture size and rate; a shorter one's talker waits with a still mouth.

    Raises:
        ConfigError: There is no clip, or sizes or rates differ.
    """
    if not clips:
        raise ConfigError("there is no clip to put together: give one or more")
    kinds = {(clip.scene.width, clip.scene.height, clip.fps) for clip in clips}
    if len(kinds) > 1:
        raise ConfigError(f"the clips differ in size or rate ({sorted(kinds)}): give all of them one scene")
    num_frames = max(clip.num_frames for clip in clips)
    performances = [p.lasting(num_frames) for clip in clips for p in clip.performances]
    words = sorted((word for clip in clips for word in clip.words), key=lambda word: word.start)
    phonemes = tuple(phoneme for clip in clips for phoneme in clip.phonemes)
    return TalkingClip(clips[0].scene, tuple(performances), tuple(words), phonemes, num_frames, clips[0].seed)


def _fitted(phonemes: list[PhonemeTime], duration: Seconds, rng: np.random.Generator) -> list[PhonemeTime]:
    """Puts the speech into a clip of the given length, with what is left of it before and after."""
    speech = phonemes[1:-1]
    length = speech[-1].end - speech[0].start
    room = duration - length - 2 * MARGIN
    if room < 0:
        raise ConfigError(
            f"the words last {length:.2f} s and do not fit into {duration:.2f} s with {MARGIN:g} s of silence on "
            "either side: give a longer duration or a higher rate"
        )
    shift = MARGIN + room * float(rng.uniform(0.35, 0.65)) - speech[0].start
    moved = [PhonemeTime(p.phoneme, p.stress, p.start + shift, p.end + shift, p.word) for p in speech]
    first, last = phonemes[0], phonemes[-1]
    return [
        PhonemeTime(first.phoneme, 0, 0.0, moved[0].start, None),
        *moved,
        PhonemeTime(last.phoneme, 0, moved[-1].end, duration, None),
    ]


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ConfigError(f"{name} is {value!r}: wanted a whole number of 0 or more")
    return int(value)
