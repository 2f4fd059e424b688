"""How should a convolution be connected to an LSTM for lip reading? One thing changed at a time, all else equal.

    python benchmarks/ablation.py run --data prepared/                # all rows; what has been run is not run again
    python benchmarks/ablation.py run --data prepared/ --rows pool stem --seeds 1 2 3
    python benchmarks/ablation.py report --output docs/pictures/ablation.png

Every row has the same clips, batches, steps and augmentation (config ablation). What is compared is the dev WER
with no grammar and no language model, by the search that goes with the head.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from pretraining import read_rows

from lipscribe.training.config import load_config
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE

CHARACTERS = {"kind": "characters", "characters": " abcdefghijklmnopqrstuvwxyz"}
WIDE = [16, 32, 64, 512]
# row: (group, what it is, what it changes)
ROWS: dict[str, tuple[str, str, dict]] = {
    "founding": ("base", "2D, flatten, LSTM, words by CTC", {}),
    "pool": ("frontend", "2D, average pool", {"model__frontend__pooling": "average"}),
    "pool-wide": (
        "frontend",
        "2D, average pool, as many weights",
        {"model__frontend__pooling": "average", "model__frontend__channels": WIDE},
    ),
    "stem": ("frontend", "3D first layer, flatten", {"model__frontend__stem_frames": 5}),
    "stem-pool": (
        "frontend",
        "3D first layer, average pool",
        {"model__frontend__stem_frames": 5, "model__frontend__pooling": "average"},
    ),
    "none": ("encoder", "no encoder", {"model__encoder__cell": "none", "model__encoder__bidirectional": True}),
    "bilstm": ("encoder", "BiLSTM", {"model__encoder__bidirectional": True}),
    "gru": ("encoder", "GRU", {"model__encoder__cell": "gru"}),
    "tcn": ("encoder", "TCN", {"model__encoder__cell": "tcn", "model__encoder__bidirectional": True}),
    "conformer": ("encoder", "Conformer", {"model__encoder__cell": "conformer", "model__encoder__bidirectional": True}),
    "no-frames": ("head", "words by CTC, no word times", {"optim__frame_weight": 0.0}),
    "characters": (
        "head",
        "characters by CTC",
        {"model__tokenizer": CHARACTERS, "optim__frame_weight": 0.0},
    ),
    "attention": ("head", "words by attention", {"optim__ctc_weight": 0.0}),
    "hybrid": ("head", "words by CTC and attention", {"optim__ctc_weight": 0.5}),
    "winners": (
        "all",
        "3D first layer, flatten, BiLSTM",
        {"model__frontend__stem_frames": 5, "model__encoder__bidirectional": True},
    ),
}
CONCLUSION = ("founding", "pool", "stem")  # these get every seed, the others the first
GROUPS = ("base", "frontend", "encoder", "head", "all")


def run(args: argparse.Namespace, row: str, seed: int) -> None:
    train_row(args.config, args.runs / f"{row}-{seed}", row, seed, data__folder=str(args.data), **ROWS[row][2])


def train_row(path: Path, output: Path, row: str, seed: int, **settings) -> None:
    """Trains what a config and these settings say, if that was not done, and notes the outcome in `output`."""
    result = output / "result.json"
    if result.exists():
        return
    config = load_config(path, output=str(output), seed=seed, model__name=row, **settings)
    started = time.process_time()
    train(config, (output / RESUME_FILE).exists(), say=lambda line: print(line, file=sys.stderr))
    minutes = (time.process_time() - started) / 60
    last = read_rows(output)[-1]
    found = {"row": row, "seed": seed, "minutes": minutes, "weights": count(config)}
    found |= {name: float(value) for name, value in last.items() if name.startswith("dev_") and value}
    result.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{row:12s} seed {seed}: dev WER {found['dev_wer']:.1%}, {minutes:.1f} processor minutes", flush=True)


def count(config) -> int:
    from lipscribe.models.builders import build_reader

    return sum(weights.numel() for weights in build_reader(config.trained_model).parameters())


def collect(runs: Path) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for path in sorted(runs.glob("*/result.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(one["row"], []).append(one)
    return {row: found[row] for row in ROWS if row in found}


def table(results: dict[str, list[dict]]) -> str:
    lines = ["| what | WER | each seed | weights | processor minutes |", "|---|---|---|---|---|"]
    for row, runs in results.items():
        each = ", ".join(f"{one['dev_wer']:.1%}" for one in runs) if len(runs) > 1 else ""
        lines.append(
            f"| {ROWS[row][1]} (`{row}`) | {mean(one['dev_wer'] for one in runs):.1%} | {each} "
            f"| {runs[0]['weights'] / 1e6:.2f} M | {mean(one['minutes'] for one in runs):.1f} |"
        )
    return "\n".join(lines)


def draw(results: dict[str, list[dict]], path: Path) -> None:
    from lipscribe.figures import ACCENT, INK, MUTED, SERIES, Page

    rows = [row for group in GROUPS for row in results if ROWS[row][0] == group]
    page = Page(9.5, 1.4 + 0.36 * len(rows))
    page.text(0.4, 0.25, "What connects the picture to the words", size=14, weight="bold")
    page.text(
        0.4, 0.57, "words wrong on the dev clips of GRID s1, %, same budget; dots are seeds", size=10, color=MUTED
    )
    told = {"base": "the founding program", "frontend": "another frontend", "encoder": "encoder", "head": "head"}
    axes = page.axes(3.4, 0.95, 5.7, 0.36 * len(rows))
    colors = dict(zip(GROUPS, (INK, ACCENT, *SERIES[1:]), strict=False))
    for y, row in enumerate(rows):
        wers = [100 * one["dev_wer"] for one in results[row]]
        axes.barh(y, mean(wers), color=colors[ROWS[row][0]], height=0.62, alpha=0.85)
        axes.plot(wers, [y] * len(wers), "o", color=INK, markersize=3.5)
        axes.text(max(wers) + 1.2, y, f"{mean(wers):.1f}", va="center", fontsize=9, color=INK)
    handles = [axes.barh(0, 0, color=colors[group], label=text, alpha=0.85) for group, text in told.items()]
    axes.legend(handles=handles, frameon=False, fontsize=9, loc="lower right")
    axes.set(yticks=range(len(rows)), yticklabels=[ROWS[row][1] for row in rows], xlim=(0, 108))
    axes.invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def parse(
    doc: str, study: str, config: str, rows: Iterable[str], seeds: list[int], picture: str | None = None, **numbers: int
) -> argparse.Namespace:
    """The command line of a study (`runs/STUDY`, by one config), whose rows are trained one by one: `run` and `report`.

    Args:
        picture: Where `report` draws, None where it only prints.
        numbers: Further settings of `run`, with their defaults.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs") / study)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train the rows")
    running.add_argument("--data", type=Path, required=True, help="prepared folder of GRID")
    running.add_argument("--config", type=Path, default=Path(config))
    running.add_argument("--rows", nargs="+", default=list(rows), choices=list(rows))
    running.add_argument("--seeds", type=int, nargs="+", default=seeds)
    for number, default in numbers.items():
        running.add_argument(f"--{number}", type=int, default=default)
    reporting = commands.add_parser("report", help="print the table" + (" and draw it" if picture else ""))
    if picture:
        reporting.add_argument("--output", type=Path, default=Path(picture))
    return parser.parse_args()


def main() -> None:
    args = parse(__doc__, "ablation", "ablation", ROWS, [1, 2, 3], "docs/pictures/ablation.png")
    if args.command == "report":
        results = collect(args.runs)
        print(table(results))
        draw(results, args.output)
        return
    for place, seed in enumerate(args.seeds):
        for row in args.rows:
            if place == 0 or row in CONCLUSION:
                run(args, row, seed)


if __name__ == "__main__":
    main()
