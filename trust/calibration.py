"""How honest a model is: whether words of stated probability p are right p of the time, and what it says of nonsense.

    lipscribe prepare grid --root GRID --output prepared/s1
    lipscribe prepare grid --root OTHERS --output prepared/others
    python -m trust.calibration prepared/s1 prepared/others --picture docs/pictures/reliability.png
    python -m trust.calibration --redraw trust-results/calibration.json --picture docs/pictures/reliability.png

`make calibration` does the first three lines. Talkers, chewing faces, noise and test patterns are made from seeds.
All readings are kept in the results, from which tables and picture can be made again: the dev clips are not read twice.
Intervals are of 95 %: Wilson's of shares, and of the calibration error a bootstrap over clips.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import lipscribe
from benchmarks.familiarity import SENTENCES, grid_sentences, idle, prepared, shuffled
from lipscribe.errors import NoFaceError
from lipscribe.evaluation.result import Reading
from lipscribe.evaluation.scores import measure_calibration, word_outcomes
from lipscribe.faces import choose_faces, load_face_detector, track_faces
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.search.familiarity import FAMILIAR
from lipscribe.talker import Talker
from lipscribe.talker.idle import MOVEMENTS

BOUNDS = (0.0, 0.5, 0.8, 0.95, 1.0)
RESAMPLES = 1000
FPS = 25


@dataclass(frozen=True)
class Read:
    """What was read of a clip.

    Attributes:
        text: What is said there; None where nobody can say whether a word is right.
        familiarity: Of each segment.
    """

    text: str | None
    hypothesis: str
    probabilities: tuple[float, ...]
    familiarity: tuple[float, ...]

    @property
    def marked(self) -> bool:
        """Whether a part of it is marked as outside of what the model knows."""
        return any(value < FAMILIAR for value in self.familiarity)


@dataclass
class Kind:
    """Clips of a kind.

    Attributes:
        known: Whether the model should know what is said there, and not mark it.
    """

    name: str
    known: bool
    clips: Callable[[], Iterator[tuple[str | None, np.ndarray]]]
    read: list[Read] = field(default_factory=list)


def spoken(folder: Path, *splits: str) -> Iterator[tuple[str | None, np.ndarray]]:
    for each in prepared(folder, *splits):
        yield each.clip.text, each.crops


def mouth_of(frames: np.ndarray, fps: float, detector: Any) -> np.ndarray | None:
    tracks = track_faces(frames, fps, detector)
    if not tracks:
        return None
    run = max(choose_faces(tracks)[0].runs(), key=lambda run: run.stop - run.start)
    return crop_mouth(frames, run)


def talkers(texts: Sequence[str], first_seed: int, known: bool) -> Iterator[tuple[str | None, np.ndarray]]:
    """One person a sentence."""
    detector = load_face_detector()
    for number, text in enumerate(texts):
        clip = Talker(first_seed + number).say(text)
        crops = mouth_of(clip.frames, clip.fps, detector)
        if crops is not None:
            yield (text if known else None), crops


def idle_talkers(number: int, first_seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
    """Faces that chew, smile, yawn, nod, swallow, look away or are still."""
    detector, kinds = load_face_detector(), list(MOVEMENTS)
    for i in range(number):
        clip = Talker(first_seed + i).idle(kinds[i % len(kinds)], 3.0)
        crops = mouth_of(clip.frames, clip.fps, detector)
        if crops is not None:
            yield None, crops


def no_faces(number: int, seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
    """Videos (T, H, W, 3) uint8 without a face: noise, bars, a chequerboard and moving gradients in turn."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:240, :320]
    bars = rng.integers(0, 256, (8, 3)).astype(np.uint8)
    for i in range(number):
        if i % 4 == 0:
            frames = rng.integers(0, 256, (50, 240, 320, 3))
        elif i % 4 == 1:
            frames = np.stack([bars[(columns + 2 * t) // 40 % 8] for t in range(50)])
        elif i % 4 == 2:
            board = (rows // 30 + columns // 30) % 2 * 255
            frames = np.repeat(np.stack([np.roll(board, t, 1) for t in range(50)])[..., None], 3, 3)
        else:
            frames = np.stack([np.stack([rows, columns, rows + columns + 4 * t], -1) % 256 for t in range(50)])
        yield None, frames.astype(np.uint8)


def noise_crops(number: int, seed: int) -> Iterator[tuple[str | None, np.ndarray]]:
    """Noise given as if it were a mouth, past the face detector."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        yield None, rng.integers(0, 256, (75, 96, 96)).astype(np.uint8)


def kinds(s1: Path, others: Path, split: str, every: int) -> list[Kind]:
    """All kinds of clips.

    Args:
        split: Of the known and the strange speakers.
        every: Only every so-manieth train clip is changed to nonsense.
    """
    train = list(prepared(s1, "train"))[3::every]
    half = len(SENTENCES) // 2
    return [
        Kind(f"s1, GRID sentences ({split})", True, lambda: spoken(s1, split)),
        Kind(f"strangers s4 and s34, GRID sentences ({split})", True, lambda: spoken(others, split)),
        Kind("talkers never seen, GRID sentences", True, lambda: talkers(grid_sentences(40, 5000), 5500, True)),
        Kind("talkers never seen, other sentences", False, lambda: talkers(SENTENCES[half:], 5200, False)),
        Kind("s1, the words in another order", False, lambda: ((None, crops) for crops in shuffled(train, 5000))),
        Kind("s1 backwards", False, lambda: ((None, clip.crops[::-1].copy()) for clip in train)),
        Kind("s1 upside down", False, lambda: ((None, clip.crops[:, ::-1].copy()) for clip in train)),
        Kind("s1 idle for 3 to 10 s", False, lambda: ((None, crops) for crops in idle(train))),
        Kind("talkers that chew, smile, yawn, nod ...", False, lambda: idle_talkers(28, 5800)),
        Kind("noise instead of mouth crops", False, lambda: noise_crops(20, 5900)),
        Kind("videos of noise and test patterns", False, lambda: no_faces(20, 5950)),
    ]


def read_clip(model: Model, text: str | None, clip: np.ndarray) -> Read:
    try:
        found = model.transcribe(clip) if clip.ndim == 3 else model.transcribe(clip, fps=FPS)
    except NoFaceError:
        return Read(text, "", (), ())
    familiarity = tuple(s.familiarity for s in found.segments if s.familiarity is not None)
    return Read(text, found.text, tuple(word.probability for word in found.words), familiarity)


def outcomes(reads: Sequence[Read]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all words read: (N,) probabilities, whether each is right, and the index of its clip."""
    parts = []
    for i, read in enumerate(reads):
        if read.text is not None:
            found = word_outcomes([Reading(str(i), read.text, read.hypothesis, read.probabilities)])
            parts.append((*found, np.full(len(found[0]), i)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # pyright: ignore[reportReturnType]


def wilson(hits: int, number: int) -> tuple[float, float]:
    """The interval of 95 % of a share (Wilson, 1927)."""
    if number == 0:
        return 0.0, 1.0
    z, share = 1.959964, hits / number
    middle = share + z * z / (2 * number)
    reach = z * np.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return max(0.0, (middle - reach) / (1 + z * z / number)), min(1.0, (middle + reach) / (1 + z * z / number))


def error_interval(probability: np.ndarray, right: np.ndarray, clip: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The interval of 95 % of the expected calibration error, by a bootstrap over clips."""
    rng, own = np.random.default_rng(seed), [np.flatnonzero(clip == i) for i in np.unique(clip)]
    errors = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))])
        errors.append(measure_calibration(probability[rows], right[rows]).expected_error)
    return float(np.quantile(errors, 0.025)), float(np.quantile(errors, 0.975))


def reliability(probability: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """For each range of `BOUNDS` the words, their mean probability, and the share that is right."""
    rows = []
    for low, high in pairwise(BOUNDS):
        inside = (probability >= low) & ((probability < high) | (high == 1))
        number, hits = int(inside.sum()), int(right[inside].sum())
        mean = float(probability[inside].mean()) if number else 0.0
        least, most = wilson(hits, number)
        rows.append({"low": low, "high": high, "words": number, "right": hits, "mean": mean, "from": least, "to": most})
    return rows


def measured(kind: Kind) -> dict[str, Any]:
    """The figures of a kind of clips."""
    number, read = len(kind.read), sum(bool(one.hypothesis) for one in kind.read)
    marked = sum(one.marked for one in kind.read)
    result: dict[str, Any] = {"name": kind.name, "known": kind.known, "clips": number, "read": read, "marked": marked}
    result["marked_interval"] = wilson(marked, read)
    if any(one.text is not None and one.hypothesis for one in kind.read):
        probability, right, clip = outcomes(kind.read)
        result["error"] = measure_calibration(probability, right).expected_error
        result["error_interval"] = error_interval(probability, right, clip)
        result["bins"] = reliability(probability, right)
    return result


def tables(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "| clips | stated probability | words | mean stated | right | interval |\n|---|---|---|---|---|---|"
    for one in results:
        for row in one.get("bins", ()):
            if row["words"]:
                shares = f"{row['right'] / row['words']:.1%} ({row['right']}) | {row['from']:.1%} to {row['to']:.1%}"
                stated = f"{row['low']:g} to {row['high']:g} | {row['words']} | {row['mean']:.3f}"
                yield f"| {one['name']} | {stated} | {shares} |"
    yield "\n| clips | words | expected calibration error | interval |\n|---|---|---|---|"
    for one in results:
        if "error" in one:
            low, high = one["error_interval"]
            words = sum(row["words"] for row in one["bins"])
            yield f"| {one['name']} | {words} | {one['error']:.1%} | {low:.1%} to {high:.1%} |"
    yield "\n| clips | number | read as words | marked | of those read | interval |\n|---|---|---|---|---|---|"
    for one in results:
        low, high = one["marked_interval"]
        share = f"{one['marked'] / one['read']:.0%} | {low:.0%} to {high:.0%}" if one["read"] else "- | -"
        name = one["name"] if one["known"] else f"**{one['name']}**"
        yield f"| {name} | {one['clips']} | {one['read']} | {one['marked']} | {share} |"


def draw(found: Sequence[Kind], path: Path) -> None:
    """The picture: share right by stated probability, and below it how many words there are."""
    from lipscribe.figures import FAINT, INK, MUTED, SERIES, Page

    page = Page(11, 4.4)
    shown = [kind for kind in found if any(one.text is not None and one.hypothesis for one in kind.read)]
    for column, kind in enumerate(shown):
        left, width, color = 0.75 + 3.5 * column, 2.9, SERIES[column]
        probability, right, clip = outcomes(kind.read)
        calibration = measure_calibration(probability, right)
        page.text(left, 0.2, kind.name.partition(",")[0], 10, weight="bold")
        axes = page.axes(left, 0.6, width, 2.4)
        axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
        for one in calibration.bins:
            low, high = wilson(round(one.accuracy * one.count), one.count)
            axes.plot([one.confidence] * 2, [low, high], color=color, lw=1.2, alpha=0.6)
        ends = [(one.confidence, one.accuracy) for one in calibration.bins]
        axes.plot(*zip(*ends, strict=True), color=color, lw=0, marker="o", ms=5, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xticklabels=[])
        low, high = error_interval(probability, right, clip)
        told = f"off by {calibration.expected_error:.1%}\n({low:.1%} to {high:.1%})"
        axes.text(0.97, 0.04, told, ha="right", fontsize=9, color=INK)
        below = page.axes(left, 3.12, width, 0.65)
        counts = [one.count for one in calibration.bins]
        below.bar([one.low for one in calibration.bins], counts, 0.095, align="edge", color=FAINT)
        below.set(xlim=(0, 1))
        below.set_xlabel("stated probability of a word", fontsize=9, color=MUTED)
        if column == 0:
            axes.set_ylabel("share right", fontsize=9, color=MUTED)
            below.set_ylabel("words", fontsize=9, color=MUTED)
    page.save(path)


def load(path: Path) -> list[Kind]:
    """The readings of earlier results."""
    found = []
    for one in json.loads(path.read_text(encoding="utf-8"))["kinds"]:
        reads = [
            Read(each["text"], each["hypothesis"], tuple(each["probabilities"]), tuple(each["familiarity"]))
            for each in one["readings"]
        ]
        found.append(Kind(one["name"], one["known"], lambda: iter(()), reads))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("s1", type=Path, nargs="?", help="GRID speaker s1, prepared")
    parser.add_argument("others", type=Path, nargs="?", help="other GRID speakers, prepared")
    parser.add_argument("--model", default="grid")
    parser.add_argument("--split", default="dev", help="train while this program is worked on: dev is looked at once")
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--output", type=Path, default=Path("trust-results/calibration.json"))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--redraw", type=Path, metavar="RESULTS", help="read nothing, and use these results")
    args = parser.parse_args()
    if args.redraw:
        found = load(args.redraw)
    elif args.s1 is None or args.others is None or not (args.s1.is_dir() and args.others.is_dir()):
        print("calibration needs the GRID clips, prepared: see docs/trust/calibration.md", file=sys.stderr)
        return 2
    else:
        model, found = lipscribe.load_model(args.model), kinds(args.s1, args.others, args.split, args.every)
        for kind in found:
            kind.read = [read_clip(model, text, clip) for text, clip in kind.clips()]
            print(f"{kind.name}: {len(kind.read)} clips", file=sys.stderr, flush=True)
    results = [measured(kind) for kind in found]
    print("\n".join(tables(results)))
    if not args.redraw:
        readings = [[asdict(one) for one in kind.read] for kind in found]
        rows = [one | {"readings": of_kind} for one, of_kind in zip(results, readings, strict=True)]
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps({"model": args.model, "kinds": rows}, indent=1), encoding="utf-8")
    if args.picture:
        draw(found, args.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
