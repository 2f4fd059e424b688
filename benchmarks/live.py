"""Reading while somebody speaks: errors beside those of reading afterwards, latency, cost, memory, false words.

    lipscribe prepare grid GRID prepared/
    python benchmarks/live.py read prepared/ --split dev
    python benchmarks/live.py read GRID --split dev         # videos: faces are found, and it costs more
    python benchmarks/live.py read prepared/ --look-ahead 0.2 --step 0.08
    python benchmarks/live.py hour prepared/ --minutes 60
    python benchmarks/live.py nothing prepared/ --split dev

Nothing waits for a clock: frames have capture times, and what reading them takes (processor time, one thread) is added
as it would add up before a camera. A word's latency is from its end by GRID's alignment until it is committed and
computed. After each clip its last picture stays for a while, as people do, so that no word is committed by the end of a
file. Crops of prepared clips are placed by what comes later too; those of videos are not.
"""

import argparse
import os
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.manifest import WordTime
from lipscribe.data.shards import find_shards, read_shard
from lipscribe.metrics import ErrorCounts, align_words, bootstrap_interval, word_errors
from lipscribe.model import Model
from lipscribe.streaming import Stream
from lipscribe.streaming.reading import LOOK_AHEAD, STEP
from lipscribe.talker import Talker
from lipscribe.talker.visemes import CONTROLS
from lipscribe.transcript import Word
from lipscribe.video import Video
from lipscribe.video.opencv import one_thread

FPS = 25
STILL_AFTER = 2.0  # seconds that the last picture of a clip stays: long enough to end an utterance
PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20 if hasattr(os, "sysconf") else 0


@dataclass
class Sample:
    """What is read: crops (T, 96, 96) uint8, or the frames of a video."""

    text: str
    words: tuple[WordTime, ...]
    source: np.ndarray | str

    def pictures(self) -> Iterable[np.ndarray]:
        return self.source if isinstance(self.source, np.ndarray) else Video(self.source, FPS)


def samples(folder: Path, split: str, number: int | None) -> Iterator[Sample]:
    """Those of a prepared folder, or of videos with alignments in GRID's layout; spread over all of them."""
    if (folder / "prepare.json").is_file():
        found = [one for shard in find_shards(folder, split) for one in read_shard(shard)]
        every = [Sample(one.clip.text, one.clip.words, one.crops) for one in found]
    else:
        clips = [clip for clip in prepare_grid(folder)[0] if clip.split == split]
        every = [Sample(clip.text, clip.words, clip.path) for clip in clips]
    every = [one for one in every if one.words]
    if not every:
        raise SystemExit(f"{folder} has no clip with word times in split {split}: give another --split")
    wanted = len(every) if number is None else min(number, len(every))
    yield from (every[index] for index in np.linspace(0, len(every) - 1, wanted).round().astype(int))


class Camera:
    """A stream that is fed by capture times, and what that costs.

    Attributes:
        committed: Words, each with the time at which it is there.
        cpu: Processor seconds.
        now: Capture time of the next picture.
    """

    def __init__(self, model: Model, args: argparse.Namespace, crops: bool):
        stream = Stream(model, look_ahead=args.look_ahead, step=args.step)
        self._add = stream.add_crop if crops else stream.add
        self.committed: list[tuple[Word, float]] = []
        self.cpu = self.now = 0.0
        self._free = 0.0  # when all pictures so far are read

    def show(self, pictures: Iterable[np.ndarray]) -> None:
        for picture in pictures:
            started = time.process_time()
            updates = self._add(picture, self.now)
            took = time.process_time() - started
            self.cpu += took
            self._free = max(self._free, self.now) + took
            self.committed += [(word, self._free) for update in updates for word in update.committed]
            self.now += 1 / FPS


def shown_and_still(pictures: Iterable[np.ndarray], seconds: float) -> Iterator[np.ndarray]:
    last = None
    for last in pictures:
        yield last
    if last is not None:
        yield from repeat(last, round(seconds * FPS))


def read(model: Model, args: argparse.Namespace) -> None:
    """Errors, latency and cost."""
    texts, offline, live, latencies, seconds, cpu, offline_cpu = [], [], [], [], 0.0, 0.0, 0.0
    for sample in samples(args.folder, args.split, args.clips):
        texts.append(sample.text)
        started = time.process_time()
        offline.append(model.transcribe(sample.source).text)
        offline_cpu += time.process_time() - started
        camera = Camera(model, args, isinstance(sample.source, np.ndarray))
        camera.show(shown_and_still(sample.pictures(), STILL_AFTER))
        live.append(" ".join(word.text for word, _ in camera.committed))
        latencies += latencies_of(sample, camera.committed)
        seconds, cpu = seconds + camera.now, cpu + camera.cpu
    print(f"{len(texts)} clips of {args.folder} ({args.split}), model {model.name}, {model.runtime.name}")
    print(f"look-ahead {args.look_ahead:g} s, a reading every {args.step:g} s")
    counts = {"offline": word_errors(texts, offline), "live": word_errors(texts, live)}
    for name, each in counts.items():
        total, (low, high) = ErrorCounts.total(each), bootstrap_interval(each)
        kinds = f"{total.substitutions} substituted, {total.deletions} deleted, {total.insertions} inserted"
        print(f"WER {name:8s} {total.rate:6.1%} ({low:.1%} to {high:.1%})  {kinds}")
    lower, upper = paired_interval(counts["live"], counts["offline"])
    print(f"live - offline: {lower:+.1%} to {upper:+.1%} (95 %, over clips)")
    if latencies:
        ms = 1000 * np.array(latencies)
        print(
            f"latency of {len(ms)} right words, from their true end: median {np.median(ms):.0f} ms, 95th percentile "
            f"{np.percentile(ms, 95):.0f} ms, most {ms.max():.0f} ms; within 500 ms {np.mean(ms <= 500):.1%}"
        )
    print(f"processor: live {cpu / seconds:.1%} of a core over {seconds:.0f} s; offline {offline_cpu:.1f} s in all")


def latencies_of(sample: Sample, committed: list[tuple[Word, float]]) -> list[float]:
    """From a word's true end until it is there, of the words that are right."""
    places, heard, spoken = [], 0, 0
    for edit in align_words(sample.text, " ".join(word.text for word, _ in committed)):
        if edit.kind == "hit":
            places.append(committed[heard][1] - sample.words[spoken].end)
        heard += edit.hypothesis is not None
        spoken += edit.reference is not None
    return places


def paired_interval(live: list[ErrorCounts], offline: list[ErrorCounts]) -> tuple[float, float]:
    """95 % interval of the difference of two rates over the same clips (bootstrap)."""
    more = np.array([a.errors - b.errors for a, b in zip(live, offline, strict=True)])
    words = np.array([one.reference_length for one in live])
    draws = np.random.default_rng(0).integers(len(more), size=(2000, len(more)))
    low, high = np.percentile(more[draws].sum(1) / words[draws].sum(1), [2.5, 97.5])
    return float(low), float(high)


def hour(model: Model, args: argparse.Namespace) -> None:
    """Memory while clips follow each other with pauses between, in one stream."""
    found = list(samples(args.folder, args.split, args.clips))
    camera = Camera(model, args, isinstance(found[0].source, np.ndarray))
    rng, words, marks, next_mark = np.random.default_rng(0), 0, [], 0.0
    while camera.now < 60 * args.minutes:
        sample = found[rng.integers(len(found))]
        camera.show(shown_and_still(sample.pictures(), rng.uniform(0.2, 6)))
        words += len(camera.committed)
        camera.committed.clear()  # this list is the benchmark's own
        if camera.now >= next_mark:
            marks.append((camera.now / 60, memory_mb()))
            print(f"minute {marks[-1][0]:5.1f}  {marks[-1][1]:7.1f} MB  {words} words", flush=True)
            next_mark += 60 * max(args.minutes / 20, 0.5)
    settled = marks[len(marks) // 10 :]  # after the first tenth
    minutes, sizes = np.array(settled).T
    slope = np.polyfit(minutes, sizes, 1)[0] * 60 if len(settled) > 2 else float("nan")
    print(f"after the first tenth: {sizes.min():.1f} to {sizes.max():.1f} MB, {slope:+.1f} MB an hour")
    print(f"processor: {camera.cpu / camera.now:.1%} of a core")


def memory_mb() -> float:
    """What this process holds now; where the system does not say, the most that it held."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * PAGE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def nothing(model: Model, args: argparse.Namespace) -> None:
    """Words that are read where nobody speaks."""
    found = list(samples(args.folder, args.split, args.clips))
    crops = [one for one in found if isinstance(one.source, np.ndarray)]
    kinds: dict[str, Iterator[Iterable[np.ndarray]]] = {
        "a clip's first picture, held still": (repeat(next(iter(one.pictures())), args.seconds * FPS) for one in found),
        "silence before and after speech, to and fro": (
            margin for one in crops for margin in margins(one, args.seconds) if margin is not None
        ),
        "talkers at rest, heads moving": (talker(seed, "rest", args.seconds) for seed in range(args.talkers)),
        "talkers that smile": (talker(seed, "smile", args.seconds) for seed in range(args.talkers)),
        "talkers that chew": (talker(seed, "chew", args.seconds) for seed in range(args.talkers)),
        "talkers that look away": (talker(seed, "away", args.seconds) for seed in range(args.talkers)),
    }
    print("| nobody speaks | pieces | minutes | with words | words | words a minute |\n|---|---|---|---|---|---|")
    for name, pieces in kinds.items():
        number = with_words = words = 0
        seconds = 0.0
        for pictures in pieces:
            first, *_ = head = list(pictures)
            camera = Camera(model, args, first.ndim == 2)
            camera.show(chain(head, repeat(head[-1], round(STILL_AFTER * FPS))))
            number, with_words = number + 1, with_words + bool(camera.committed)
            words, seconds = words + len(camera.committed), seconds + camera.now
        if number:
            a_minute = 60 * words / seconds
            print(f"| {name} | {number} | {seconds / 60:.1f} | {with_words} | {words} | {a_minute:.2f} |", flush=True)


def margins(sample: Sample, seconds: int) -> Iterator[np.ndarray | None]:
    """What is before the first word and after the last one, to and fro for so long; None where it is too short."""
    assert isinstance(sample.source, np.ndarray)
    before = sample.source[: max(int(sample.words[0].start * FPS) - 2, 0)]
    after = sample.source[int(np.ceil(sample.words[-1].end * FPS)) + 2 :]
    for part in (before, after):
        both = np.concatenate([part, part[::-1]])
        times = seconds * FPS // max(len(both), 1) + 1
        yield np.concatenate([both] * times)[: seconds * FPS] if len(part) >= 6 else None


def talker(seed: int, does: str, seconds: int) -> Iterator[np.ndarray]:
    """Frames of a talker who says nothing, and smiles, chews or looks away every few seconds."""
    clip = Talker(seed).say("a", take=seed, duration=seconds)
    (performance,) = clip.performances
    controls = np.repeat(performance.controls[:1], clip.num_frames, 0)
    at = np.arange(clip.num_frames) / clip.fps
    now_and_then = np.clip(1.5 * np.sin(2 * np.pi * at / 5), 0, 1).astype(np.float32)  # 2.5 s in 5 s
    yaw = performance.yaw
    if does == "smile":
        controls[:, CONTROLS.index("width")] = 0.8 * now_and_then
        controls[:, CONTROLS.index("bare")] = 0.4 * now_and_then
    elif does == "chew":
        bite = (0.5 - 0.5 * np.cos(2 * np.pi * 1.6 * at)).astype(np.float32) * now_and_then
        controls[:, CONTROLS.index("jaw")], controls[:, CONTROLS.index("press")] = 0.35 * bite, 0.3 * now_and_then
    elif does == "away":
        yaw = yaw + 0.7 * now_and_then
    yield from replace(clip, performances=(replace(performance, controls=controls, yaw=yaw),)).stream()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("read", read), ("hour", hour), ("nothing", nothing)):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument("folder", type=Path, help="prepared, or videos and alignments in GRID's layout")
        command.add_argument("--split", default="dev")
        command.add_argument("--clips", type=int, help="so many of them (all)")
        command.add_argument("--model", default="grid-live")
        command.add_argument("--look-ahead", type=float, default=LOOK_AHEAD, help=f"seconds ({LOOK_AHEAD:g})")
        command.add_argument("--step", type=float, default=STEP, help=f"seconds ({STEP:g})")
        if name == "hour":
            command.add_argument("--minutes", type=float, default=60)
        if name == "nothing":
            command.add_argument("--seconds", type=int, default=10, help="of each piece (10)")
            command.add_argument("--talkers", type=int, default=10)
    args = parser.parse_args()
    with one_thread():
        args.function(lipscribe.load_model(args.model, threads=1), args)


if __name__ == "__main__":
    main()
