"""A live stream of eight hours by a simulated clock: memory, work, times and words stay as in its first minutes.

    python -m trust.long_stream --hours 8     # `make soak-hours HOURS=8`

One `Stream` gets mouth crops of talkers with capture times 25 a second, as fast as it reads them, on one thread. Each
24 s begin with a sentence of 2.4 to 3 s. In four of eight the mouth rests for 5 s after it and then nobody is there (no
crop until the next sentence); in the other four it rests all the time, so that the clock runs on without a gap. Each
sentence is compared with what the stream read of it in its first round: the words, and their times to a frame.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.faces import load_face_detector
from lipscribe.streaming import Stream, StreamUpdate
from lipscribe.streaming.crops import CropCutter, FaceFollower
from lipscribe.talker import Talker
from lipscribe.video.opencv import one_thread
from trust.clips import SEED, sentence
from trust.judging import MAX_GROWTH, MAX_SLOPE
from trust.server_process import PAGE_MB

RESULTS = Path("trust-results")
FPS = 25
CYCLE = 24 * FPS  # frames from one sentence to the next
REST = 5 * FPS  # frames at rest after each
CONSTANT = 1.25  # the last part may take so many times the work of an early one; the machine is shared
PARTS = 16  # of the stream, compared with each other
MAX_DELAY = 2.5  # s until a word is committed; a pause in the middle of a sentence takes 1.4
PRESENT = 4  # cycles with somebody all the time, after as many with absences

Words = list[list[tuple[str, float, float]]]
"""Of each cycle the words with start and end, in seconds from its beginning."""


def sentences(number: int) -> list[np.ndarray]:
    """Mouth crops (T, 96, 96) uint8 of talkers who say a sentence each, cut as a camera's are."""
    found = []
    for each in range(number):
        frames = list(Talker(SEED + 80 + each).say(sentence(80 + each), duration=2.4 + 0.2 * each).stream())
        follower, cutter = FaceFollower(load_face_detector(), FPS), CropCutter(FPS)
        crops = [cutter.cut(frame, points) for frame in frames if (points := follower.find(frame)) is not None]
        found.append(np.stack(crops))
    return found


def resting(crops: np.ndarray, num_frames: int, seed: int) -> Iterator[np.ndarray]:
    """The last crop with a camera's noise."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-2, 3, (16, *crops[-1].shape), np.int16)
    still = crops[-1].astype(np.int16)
    for number in range(num_frames):
        yield np.clip(still + noise[number % len(noise)], 0, 255).astype(np.uint8)


def cycle(texts: list[np.ndarray], number: int) -> Iterator[tuple[int, np.ndarray]]:
    """Index of the frame and crop of one sentence and what comes after it."""
    crops = texts[number % len(texts)]
    yield from enumerate(crops)
    present = number // PRESENT % 2 == 1
    rest = CYCLE - len(crops) if present else REST
    yield from enumerate(resting(crops, rest, number % len(texts)), len(crops))


def judge_marks(marks: list[dict[str, float]]) -> list[str]:
    """Memory and work of the parts of a stream; the first is the warm-up."""
    settled = marks[1:]
    if len(settled) < 3:
        return [f"{len(marks)} parts are too few"]
    faults = []
    minutes = np.array([mark["hours"] * 60 for mark in settled])
    sizes = np.array([mark["rss_mb"] for mark in settled])
    if sizes[-1] > (1 + MAX_GROWTH) * sizes[0]:
        faults.append(f"memory grew from {sizes[0]:.0f} to {sizes[-1]:.0f} MB")
    if (slope := float(np.polyfit(minutes, sizes, 1)[0])) > MAX_SLOPE:
        faults.append(f"memory grows by {slope:.2f} MB a minute of the stream")
    work = [mark["cpu_s_an_hour"] for mark in settled]
    early, late = float(np.median(work[: len(work) // 2])), float(np.median(work[len(work) // 2 :]))
    if late > CONSTANT * early:
        faults.append(f"an hour took {early:.0f} s of work in the first half and {late:.0f} s in the second")
    return faults


def judge_words(cycles: Words, period: int) -> list[str]:
    """Each sentence has the words of the same one in the first round, at the same times within its cycle.

    Args:
        period: Cycles after which the same is fed again.
    """
    faults = []
    for number, words in enumerate(cycles[period:], period):
        first = cycles[number % period]
        if [word for word, _, _ in words] != [word for word, _, _ in first]:
            told = [" ".join(word for word, _, _ in each) for each in (words, first)]
            faults.append(f"cycle {number}: {told[0]!r}, at first {told[1]!r}")
        elif (off := _most_apart(words, first)) > 1 / FPS:
            faults.append(f"cycle {number}: a word is {off:.3f} s from where it was at first, over a frame")
    return faults


def _most_apart(words: Sequence[tuple[str, float, float]], others: Sequence[tuple[str, float, float]]) -> float:
    """Seconds."""
    apart = [
        abs(a - b) for one, other in zip(words, others, strict=False) for a, b in zip(one[1:], other[1:], strict=True)
    ]
    return max(apart, default=0.0)


def run(stream: Stream, texts: list[np.ndarray], hours: float) -> tuple[list[dict[str, float]], Words, list[float]]:
    """Feeds the stream: marks of its parts, the words of each cycle, and seconds from a word's end until it is sure."""
    num_cycles = round(hours * 3600 * FPS / CYCLE)
    said: Words = [[] for _ in range(num_cycles)]
    marks: list[dict[str, float]] = []
    delays: list[float] = []
    begun_at, cpu = 0.0, time.process_time()

    def keep(update: StreamUpdate) -> None:
        delays.extend(update.time - word.end for word in update.committed)
        for word in update.segment.words if update.segment is not None else ():
            at = int((word.start * FPS + 0.5) // CYCLE)
            said[at].append((word.text, word.start - at * CYCLE / FPS, word.end - at * CYCLE / FPS))

    for number in range(num_cycles):
        for frame_idx, crop in cycle(texts, number):
            for update in stream.add_crop(crop, (number * CYCLE + frame_idx) / FPS):
                keep(update)
        if (number + 1) * PARTS // num_cycles > number * PARTS // num_cycles:
            now, at = time.process_time(), (number + 1) * CYCLE / FPS / 3600
            marks.append({"hours": at, "rss_mb": memory_mb(), "cpu_s_an_hour": (now - cpu) / (at - begun_at)})
            print("hour {hours:5.2f}  {rss_mb:6.1f} MB  {cpu_s_an_hour:6.1f} s of work".format(**marks[-1]), flush=True)
            begun_at, cpu = at, now
    for update in stream.finish():
        keep(update)
    return marks, said, delays


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--model", default="talkers")
    args = parser.parse_args()
    with one_thread():
        texts = sentences(4)
        period = 2 * PRESENT  # a multiple of the number of sentences too
        begun = time.process_time()
        marks, said, delays = run(Stream(lipscribe.load_model(args.model, threads=1)), texts, args.hours)
    faults = [*judge_marks(marks), *judge_words(said, period)]
    silent = sum(not words for words in said)
    if silent > 0.1 * len(said):
        faults.append(f"{silent} of {len(said)} sentences gave no words")
    if (latest := max(delays, default=0.0)) > MAX_DELAY:
        faults.append(f"a word was committed {latest:.2f} s after its end, wanted at most {MAX_DELAY:g} s")
    result = {
        "hours": args.hours,
        "sentences": len(said),
        "words": sum(map(len, said)),
        "last word ends, s": round(max(((n * CYCLE / FPS) + w[-1][2] for n, w in enumerate(said) if w), default=0), 3),
        "most from a word's end until it is committed, s": round(latest, 2),
        "drift of starts and ends, first round to last, s": max(
            _most_apart(words, said[number % period]) for number, words in list(enumerate(said))[-period:]
        ),
        "work, s of one core": round(time.process_time() - begun),
        "parts": marks,
        "faults": faults,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "long_stream.json").write_text(json.dumps(result, indent=1))
    for name, value in result.items():
        if name not in ("parts", "faults"):
            print(f"| {name} | {value} |")
    for fault in faults[:20]:
        print("FAULT", fault)
    print("all is well" if not faults else f"{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
