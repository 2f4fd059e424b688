"""How many sentences does a person have to record, and does learning from synthetic talkers first help to read them?

    python benchmarks/pretraining.py --real prepared/ --output runs/pretraining/

Dev WER by number of real clips, from the weights of the bundled model of talkers and from fresh ones. Every run has
the same network and the same number of steps; only its clips and where its weights begin differ. What has been run
already is not run again, so several processes can share the work (`--clips`, `--kinds`), and a last call draws.
"""

import argparse
import csv
import json
import math
import sys
from pathlib import Path

from lipscribe.training.config import load_config
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE

CLIPS = (25, 50, 100, 200, 400, 800)
KINDS = ("pretrained", "fresh")
MEASURES = {"dev_wer": "with the grammar", "dev_greedy_wer": "greedy, no grammar"}


def run(args: argparse.Namespace, clips: int, kind: str, available: int, batch_size: int) -> dict[str, float]:
    output = args.output / f"{kind}-{clips}"
    clips = min(clips, available)
    epochs = math.ceil(args.steps / math.ceil(clips / batch_size))
    config = load_config(
        args.config,
        output=str(output),
        data__folder=str(args.real),
        data__limit=clips,
        optim__steps=args.steps,
        start_from=args.start if kind == "pretrained" else None,
        evaluate_every=epochs,
    )
    rows = read_rows(output)
    if not rows or int(rows[-1]["epoch"]) < epochs:
        train(config, (output / RESUME_FILE).exists(), say=lambda line: print(line, file=sys.stderr))
        rows = read_rows(output)
    return {name: float(rows[-1][name]) for name in MEASURES} | {
        "minutes": sum(float(row["epoch_seconds"]) for row in rows) / 60
    }


def read_rows(output: Path) -> list[dict[str, str]]:
    path = output / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def draw(results: dict[str, dict[str, float]], path: Path) -> None:
    from lipscribe.figures import ACCENT, MUTED, SERIES, Page

    page = Page(9.5, 4.6)
    page.text(0.5, 0.3, "Real clips to learn from, and what synthetic talkers add", size=14, weight="bold")
    page.text(0.5, 0.62, "words wrong on GRID s1's 100 dev clips, %", size=10, color=MUTED)
    for i, (measure, title) in enumerate(MEASURES.items()):
        axes = page.axes(0.7 + 4.5 * i, 1.25, 3.9, 2.7)
        for kind, color in (("fresh", SERIES[1]), ("pretrained", ACCENT)):
            if f"{kind}-{CLIPS[0]}" not in results:
                continue
            wers = [100 * results[f"{kind}-{clips}"][measure] for clips in CLIPS]
            axes.plot(CLIPS, wers, "o-", color=color, label=f"{kind} weights", markersize=5)
            for x, y in zip(CLIPS, wers, strict=True):
                side = 6 if kind == "fresh" else -13
                axes.annotate(f"{y:.0f}", (x, y), (0, side), textcoords="offset points", ha="center", fontsize=8.5)
        axes.set(xscale="log", xticks=CLIPS, xticklabels=CLIPS, ylim=(0, 108), title=title, xlabel="real clips")
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="prepared folder of the real clips")
    parser.add_argument("--start", default="talkers", help="name or folder of a model trained on synthetic talkers")
    parser.add_argument("--config", type=Path, default=Path("few-clips"))
    parser.add_argument("--output", type=Path, default=Path("runs/pretraining"))
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/pretraining.png"))
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--clips", type=int, nargs="+", default=CLIPS, help="only these, so that others run elsewhere")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="only these")
    args = parser.parse_args()

    from lipscribe.data.dataset import ShardDataset

    config = load_config(args.config)
    available = len(ShardDataset(args.real, "train", config.model.tokenizer, 8, 8, cache=False))
    results = {}
    for clips in args.clips:
        for kind in args.kinds:
            results[f"{kind}-{clips}"] = found = run(args, clips, kind, available, config.optim.batch_size)
            print(f"{kind:10s} {clips:4d} clips: " + "  ".join(f"{k} {v:.3f}" for k, v in found.items()), flush=True)
    if len(args.clips) < len(CLIPS):
        return
    (args.output / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    draw(results, args.picture)
    print(args.picture)


if __name__ == "__main__":
    main()
