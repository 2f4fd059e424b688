"""What makes strangers readable? One thing changed at a time, all else equal.

    python benchmarks/strangers.py run --data prepared/ --others prepared-others/ --rows base all --seeds 1 2 3
    python benchmarks/strangers.py report
    python benchmarks/strangers.py score grid --sets prepared-others/:dev prepared/:dev prepared-talkers/:dev

Every row goes on from the same model for the same epochs: 300 clips of s1, and those of the other speakers five times
an epoch. `score` prints the words wrong in sets of prepared clips by the model's own search: all six, and the letter,
digit and adverb alone, since GRID's first clips of a speaker nearly all begin alike.
"""

import argparse
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipscribe.data.batches import Batch
from lipscribe.data.dataset import ShardDataset
from lipscribe.metrics import bootstrap_interval, word_errors
from lipscribe.model import Model
from lipscribe.models.torch_runtime import TorchRuntime
from lipscribe.pipeline import load_model
from lipscribe.training import loop
from lipscribe.training.config import load_config
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE

LAST_SLOTS = 3  # letter, digit, adverb
VARIED = {"augment__warp": 1.5, "augment__shade": 0.3, "augment__blur": 1.0}
IN2 = {"model__frontend__instance_norm": 2}
CLIP = {"model__frontend__clip_norm": True}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("config grid-s1's augmentation", {}),
    "varied": ("warped, lit and blurred as other people", VARIED),
    "instance": ("instance norm after the first two convolutions", IN2),
    "all": ("both", VARIED | IN2),
    "strong": ("both, twice as strong", {"augment__warp": 2.5, "augment__shade": 0.5, "augment__blur": 2.0} | IN2),
    "instance-3": ("varied, instance norm after three", VARIED | {"model__frontend__instance_norm": 3}),
    "once": ("both, the others once an epoch", VARIED | IN2 | {"data__also_repeat": [1]}),
    "often": ("both, the others ten times an epoch", VARIED | IN2 | {"data__also_repeat": [10]}),
    "clip": ("both, features normalised over the clip", VARIED | IN2 | CLIP),
    "often-clip": ("the same, the others ten times an epoch", VARIED | IN2 | CLIP | {"data__also_repeat": [10]}),
    "adversary": ("both, with a speaker-adversarial head", VARIED | IN2),
    "exchange": ("both, twice as many words exchanged between speakers", VARIED | IN2 | {"augment__splice": 0.6}),
    "whole": ("both, no words exchanged", VARIED | IN2 | {"augment__splice": 0.0}),
}
ADVERSARY = 0.3  # weight of its reversed gradient


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -ADVERSARY * gradients[0]


@contextlib.contextmanager
def adversary() -> Iterator[None]:
    """Within: trainings have a head that tells speakers by the frontend's features, which learn to hide them.

    Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
    """
    build, frame_loss = loop.build_reader, loop.frame_loss
    features: list[Tensor] = []
    speakers: dict[str, int] = {}
    head = nn.Sequential(nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, 16))  # of at most 16 speakers
    adam: list[torch.optim.Optimizer] = []

    def built(*args: Any) -> Any:
        reader = build(*args)
        reader.encoder.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
        return reader

    def with_head(log_probs: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
        seen = torch.arange(log_probs.shape[1]) < batch.video_lengths[:, None]
        mean = (features[-1].float() * seen[..., None]).sum(1) / batch.video_lengths[:, None]
        features.clear()
        if adam:
            adam[0].step()
            adam[0].zero_grad()
        found = head(_Reversed.apply(mean))
        if not adam:
            adam.append(torch.optim.AdamW(head.parameters(), lr=1e-3))
        truth = torch.tensor([speakers.setdefault(clip.speaker, len(speakers)) for clip in batch.clips])
        loss = F.cross_entropy(found, truth)
        return frame_loss(log_probs, batch, label_smoothing) + loss

    loop.build_reader, loop.frame_loss = built, with_head
    try:
        yield
    finally:
        loop.build_reader, loop.frame_loss = build, frame_loss


def score(model: Model, folder: str, split: str) -> dict[str, dict[str, Any]]:
    """Words wrong of each speaker and of "all", by the model's own search, with 95 % intervals over clips."""
    size = model.spec.input
    texts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for _, prepared in ShardDataset(folder, split, model.tokenizer, size.height, size.width).clips():
        found = model.search(model.encode(prepared.crops))[0].text
        texts[prepared.clip.speaker or "?"].append((prepared.clip.text, found))
    texts["all"] = [pair for pairs in texts.values() for pair in pairs]
    return {speaker: rates(pairs) for speaker, pairs in texts.items()}


def adapt_statistics(model: Model, folder: str, split: str, share: float) -> dict[str, dict[str, Any]]:
    """`score`, with each speaker's own mean and variance in the batch norms, from all of their clips, without texts.

    Args:
        share: Of the speaker in the statistics; the rest is the training's.
    """
    assert isinstance(model.runtime, TorchRuntime)
    norms = [layer for layer in model.runtime.reader.modules() if isinstance(layer, nn.BatchNorm2d)]
    trained = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
    size, clips = model.spec.input, defaultdict(list)
    for _, prepared in ShardDataset(folder, split, model.tokenizer, size.height, size.width).clips():
        clips[prepared.clip.speaker].append(prepared)
    pairs: list[tuple[str, str]] = []
    for of_speaker in clips.values():
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for prepared in of_speaker:
            model.encode(prepared.crops)
        for norm, (mean, variance) in zip(norms, trained, strict=True):
            norm.eval()
            norm.running_mean.lerp_(mean, 1 - share)
            norm.running_var.lerp_(variance, 1 - share)
        pairs += [(one.clip.text, model.search(model.encode(one.crops))[0].text) for one in of_speaker]
        for norm, (mean, variance) in zip(norms, trained, strict=True):
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
    return {"all": rates(pairs)}


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
        data__also=[others], optim__epochs=args.epochs, optim__average=0.99,
        augment__splice_until=args.epochs - 2, evaluate_every=args.epochs,
        **plain | {"data__also_repeat": [5]} | ROWS[row][1],
    )  # fmt: skip
    started = time.process_time()
    with adversary() if row == "adversary" else contextlib.nullcontext():
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
    own = commands.add_parser("statistics", help="score a model with each speaker's statistics in its batch norms")
    own.add_argument("model")
    own.add_argument("--sets", nargs="+", required=True, metavar="FOLDER:SPLIT")
    own.add_argument("--shares", type=float, nargs="+", default=[0, 0.25, 0.5, 1])
    args = parser.parse_args()
    if args.command == "statistics":
        model = load_model(args.model, runtime="torch")
        for name in args.sets:
            for share in args.shares:
                show(f"{name} {share:g}", adapt_statistics(model, *name.rsplit(":", 1), share))
        return None
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
