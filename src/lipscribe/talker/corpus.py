"""A corpus of synthetic talkers in GRID's layout: rendered on all cores, resumable after a kill at any moment.

A corpus folder holds `video/s1/<name>.mp4` and `align/s1/<name>.align` for each clip of each speaker, `splits.json`,
and `corpus.json`, which says what it was made of. A clip's video is written last: where it is, the clip is finished.
What a clip looks like depends on the seed, its speaker and its number alone, not on the processes or their order.
"""

import functools
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.atomic import write_text
from lipscribe.data.corpora.grid import read_align, write_align
from lipscribe.errors import ManifestError
from lipscribe.processes import Processes
from lipscribe.progress import Progress, tracked
from lipscribe.resumable import holds_other_files, resumable
from lipscribe.talker.captions import to_captions
from lipscribe.talker.manners import manner_of
from lipscribe.talker.phonemes import SpokenWord, pronounce
from lipscribe.talker.plan import PlannedClip, check, load_sentences, plan_grid, plan_idle, plan_sentences, split_of
from lipscribe.talker.scene import Scene
from lipscribe.talker.talker import Talker, TalkingClip
from lipscribe.talker.timing import time_phonemes
from lipscribe.transcript import format_srt
from lipscribe.units import Seconds

RECORD_FILE = "corpus.json"  # what a folder's corpus is made of
GRID_CLIPS, SPEAKERS = 2000, 50
GRID_DURATION: Seconds = 3.0
RATE_SPREAD = 0.06  # of a person's speaking rate from clip to clip: standard deviation of its logarithm
MIN_SILENCE: Seconds = 0.15  # at each end of a clip of fixed length, for which fast speech is made faster
CLIPS_AT_ONCE = 200  # handed to the processes at a time


@dataclass(frozen=True)
class CorpusReport:
    """What became of a corpus.

    Attributes:
        rendered: Clips made by this call.
        kept: Clips that an earlier call had made.
        failed: The reason for each clip that could not be made, by its id.
        splits: Number of clips in each split.
    """

    folder: Path
    rendered: int
    kept: int
    failed: dict[str, str]
    splits: dict[str, int]


@dataclass(frozen=True)
class _Options:
    """What all clips of a corpus share."""

    folder: Path
    seed: int
    duration: Seconds | None
    scene: dict[str, Any]
    rate: float | None
    srt: bool
    manner: str = "clear"

    def paths(self, clip: PlannedClip) -> tuple[Path, Path, Path]:
        """Video, alignment and captions of a clip."""
        video = self.folder / "video" / f"{clip.id}.mp4"
        return video, self.folder / "align" / f"{clip.id}.align", video.with_suffix(".srt")

    def finished(self, clip: PlannedClip) -> bool:
        video, align, srt = self.paths(clip)
        return video.exists() and align.exists() and (srt.exists() or not self.srt)


def make_corpus(
    folder: Path | str,
    corpus: Path | str = "grid",
    clips: int | None = None,
    speakers: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    *,
    scene: Mapping[str, Any] | None = None,
    rate: float | None = None,
    srt: bool = False,
    manner: str = "clear",
    progress: Progress | None = None,
) -> CorpusReport:
    """Renders a corpus; a call that was interrupted is resumed by the same call.

    Args:
        folder: Where to; it is new, or holds the same corpus.
        corpus: "grid", for random GRID sentences in clips of 3 s, none twice for a speaker; "idle", for clips of 3 s
            of faces that say nothing; or a text file with a sentence a line, for clips as long as they take.
        clips: How many; None is 2000 of GRID, or as many as the text file has sentences. Where there are fewer
            sentences than clips, they are said again, by others first.
        speakers: How many people take turns; None is 50, or one a clip. A tenth of them is dev, a tenth test.
        seed: Decides everything that is random.
        workers: Processes; None is one a core.
        scene: Fields of `Scene` that all clips share; the others are drawn for each clip.
        rate: How fast everybody speaks, as a multiple of their own rate; None varies it a little. Clips of 3 s are
            spoken as fast as they have to be.
        srt: Captions beside each video too.
        manner: How everybody speaks, one of `lipscribe.talker.manners.MANNERS`; a mix is several corpora.
        progress: Called after each clip.

    Raises:
        ConfigError: A number, the manner or a field of the scene is none, or a line of the text file cannot be said.
        ManifestError: The folder holds something else, or cannot be written.
        LipscribeError: Another process is writing to it.
    """
    folder = Path(folder)
    kind = str(corpus)
    sentences = None if kind in ("grid", "idle") else load_sentences(Path(corpus))
    clips = clips if clips is not None else GRID_CLIPS if sentences is None else len(sentences)
    speakers = speakers if speakers is not None else max(1, min(SPEAKERS, clips))
    check(clips, speakers, seed, rate, kind == "grid")
    manner_of(manner)  # says what is wrong with it
    scene = dict(scene or {})
    Scene.drawn(np.random.default_rng(0), **scene)  # says what is wrong with it
    plan = _planned(kind, sentences, clips, speakers, seed)
    said = kind if sentences is None else f"text {zlib.crc32(chr(10).join(sentences).encode()):08x}"
    made_of = {"corpus": said, "clips": clips, "speakers": speakers, "seed": seed, "rate": rate, "manner": manner}
    made_of["scene"] = {field.name: scene.get(field.name) for field in fields(Scene)}
    options = _Options(folder, seed, GRID_DURATION if sentences is None else None, scene, rate, srt, manner)
    splits = {clip.id: split_of(clip.speaker, speakers) for clip in plan}
    if holds_other_files(folder, RECORD_FILE):
        raise ManifestError(f"{folder} holds other files, wanted a new folder: give another --output")
    with resumable(folder, RECORD_FILE, made_of, {"manner": "clear"}):
        _lay_out(folder, splits)
        todo = [clip for clip in plan if not options.finished(clip)]
        failed = _render_all(todo, len(plan), options, workers, progress)
    counts = Counter(split for clip_id, split in splits.items() if clip_id not in failed)
    return CorpusReport(folder, len(todo) - len(failed), len(plan) - len(todo), failed, dict(counts))


def _planned(kind: str, sentences: list[str] | None, clips: int, speakers: int, seed: int) -> list[PlannedClip]:
    if sentences is not None:
        return plan_sentences(sentences, clips, speakers)
    return plan_grid(clips, speakers, seed) if kind == "grid" else plan_idle(clips, speakers)


def _lay_out(folder: Path, splits: Mapping[str, str]) -> None:
    """Makes the folders of the speakers, and says which clips are in which split."""
    try:
        for kind in ("video", "align"):
            for speaker in {clip_id.split("/")[0] for clip_id in splits}:
                (folder / kind / speaker).mkdir(parents=True, exist_ok=True)
        names = {
            split: [clip_id for clip_id in splits if splits[clip_id] == split] for split in ("train", "dev", "test")
        }
        write_text(folder / "splits.json", json.dumps(names, indent=1))
    except OSError as error:
        raise ManifestError(f"{folder} cannot be used ({error}): give another --output") from None


def _render_all(
    todo: list[PlannedClip], total: int, options: _Options, workers: int | None, progress: Progress | None
) -> dict[str, str]:
    """Renders clips side by side; the reason for each that crashed its process, by id."""
    if not todo:
        return {}
    with Processes(workers) as processes:
        outcomes = _outcomes(processes, todo, functools.partial(_render, options=options))
        reported = tracked(outcomes, progress, "rendering clips", total, done=total - len(todo))
        return {clip.id: reason for clip, reason in reported if reason}


def _outcomes(
    processes: Processes, clips: list[PlannedClip], work: Callable[[PlannedClip], str]
) -> Iterator[tuple[PlannedClip, str]]:
    for first in range(0, len(clips), CLIPS_AT_ONCE):
        batch = clips[first : first + CLIPS_AT_ONCE]
        yield from zip(batch, processes.outcomes(work, batch, _crashed), strict=True)


def _crashed(clip: PlannedClip) -> str:
    return "rendering it crashes the process"


def _render(clip: PlannedClip, options: _Options) -> str:
    """Renders one clip, in a worker. Returns why it could not, which is empty: what goes wrong here is raised."""
    import cv2

    cv2.setNumThreads(1)  # the other cores have clips of their own
    video, align, srt = options.paths(clip)
    if video.exists() and align.exists():  # only the captions are missing
        write_text(srt, format_srt(to_captions(read_align(align))))
        return ""
    said = _performed(clip, options)
    try:
        write_align(align, said.words, said.duration)
        if options.srt:
            write_text(srt, format_srt(to_captions(said.words)))
        said.save(video)
    except OSError as error:
        raise ManifestError(f"{clip.id} cannot be written ({error}): give another --output") from None
    return ""


def _performed(clip: PlannedClip, options: _Options) -> TalkingClip:
    talker = _talker(options.seed, clip.speaker, options.manner)
    if clip.movement:
        return talker.idle(clip.movement, options.duration or GRID_DURATION, take=clip.take, scene=options.scene)
    words = pronounce(clip.text)
    rate = _rate(clip, words, talker.tempo, options)
    return talker.say(words, take=clip.take, rate=rate, duration=options.duration, scene=options.scene)


@functools.lru_cache(maxsize=4)
def _talker(seed: int, speaker: int, manner: str = "clear") -> Talker:
    return Talker(seed=int(np.random.SeedSequence((seed, speaker)).generate_state(1)[0]), manner=manner)


def _rate(clip: PlannedClip, words: list[SpokenWord], tempo: float, options: _Options) -> float:
    """How fast the clip is said, as a multiple of its speaker's `tempo`: fast enough for its length."""
    rng = np.random.default_rng((options.seed, clip.speaker, clip.take))
    rate = options.rate or float(np.exp(rng.normal(0, RATE_SPREAD)))
    if options.duration is None:
        return rate
    how, still = manner_of(options.manner), np.random.default_rng(0)
    speech = time_phonemes(words, still, lead=0, tail=0, shares=how.shares, lengths=how.lengths)[-1].end
    return max(rate, 1.05 * speech / (options.duration - 2 * MIN_SILENCE) / tempo)  # 5 %: other jitter may be longer
