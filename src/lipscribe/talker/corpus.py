"""A corpus of synthetic talkers in GRID's layout: rendered on all cores, resumable after a kill at any moment.

A corpus folder holds `video/s1/<name>.mp4` and `align/s1/<name>.align` for each clip of each speaker, `splits.json`,
and `corpus.json`, which says what it was made of. A clip's video is written last: where it is, the clip is finished.
What a clip looks like depends on the seed, its speaker and its number alone, not on the processes or their order.
"""

import functools
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lipscribe.atomic import remove_partial, write_text
from lipscribe.data.corpora.grid import NOT_WORDS, SLOTS, name_of_sentence, read_align, write_align
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.processes import Processes
from lipscribe.talker.captions import to_captions
from lipscribe.talker.phonemes import SpokenWord, pronounce
from lipscribe.talker.scene import Scene
from lipscribe.talker.talker import Talker
from lipscribe.talker.timing import time_phonemes
from lipscribe.transcript import format_srt
from lipscribe.units import Seconds

GRID_CLIPS, SPEAKERS = 2000, 50
GRID_DURATION: Seconds = 3.0
GRID_SENTENCES = math.prod(map(len, SLOTS))
DEV_SHARE = TEST_SHARE = 0.1  # of the speakers
MIN_RATE, MAX_RATE = 0.25, 4.0  # less than what can be timed: people have a tempo of their own
RATE_SPREAD = 0.06  # of a person's speaking rate from clip to clip: standard deviation of its logarithm
MIN_SILENCE: Seconds = 0.15  # at each end of a clip of fixed length, for which fast speech is made faster
CLIPS_AT_ONCE = 200  # handed to the processes at a time
SHOWN = 5  # bad lines that an error names


@dataclass(frozen=True)
class PlannedClip:
    """One clip before it is rendered.

    Attributes:
        speaker: Number from 1, "s1" in names.
        take: Number among the clips of its speaker, from 0.
        name: Of its files.
    """

    speaker: int
    take: int
    name: str
    text: str

    @property
    def id(self) -> str:
        """Such as "s1/bbaf2n", as a manifest names it."""
        return f"s{self.speaker}/{self.name}"


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
) -> CorpusReport:
    """Renders a corpus; what an earlier, interrupted call has finished is not done again.

    Args:
        folder: Where to; it is new, or holds the same corpus.
        corpus: "grid", for random GRID sentences in clips of 3 s, none twice for a speaker; or a text file with a
            sentence a line, for clips as long as they take.
        clips: How many; None is 2000 of GRID, or as many as the text file has sentences. Where there are fewer
            sentences than clips, they are said again, by others first.
        speakers: How many people take turns; None is 50, or one a clip where there are fewer. Whole speakers go to a
            split: a tenth to dev, a tenth to test.
        seed: Decides everything that is random.
        workers: Processes; None is one a core.
        scene: Fields of `Scene` that all clips share; the others are drawn for each clip.
        rate: How fast everybody speaks, as a multiple of their own rate; None varies it a little. Clips of 3 s are
            spoken as fast as they have to be.
        srt: Captions beside each video too.

    Raises:
        ConfigError: A number is out of range, a scene has no such field, or a line of the text file cannot be said.
        ManifestError: The folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    sentences = None if str(corpus) == "grid" else _load_sentences(Path(corpus))
    clips = clips if clips is not None else GRID_CLIPS if sentences is None else len(sentences)
    speakers = speakers if speakers is not None else max(1, min(SPEAKERS, clips))
    _check(clips, speakers, seed, rate, sentences is None)
    scene = dict(scene or {})
    Scene.drawn(np.random.default_rng(0), **scene)  # says what is wrong with it
    plan = _plan_grid(clips, speakers, seed) if sentences is None else _plan_sentences(sentences, clips, speakers)
    made_of = {
        "corpus": "grid" if sentences is None else f"text {zlib.crc32(chr(10).join(sentences).encode()):08x}",
        "clips": clips,
        "speakers": speakers,
        "seed": seed,
        "rate": rate,
        "scene": scene,
    }
    options = _Options(folder, seed, GRID_DURATION if sentences is None else None, scene, rate, srt)
    splits = {clip.id: _split(clip.speaker, speakers) for clip in plan}
    _claim(folder, made_of, plan, splits)
    todo = [clip for clip in plan if not options.finished(clip)]
    failed = _render_all(todo, len(plan), options, workers)
    counts = Counter(split for clip_id, split in splits.items() if clip_id not in failed)
    return CorpusReport(folder, len(todo) - len(failed), len(plan) - len(todo), failed, dict(counts))


def _load_sentences(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise ConfigError(
            f"corpus {path} cannot be read ({error.strerror}): give `grid`, or a text file with a sentence a line"
        ) from None
    sentences, faults = [], []
    for number, line in enumerate(lines, 1):
        try:
            text = " ".join(line.decode("utf-8").split())
            if text:
                _check_words(pronounce(text))
                sentences.append(text)
        except UnicodeDecodeError:
            faults.append(f"line {number}: not UTF-8 text")
        except ConfigError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        count = "1 bad line" if len(faults) == 1 else f"{len(faults)} bad lines"
        raise ConfigError(f"{path}: {count}: {'; '.join(faults[:SHOWN])}{more}")
    if not sentences:
        raise ConfigError(f"{path} is empty, wanted a sentence a line")
    return sentences


def _check_words(words: list[SpokenWord]) -> None:
    for word in words:
        if word.text in NOT_WORDS:
            raise ConfigError(f"{word.text!r} means silence in .align files, wanted other words: leave it out")


def _check(clips: int, speakers: int, seed: int, rate: float | None, grid: bool) -> None:
    faults = []
    if clips < 1:
        faults.append(f"clips is {clips}, wanted 1 or more")
    elif not 1 <= speakers <= clips:
        faults.append(f"speakers is {speakers}, wanted 1 to {clips}, the number of clips")
    elif grid and clips > GRID_SENTENCES * speakers:
        faults.append(f"clips is {clips}, wanted at most {GRID_SENTENCES} a speaker: GRID has no more sentences")
    if seed < 0:
        faults.append(f"seed is {seed}, wanted 0 or more")
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        faults.append(f"rate is {rate}, wanted {MIN_RATE} to {MAX_RATE:g}")
    if faults:
        raise ConfigError("; ".join(faults))


def _plan_grid(clips: int, speakers: int, seed: int) -> list[PlannedClip]:
    """Random sentences, none twice for a speaker; the clips are shared out evenly."""
    plan = []
    for speaker in range(1, speakers + 1):
        number = len(range(speaker - 1, clips, speakers))
        chosen = np.random.default_rng((seed, speaker)).choice(GRID_SENTENCES, number, replace=False)
        for take, code in enumerate(chosen.tolist()):
            words = []
            for slot in SLOTS:
                code, place = divmod(code, len(slot))
                words.append(slot[place])
            sentence = " ".join(words)
            plan.append(PlannedClip(speaker, take, name_of_sentence(sentence), sentence))
    return plan


def _plan_sentences(sentences: list[str], clips: int, speakers: int) -> list[PlannedClip]:
    """Sentences and speakers in turn; when all have been said, they are said again by the next speakers."""
    plan = []
    takes: Counter[int] = Counter()
    for index in range(clips):
        again, place = divmod(index, len(sentences))
        speaker = 1 + (index + again * (len(sentences) % speakers == 0)) % speakers
        plan.append(PlannedClip(speaker, takes[speaker], f"{index + 1:04d}", sentences[place]))
        takes[speaker] += 1
    return sorted(plan, key=lambda clip: (clip.speaker, clip.take))  # a process keeps its person


def _split(speaker: int, speakers: int) -> str:
    """The last speakers are the test split, those before them dev; at least one dev of three, one test of four."""
    test = max(1, round(speakers * TEST_SHARE)) if speakers >= 4 else 0
    dev = max(1, round(speakers * DEV_SHARE)) if speakers >= 3 else 0
    if speaker > speakers - test:
        return "test"
    return "dev" if speaker > speakers - test - dev else "train"


def _claim(folder: Path, made_of: dict[str, Any], plan: list[PlannedClip], splits: dict[str, str]) -> None:
    """Marks the folder with what goes into it, and refuses to mix two corpora."""
    path = folder / "corpus.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            found, made_of = json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(made_of))
            other = [f"{key} {found.get(key)}, now {made_of[key]}" for key in made_of if found.get(key) != made_of[key]]
            if other:
                raise ManifestError(
                    f"{folder} holds another corpus ({'; '.join(other)}): give another --output, or delete the folder"
                )
        elif any(entry.suffix != ".partial" for entry in folder.iterdir()):
            raise ManifestError(f"{folder} holds other files, wanted a new folder: give another --output")
        else:
            write_text(path, json.dumps(made_of, indent=1))
        for kind in ("video", "align"):
            for speaker in {clip.speaker for clip in plan}:
                (folder / kind / f"s{speaker}").mkdir(parents=True, exist_ok=True)
        remove_partial(folder)
        names = {
            split: [clip_id for clip_id in splits if splits[clip_id] == split] for split in ("train", "dev", "test")
        }
        write_text(folder / "splits.json", json.dumps(names, indent=1))
    except (OSError, ValueError, AttributeError) as error:
        raise ManifestError(f"{folder} cannot be used ({error}): give another --output") from None


def _render_all(todo: list[PlannedClip], total: int, options: _Options, workers: int | None) -> dict[str, str]:
    """Renders clips side by side; the reason for each that crashed its process, by id."""
    failed: dict[str, str] = {}
    if not todo:
        return failed
    bar = tqdm(total=total, initial=total - len(todo), desc="talk", unit="clip", disable=None)
    with bar, Processes(workers) as processes:
        work = functools.partial(_render, options=options)
        for batch in _batches(todo):
            for clip, reason in zip(batch, processes.outcomes(work, batch, _crashed), strict=True):
                bar.update()
                if reason:
                    failed[clip.id] = reason
    return failed


def _batches(clips: list[PlannedClip]) -> Iterator[list[PlannedClip]]:
    for first in range(0, len(clips), CLIPS_AT_ONCE):
        yield clips[first : first + CLIPS_AT_ONCE]


def _crashed(clip: PlannedClip) -> str:
    return "rendering it crashes the process"


def _render(clip: PlannedClip, options: _Options) -> str:
    """In a worker: renders one clip. What it returns is the reason why not, and that is empty."""
    import cv2

    cv2.setNumThreads(1)  # the other cores have clips of their own
    video, align, srt = options.paths(clip)
    if video.exists() and align.exists():  # only the captions are missing
        write_text(srt, format_srt(to_captions(read_align(align))))
        return ""
    words, talker = pronounce(clip.text), _talker(options.seed, clip.speaker)
    said = talker.say(
        words,
        take=clip.take,
        rate=_rate(clip, words, talker.person.tempo, options),
        duration=options.duration,
        scene=options.scene,
    )
    try:
        write_align(align, said.words, said.duration)
        if options.srt:
            write_text(srt, format_srt(to_captions(said.words)))
        said.save(video)
    except OSError as error:
        raise ManifestError(f"{clip.id} cannot be written ({error}): give another --output") from None
    return ""


@functools.lru_cache(maxsize=4)
def _talker(seed: int, speaker: int) -> Talker:
    return Talker(seed=int(np.random.SeedSequence((seed, speaker)).generate_state(1)[0]))


def _rate(clip: PlannedClip, words: list[SpokenWord], tempo: float, options: _Options) -> float:
    """How fast the clip is said, as a multiple of its speaker's `tempo`: fast enough for its length."""
    rng = np.random.default_rng((options.seed, clip.speaker, clip.take))
    rate = options.rate or float(np.exp(rng.normal(0, RATE_SPREAD)))
    if options.duration is None:
        return rate
    speech = time_phonemes(words, np.random.default_rng(0), lead=0, tail=0)[-1].end
    return max(rate, 1.05 * speech / (options.duration - 2 * MIN_SILENCE) / tempo)  # 5 %: other jitter may be longer
