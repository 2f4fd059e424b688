"""What makes strangers readable? One thing changed at a time, all else equal.

    python benchmarks/strangers.py run --data prepared/ --others prepared-others/ --rows base all --seeds 1 2 3
    python benchmarks/strangers.py report
    python benchmarks/strangers.py score grid --sets prepared-others/:dev prepared/:dev prepared-talkers/:dev

Every row goes on from the same model for the same epochs: 300 clips of s1, and those of the other speakers five times
an epoch. `score` prints the words wrong in sets of prepared clips by the model's own search: all six, and the letter,
digit and adverb alone, since GRID's first clips of a speaker nearly all begin alike.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.data.dataset import ShardDataset
from lipscribe.metrics import bootstrap_interval, word_errors
from lipscribe.model import Model
from lipscribe.pipeline import load_model
from lipscribe.training.config import load_config
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE

LAST_SLOTS = 3  # letter, digit, adverb
VARIED = {"augment__warp": 1.5, "augment__shade": 0.3, "augment__blur": 1.0}
IN2 = {"model__frontend__instance_norm": 2}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("config grid-s1's augmentation", {}),
    "varied": ("warped, lit and blurred as other people", VARIED),
    "instance": ("instance norm after the first two convolutions", IN2),
    "all": ("both", VARIED | IN2),
    "strong": ("both, twice as strong", {"augment__warp": 2.5, "augment__shade": 0.5, "augment__blur": 2.0} | IN2),
    "instance-3": ("varied, instance norm after three", VARIED | {"model__frontend__instance_norm": 3}),
}


def score(model: Model, folder: str, split: str) -> dict[str, dict[str, Any]]:
    """Words wrong of each speaker and of "all", by the model's own search, with 95 % intervals over clips."""
    size = model.spec.input
    texts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for _, prepared in ShardDataset(folder, split, model.tokenizer, size.height, size.width).clips():
        found = model.search(model.encode(prepared.crops))[0].text
        texts[prepared.clip.speaker or "?"].append((prepared.clip.text, found))
    texts["all"] = [pair for pairs in texts.values() for pair in pairs]
    return {speaker: rates(pairs) for speaker, pairs in texts.items()}


def rates(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Words wrong: all, and those in the last three slots."""
    both: dict[str, Any] = {}
    for name, first in (("whole", 0), ("last", -LAST_SLOTS)):
        cut = [(" ".join(a.split()[first:]), " ".join(b.split()[first:])) for a, b in pairs]
        counts = word_errors([a for a, _ in cut], [b for _, b in cut])
        low, high = bootstrap_interval(counts)
        wrong, words = sum(one.errors for one in counts), sum(one.reference_length for one in counts)
        both |= {name: wrong / words, f"{name}_interval": [low, high]}
    return both | {"clips": len(pairs)}


def show(name: str, scores: dict[str, dict[str, Any]]) -> None:
    for speaker, one in scores.items():
        whole, last = (
            f"{one[k]:6.1%} ({one[k + '_interval'][0]:.0%} to {one[k + '_interval'][1]:.0%})" for k in ("whole", "last")
        )
        print(
            f"{name:32s} {speaker:6s} {one['clips']:4d} clips  all six {whole}  letter, digit, adverb {last}",
            flush=True,
        )


def run(args: argparse.Namespace, row: str, seed: int) -> None:
    """Trains a row, if that was not done, and scores it."""
    output = args.runs / f"{row}-{seed}"
    if (output / "result.json").exists():
        return
    others = str(args.others)
    plain = dict.fromkeys(VARIED, 0) | {"model__frontend__instance_norm": 0}
    config = load_config(
        "grid", output=str(output), seed=seed, start_from=args.start_from, data__folder=str(args.data), data__limit=300,
        data__also=[others], data__also_repeat=[5], optim__epochs=args.epochs, optim__average=0.99,
        augment__splice_until=args.epochs - 2, evaluate_every=args.epochs,
        **plain | ROWS[row][1],
    )  # fmt: skip
    started = time.process_time()
    train(config, (output / RESUME_FILE).exists(), say=lambda line: print(line, file=sys.stderr))
    found = {"row": row, "seed": seed, "minutes": (time.process_time() - started) / 60}
    model = load_model(output / "last", runtime="torch")
    found["sets"] = {name: score(model, *name.rsplit(":", 1))["all"] for name in args.sets}
    (output / "result.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


def report(runs: Path) -> None:
    """The table of all that was run: means over seeds."""
    found = defaultdict(list)
    for path in sorted(runs.glob("*/result.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        found[one["row"]].append(one)
    names = next(iter(found.values()))[0]["sets"]
    print("| what | seeds | " + " | ".join(f"{name}: all six | letter, digit, adverb" for name in names) + " |")
    print("|---|---|" + "---|---|" * len(names))
    for row in (row for row in ROWS if row in found):
        cells = []
        for name in names:
            for kind in ("whole", "last"):
                each = [100 * one["sets"][name][kind] for one in found[row]]
                cells.append(
                    f"{np.mean(each):.1f}" + (f" ({min(each):.1f} to {max(each):.1f})" if len(each) > 1 else "")
                )
        print(f"| {ROWS[row][0]} | {len(found[row])} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/strangers"))
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train and score the rows")
    running.add_argument("--data", type=Path, required=True, help="prepared folder of GRID s1")
    running.add_argument("--others", type=Path, required=True, help="prepared folder of other speakers")
    running.add_argument("--start-from", default="runs/grid-s1/last")
    running.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    running.add_argument("--seeds", type=int, nargs="+", default=[1])
    running.add_argument("--epochs", type=int, default=12)
    running.add_argument("--sets", nargs="+", required=True, metavar="FOLDER:SPLIT")
    commands.add_parser("report", help="print the table")
    scoring = commands.add_parser("score", help="score a model")
    scoring.add_argument("model")
    scoring.add_argument("--sets", nargs="+", required=True, metavar="FOLDER:SPLIT")
    args = parser.parse_args()
    if args.command == "report":
        return report(args.runs)
    if args.command == "score":
        model = load_model(args.model)
        for name in args.sets:
            show(name, score(model, *name.rsplit(":", 1)))
        return None
    for seed in args.seeds:
        for row in args.rows:
            run(args, row, seed)
    return report(args.runs)


if __name__ == "__main__":
    main()
