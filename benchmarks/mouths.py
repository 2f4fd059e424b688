"""Real mouths measured, and talkers fitted to them (`lipscribe talk --manner natural`).

    python benchmarks/mouths.py measure marks.npz --grid ../shared/grid ../shared/grid-others
    python benchmarks/mouths.py fit marks.npz --grid ../shared/grid ../shared/grid-others
    python benchmarks/mouths.py compare marks.npz --picture docs/pictures/mouths.png

`measure` tracks the lips of the train clips, frame by frame, and keeps their measures in eye distances. `fit` finds the
targets, dominances and durations by which the talkers' model moves most like them, and writes the table that the
package has. `compare` tracks talkers of each manner, says which share of an opening that is drawn the tracker sees,
how often a logistic regression tells a second of a talker's movement from a real one, as tracked and as drawn, and
shows the distributions side by side, with `--drawn` those as drawn. No dev clip is looked at, and no picture is kept.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.manifest import Clip
from lipscribe.faces import landmarks as lm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lipscribe.faces.track import FaceTrack
    from lipscribe.talker.performance import Performance
    from lipscribe.talker.talker import TalkingClip

MEASURES = ("gap", "width", "jaw", "upper", "lower")
FPS, FRAMES = 25.0, 75
REST = 3  # percentile of a speaker's gap that is taken for shut lips


class EveryFrame:
    """A detector that reads all frames: no landmark is predicted from others."""

    def __init__(self) -> None:
        from lipscribe.faces import load_face_detector

        detector = load_face_detector()
        self.detect, self.reset = detector.detect, detector.reset


def measures(landmarks: np.ndarray) -> np.ndarray:
    """(T, 91, 2) px -> (T, 5) eye distances: gap, width, chin below the nose, thickness of upper and of lower lip."""
    right, left = (landmarks[:, eye].mean(1) for eye in (lm.EYE_CORNERS_RIGHT, lm.EYE_CORNERS_LEFT))
    across = left - right
    distance = np.linalg.norm(across, axis=-1)
    distance = np.convolve(
        np.pad(distance, 4, mode="edge"), np.ones(9) / 9, "valid"
    )  # heads come no nearer in speaking
    roll = -np.arctan2(across[:, 1], across[:, 0])[:, None]
    at = landmarks - ((left + right) / 2)[:, None]
    x = (at[..., 0] * np.cos(roll) - at[..., 1] * np.sin(roll)) / distance[:, None]
    y = (at[..., 0] * np.sin(roll) + at[..., 1] * np.cos(roll)) / distance[:, None]
    outer, inner = lm.LIPS_OUTER.start, lm.LIPS_INNER.start
    upper, lower = slice(4, 7), slice(14, 17)  # the three points in the middle of each ring

    def height(ring: int, part: slice) -> np.ndarray:
        return y[:, ring + part.start : ring + part.stop].mean(1)

    chin = y[:, lm.OVAL.start + 17 : lm.OVAL.start + 20].mean(1)
    return np.stack(
        [
            height(inner, lower) - height(inner, upper),
            x[:, lm.MOUTH_LEFT] - x[:, lm.MOUTH_RIGHT],
            chin - y[:, lm.NOSE_BASE],
            height(inner, upper) - height(outer, upper),
            height(outer, lower) - height(inner, lower),
        ],
        -1,
    ).astype(np.float32)


def train_clips(roots: Iterable[Path], every: int) -> list[Clip]:
    """The train clips of all speakers; of speaker s1, who has most, one of so many."""
    clips = [clip for root in roots for clip in prepare_grid(root)[0] if clip.split == "train"]
    known = [clip for clip in clips if clip.speaker == "s1"]
    return [clip for clip in clips if clip.speaker != "s1"] + known[::every]


def track_of(frames: np.ndarray, detector: EveryFrame) -> "FaceTrack | None":
    """The face that speaks, None where it is not found throughout."""
    import lipscribe

    tracks = lipscribe.track_faces(frames, FPS, detector)  # pyright: ignore[reportArgumentType]  as a detector does
    if not tracks:
        return None
    track = lipscribe.choose_faces(tracks)[0]
    return track if len(track.landmarks) == len(frames) and track.detected.all() else None


def tracked(frames: np.ndarray, detector: EveryFrame) -> np.ndarray | None:
    """The measures (T, 5) of the face that speaks, None where it is not found throughout."""
    found = track_of(frames, detector)
    return None if found is None else measures(found.landmarks)


def measure(args: argparse.Namespace) -> None:
    import lipscribe

    detector, found = EveryFrame(), {}
    clips = train_clips(args.grid, args.every)
    for number, clip in enumerate(clips, 1):
        moves = tracked(lipscribe.Video(clip.path).read(), detector)
        if moves is not None and len(moves) == FRAMES and clip.words:
            found[clip.id] = moves
        if number % 50 == 0:
            print(f"{number} of {len(clips)} clips", flush=True)
    np.savez_compressed(args.marks, **found)
    print(f"{len(found)} of {len(clips)} clips measured: {args.marks}")


def about_rest(moves: dict[str, np.ndarray], clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Measures (N, T, 5) less those of each speaker's mouth at rest, and these (N, 5)."""
    rests = {}
    for speaker in {clip.speaker for clip in clips}:
        own = [clip for clip in clips if clip.speaker == speaker]
        still = [moves[c.id][: max(3, int((c.words[0].start - 0.3) * FPS))] for c in own]
        rests[speaker] = np.median([np.median(part, 0) for part in still], 0)
        rests[speaker][0] = np.percentile(np.concatenate([moves[c.id][:, 0] for c in own]), REST)
    rest = np.stack([rests[clip.speaker] for clip in clips])
    return np.stack([moves[clip.id] for clip in clips]) - rest[:, None], rest


def fit(args: argparse.Namespace) -> None:
    from mouths_fit import fit_table

    moves = dict(np.load(args.marks))
    clips = [clip for clip in train_clips(args.grid, 1) if clip.id in moves]
    known = [clip for clip in clips if clip.speaker == "s1"]
    clips = [clip for clip in clips if clip.speaker != "s1"] + known[:: args.every]
    about, rest = about_rest(moves, clips)
    table = fit_table(clips, about, rest, args.steps)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(table, indent=1)
    args.output.write_text(text.replace("[\n   ", "[").replace("\n   ", " ").replace("\n  ]", "]") + "\n", "utf-8")
    print(f"{len(clips)} clips: {args.output}")


# --- talkers beside people ---


def saying(manner: str, clips: int, seed: int = 700) -> "Iterator[TalkingClip]":
    """Talkers who say sentences of GRID in the given manner, each by another person."""
    from lipscribe.talker import Talker
    from lipscribe.talker.corpus import GRID_DURATION
    from lipscribe.talker.plan import plan_grid

    rate = 1.3 if manner == "careful" else 1.1  # so that the slowest of them end in time
    for clip in plan_grid(clips, clips, seed):
        yield Talker(seed + clip.speaker, manner=manner).say(clip.text, duration=GRID_DURATION, rate=rate)


def talkers(manner: str, clips: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The measures (T, 5) of each, counted from rest: of their contours as drawn, and of their pictures as tracked."""
    detector = EveryFrame()
    for said in saying(manner, clips):
        moves = tracked(said.frames, detector)
        if moves is not None:
            yield from_rest(drawn(said.performances[0])), from_rest(moves)


def from_rest(moves: np.ndarray) -> np.ndarray:
    return moves - np.append(np.percentile(moves[:, 0], REST), np.median(moves[:6, 1:], 0))


def drawn(performance: "Performance") -> np.ndarray:
    """(T, 5) eye distances as in `measures`, of the contours that are drawn; the lips' thickness is left 0."""
    from lipscribe.talker.lips import MAX_JAW, LipContours
    from lipscribe.talker.natural_lips import NaturalContours
    from lipscribe.talker.visemes import CONTROLS

    person, looks = performance.person, performance.looks
    ends = np.array([-1.0, 0.0, 1.0], np.float32)
    moves = np.zeros((len(performance.controls), len(MEASURES)), np.float32)
    for row, controls in zip(moves, performance.controls, strict=True):
        c: dict[str, float] = dict(zip(CONTROLS, controls.tolist(), strict=True))
        if looks is None:
            shape = LipContours(person, c, ends)
            gap, half = shape.gap, shape.outer_upper[-1, 0]
        else:
            shape = NaturalContours(person, looks, c, ends)
            gap, half = (shape.inner_lower - shape.inner_upper)[1], shape.half
        row[:3] = gap, 2 * half, MAX_JAW * max(c["jaw"], 0.0)
    return moves


def seconds_of(moves: np.ndarray) -> np.ndarray:
    """One second of movement from the middle of each clip: (N, T, 5) -> (N, features), of the first four measures."""
    part = moves[:, 25:50, :3]
    spectrum = np.abs(np.fft.rfft(part - part.mean(1, keepdims=True), axis=1))
    steps = np.abs(np.diff(part, axis=1))
    parts = (np.log(spectrum + 1e-3), np.percentile(part, [5, 25, 50, 75, 95], axis=1), steps.mean(1), steps.max(1))
    return np.concatenate([p.reshape(len(moves), -1) if p.ndim == 2 else _flat(p, len(moves)) for p in parts], 1)


def _flat(part: np.ndarray, number: int) -> np.ndarray:
    return (part if part.shape[0] == number else part.transpose(1, 0, 2)).reshape(number, -1)


def told_apart(real: np.ndarray, drawn: np.ndarray, people: np.ndarray) -> float:
    """How often a logistic regression tells them apart, each real speaker read by one that has not seen them."""
    import torch

    features = np.concatenate([real, drawn])
    is_real = np.concatenate([np.ones(len(real)), np.zeros(len(drawn))])
    drawn_groups = np.arange(len(drawn)) % len(set(people))
    group = np.concatenate([np.unique(people, return_inverse=True)[1], drawn_groups])
    right = []
    for held in np.unique(group):
        train = group != held
        mean, spread = features[train].mean(0), features[train].std(0) + 1e-6
        x, y = (torch.tensor(a, dtype=torch.float) for a in ((features - mean) / spread, is_real))
        chosen = torch.tensor(train)
        share = torch.where(y[chosen] > 0, 1 / y[chosen].sum(), 1 / (1 - y[chosen]).sum())  # both count the same
        weights = torch.zeros(x.shape[1] + 1, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=200)

        def loss(x=x, y=y, chosen=chosen, share=share, weights=weights, optimizer=optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            logits = x[chosen] @ weights[:-1] + weights[-1]
            each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[chosen], reduction="none")
            total = (each * share).sum() / 2 + 0.01 * (weights[:-1] ** 2).sum()
            total.backward()
            return total

        optimizer.step(loss)
        with torch.no_grad():
            said = (x[~chosen] @ weights[:-1] + weights[-1] > 0).numpy()
        truth = is_real[~train] > 0
        right.append(np.mean([(said[truth]).mean(), (~said[~truth]).mean()]))
    return float(np.mean(right))


def compare(args: argparse.Namespace) -> None:
    from lipscribe.talker.manners import MANNERS

    moves = dict(np.load(args.marks))
    clips = [clip for clip in train_clips(args.grid, args.every) if clip.id in moves]
    real, _ = about_rest(moves, clips)
    people = np.array([clip.speaker for clip in clips])
    views: dict[str, dict[str, np.ndarray]] = {"drawn": {"people": real}, "tracked": {"people": real}}
    for manner in MANNERS:
        both = list(talkers(manner, args.clips))
        print(f"{manner}: {len(both)} of {args.clips} clips tracked throughout")
        for view, each in zip(views, map(np.stack, zip(*both, strict=True)), strict=True):
            views[view][manner] = each
            print(f"{manner} as {view}: told from people {told_apart(seconds_of(real), seconds_of(each), people):.1%}")
        seen = [float((a[:, 0] @ b[:, 0]) / (a[:, 0] @ a[:, 0])) for a, b in both]
        text = " to ".join(f"{share:.0%}" for share in np.percentile(seen, [10, 90]))
        print(f"{manner}: of an opening as drawn {np.median(seen):.0%} is tracked ({text})")
    for view, shown in views.items():
        for name, each in shown.items():
            text = ", ".join(
                f"{m} {' '.join(f'{v:.3f}' for v in np.percentile(each[..., i], [5, 25, 50, 75, 95]))}"
                for i, m in enumerate(MEASURES)
            )
            speed = " ".join(f"{v:.3f}" for v in np.percentile(np.abs(np.diff(each[..., 0], axis=1)), [50, 75, 95]))
            print(f"{name}, {view}: {text}; gap's change a frame {speed}")
    draw(views["drawn" if args.drawn else "tracked"], args.picture)


def draw(shown: dict[str, np.ndarray], path: Path) -> None:
    """The distributions side by side."""
    from lipscribe.figures import MUTED, Page

    names = ("opening", "width", "jaw", "change of the opening in a frame")
    page = Page(12, 3.4)
    for column, name in enumerate(names):
        axes = page.axes(0.5 + 2.95 * column, 0.55, 2.4, 2.2)
        pools = {who: np.diff(m[..., 0]) if column == 3 else m[..., column] for who, m in shown.items()}
        draw_pools(axes, name, pools, 60, is_first=column == 0)
        axes.set_yscale("log") if column in (0, 3) else None
    page.text(
        0.5, 3.1, "eye distances, about each mouth at rest; clips of GRID and talkers who say its sentences", 8, MUTED
    )
    page.save(path)


def draw_pools(axes: "Axes", name: str, pools: dict[str, np.ndarray], bins: int, is_first: bool) -> None:
    """A histogram of each, people's broader."""
    from lipscribe.figures import MUTED, SERIES

    low, high = np.percentile(np.concatenate([pool.ravel() for pool in pools.values()]), [0.5, 99])
    for color, (who, pool) in zip(SERIES, pools.items(), strict=False):
        heights, edges = np.histogram(pool, bins, (low, high), density=True)
        width = 2.2 if who == "people" else 1.2
        axes.plot((edges[1:] + edges[:-1]) / 2, heights, color=color, linewidth=width, label=who)
    axes.set_yticks([])
    axes.set_title(name, fontsize=9, color=MUTED)
    if is_first:
        axes.legend(frameon=False, fontsize=8)


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Where the clips of people are."""
    folders = [Path("../shared/grid"), Path("../shared/grid-others")]
    parser.add_argument("--grid", type=Path, nargs="+", default=folders, help="folders in GRID's layout")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("measure", measure), ("fit", fit), ("compare", compare)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("marks", type=Path, help="the measures, .npz")
        add_grid(command)
        command.add_argument("--every", type=int, default=2, help="one of so many clips of s1")
        if name == "fit":
            command.add_argument("--steps", type=int, default=180)
            command.add_argument("--output", type=Path, default=Path("src/lipscribe/assets/talker/mouths.json"))
        if name == "compare":
            command.add_argument("--clips", type=int, default=180)
            command.add_argument("--drawn", action="store_true", help="show talkers as drawn, not as tracked")
            command.add_argument("--picture", type=Path, default=Path("docs/pictures/mouths.png"))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
