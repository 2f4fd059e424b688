"""Whether batches come fast enough, and what memory they take: `python benchmarks/feeding.py --prepared prepared/`.

`rate`: clips and frames a second that the loader makes from shards on disk (cache: false) and from decoded crops in
memory (cache: true), beside the training step of config grid on the same processors; the three are measured in turn.
`memory`: the training process and its workers on 1 000, 10 000 and 100 000 clips, which are the shards of the prepared
folder under many names, after the check of all clips and the first batches. `--json FILE` saves the table.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from training import stepper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, required=True, help="a prepared folder; its train split is read")
    parser.add_argument("--config", default="grid")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=40, help="batches of each rate (40)")
    parser.add_argument("--steps", type=int, default=10, help="training steps (10)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the two are measured in turn (3)")
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--only", choices=["rate", "memory", "one"], nargs="+", default=["rate", "memory"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if "one" in args.only:  # memory of one number of clips, in a process of its own
        print(json.dumps(memory(args.config, args.prepared, args.workers, args.batches)))
        return
    if "rate" in args.only:
        rows.append(rate(args))
        for name, value in rows[-1].items():
            print(f"{name:24} {value:.4g}", flush=True)
    if "memory" in args.only:
        for number in args.clips:
            rows.append(memory_of(args, number))
            print(row_of(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"processors": os.cpu_count(), "torch": torch.__version__, "rows": rows}))


def build(config_name: str, folder: Path, cache: bool = False) -> tuple[Any, Any]:
    from lipscribe.data.dataset import ShardDataset
    from lipscribe.training.config import load_config
    from lipscribe.transforms import Augment

    config = load_config(config_name)
    size = config.model.input
    augment = Augment(config.augment, size.height, size.width, size.normalisation)
    tokenizer = config.model.tokenizer
    return config, ShardDataset(folder, "train", tokenizer, size.height, size.width, augment, cache=cache)


def rate(args: argparse.Namespace) -> dict[str, Any]:
    """Loaders and step in turn: clips a second of each, by the clock and by processor time."""
    from lipscribe.training.loop import best_precision

    config, from_disk = build(args.config, args.prepared, False)
    loaders = {"disk": from_disk, "memory": build(args.config, args.prepared, True)[1]}
    first = config.augment.splice_from + 1  # words are exchanged, so that each clip needs others too
    rates: dict[str, list[float]] = {}
    batches = list(itertools.islice(from_disk.batches(config.batch_sizes, first), 3))
    step = stepper(config, torch.device("cpu"), best_precision() == "bf16-mixed")
    step(batches[0])
    for _ in range(args.rounds):
        for name, dataset in loaders.items():
            for unit, found in load(dataset, config, first, args.workers, args.batches).items():
                rates.setdefault(f"{name} {unit}", []).append(found)
        started, used = time.perf_counter(), time.process_time()
        for n in range(args.steps):
            step(batches[n % len(batches)])
        clips = sum(len(batches[n % len(batches)].clips) for n in range(args.steps))
        rates.setdefault("step clips/s", []).append(clips / (time.perf_counter() - started))
        rates.setdefault("step clips/CPU s", []).append(clips / (time.process_time() - used))
    return {"threads": torch.get_num_threads(), **{name: statistics.median(found) for name, found in rates.items()}}


def load(dataset: Any, config: Any, epoch: int, workers: int, number: int) -> dict[str, float]:
    """Clips and frames a second, and clips a second of processor time of all processes."""
    from lipscribe.data.loader import BatchLoader

    with BatchLoader(dataset, config.batch_sizes, 10**6, workers) as loader:
        made = itertools.chain.from_iterable(loader.epoch(epoch + n) for n in itertools.count())
        for _ in range(2 * workers + 2):  # which were made while the workers started
            next(made)
        pids = [os.getpid(), *children()]
        started, used, clips, frames = time.perf_counter(), cpu_of(pids), 0, 0
        for batch in itertools.islice(made, number):
            clips, frames = clips + len(batch.clips), frames + int(batch.video_lengths.sum())
        seconds, processor = time.perf_counter() - started, cpu_of(pids) - used
    return {"clips/s": clips / seconds, "frames/s": frames / seconds, "clips/CPU s": clips / processor}


def memory_of(args: argparse.Namespace, number: int) -> dict[str, Any]:
    """The memory on so many clips: hard links to the same shards under many names, read by a process of its own."""
    with tempfile.TemporaryDirectory(dir=args.prepared.parent) as folder:
        shards = sorted(args.prepared.glob("train-*.tar"))
        from lipscribe.data.shard_index import entries_on_disk

        clips, names = [len(entries_on_disk(shard)) for shard in shards], itertools.count()
        made = 0
        for shard, count in itertools.cycle(zip(shards, clips, strict=True)):
            if made >= number:
                break
            name = f"train-{next(names):06d}"
            os.link(shard, Path(folder) / f"{name}.tar")
            if (index := shard.with_suffix(".index")).exists():
                os.link(index, Path(folder) / f"{name}.index")
            made += count
        command = [sys.executable, __file__, "--config", args.config, "--prepared", folder, "--only", "one"]
        command += ["--workers", str(args.workers), "--batches", str(args.batches)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory(config_name: str, folder: Path, workers: int, number: int) -> dict[str, Any]:
    from lipscribe.training.checks import ClipSummary, clip_faults

    config, dataset = build(config_name, folder)
    summary, started = ClipSummary(), time.perf_counter()
    faults = clip_faults(dataset.scan(), "train", dataset.tokenizer, True, summary)
    checked = time.perf_counter() - started
    first = config.augment.splice_from + 1
    from lipscribe.data.loader import BatchLoader

    with BatchLoader(dataset, config.batch_sizes, first + 1, workers) as loader:
        made = loader.epoch(first)
        started = time.perf_counter()
        next(made)
        waited = time.perf_counter() - started
        for _ in itertools.islice(made, number):
            pass
        own, others = [own_mb(os.getpid()), *map(own_mb, children())], children()
    return {
        "clips": summary.clips,
        "faults": len(faults),
        "check s": checked,
        "first batch s": waited,
        "MB": own[0],
        f"MB of {len(others)} workers": sum(own[1:]),
    }


def children() -> list[int]:
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return [int(pid) for pid in own.read_text().split()]


def cpu_of(pids: list[int]) -> float:
    """Seconds of processor time of processes."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def own_mb(pid: int) -> float:
    """Resident memory of a process; what it shares with others counts by its part (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1e3
    return 0.0


def row_of(row: dict[str, Any]) -> str:
    cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values())
    return "  ".join(f"{name} {cell}" for name, cell in zip(row, cells, strict=True))


if __name__ == "__main__":
    main()
