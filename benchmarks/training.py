"""How fast training is: `python benchmarks/training.py`; `--prepared prepared/` takes real clips instead of drawn ones.

Step time by batch size, clips a second that the loader makes by number of workers, both together with the time that a
step waits, and the founding network against Keras. What is compared is measured in turn; compare only figures of one
run. `--json FILE` saves the table.
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Rows = list[dict[str, Any]]
FOUNDING_SIZES = (
    {"frames": 7, "height": 10, "width": 10, "units": 9},
    {"frames": 30, "height": 24, "width": 36, "units": 64},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grid-s1", help="a config's name or file (grid-s1)")
    parser.add_argument("--prepared", help="a prepared folder; without it clips are drawn")
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="(8 and 16; with a GPU 8, 32 and 128)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=12, help="steps of each figure (12)")
    parser.add_argument("--threads", type=int, help="threads of torch (all processors)")
    parser.add_argument("--json", type=Path, help="file to save the table to")
    parser.add_argument("--only", choices=list(PARTS), nargs="+", default=list(PARTS))
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    gpu = torch.cuda.is_available()
    args.batch_sizes = args.batch_sizes or ([8, 32, 128] if gpu else [8, 16])
    args.device = torch.device("cuda" if gpu else "cpu")
    machine = torch.cuda.get_device_name() if gpu else f"{os.cpu_count()} processors"
    print(f"{machine}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        args.folder = args.prepared or draw_clips(Path(folder), max(*args.batch_sizes, 64))
        for name in args.only:
            found = PARTS[name](args)
            print_table(name, found)
            rows += [{"part": name, **row} for row in found]
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "torch": torch.__version__, "rows": rows}, indent=2))


def draw_clips(folder: Path, number: int) -> Path:
    """A prepared folder with clips of 75 frames of smooth noise, texts and word times."""
    from lipscribe.data.manifest import Clip, WordTime
    from lipscribe.data.shards import PreparedClip, write_shard

    rng, words = np.random.default_rng(0), ["bin", "blue", "at", "f", "two", "now"]
    times = tuple(WordTime(word, 0.5 + 0.3 * i, 0.8 + 0.3 * i) for i, word in enumerate(words))
    clips = []
    for n in range(number):
        coarse = rng.integers(0, 256, size=(75, 12, 12)).astype(np.uint8)
        clips.append(PreparedClip(Clip(f"{n}", f"{n}.mp4", " ".join(words), times), coarse.repeat(8, 1).repeat(8, 2)))
    write_shard(folder / "train-000000.tar", clips)
    return folder


def build(args: argparse.Namespace) -> tuple[Any, Any]:
    """The config's dataset, in memory, and a function that trains one step on a batch."""
    from lipscribe.data.dataset import ShardDataset
    from lipscribe.training.config import load_config
    from lipscribe.transforms import Augment

    config = load_config(args.config)
    size = config.model.input
    augment = Augment(config.augment, size.height, size.width, size.normalisation)
    dataset = ShardDataset(args.folder, "train", config.model.tokenizer, size.height, size.width, augment)
    len(dataset)
    torch.manual_seed(0)
    return dataset, stepper(config, args.device)


def stepper(config: Any, device: torch.device, bfloat16: bool = True) -> Callable[[Any], None]:
    """A function that trains one step on a batch, as the loop does."""
    from lipscribe.models.builders import build_reader
    from lipscribe.training.average import MovingAverage
    from lipscribe.training.losses import attention_loss, ctc_loss, frame_loss

    optim = config.optim
    model = build_reader(config.trained_model).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    average = MovingAverage(model, optim.average).to(device)

    def step(batch: Any) -> None:
        batch = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            log_probs, expected = model.forward_train(batch.video, batch.video_lengths, batch.targets, optim.sampling)
        losses = []
        if log_probs is not None:
            losses += [ctc_loss(log_probs, batch), frame_loss(log_probs, batch, optim.label_smoothing)]
        if expected is not None:
            losses.append(attention_loss(expected, batch, optim.label_smoothing, model.end))
        torch.stack(losses).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), optim.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        average.update(model)

    return step


def steps(args: argparse.Namespace) -> Rows:
    """A step on batches that are there already."""
    dataset, step = build(args)
    batches = {size: list(itertools.islice(dataset.batches(size), 3)) for size in args.batch_sizes}
    times, used = ({size: list[float]() for size in args.batch_sizes} for _ in range(2))
    for n, size in itertools.product(range(args.steps), args.batch_sizes):
        batch = batches[size][n % len(batches[size])]
        started = time.process_time()
        times[size].append(seconds(lambda batch=batch: step(batch)))
        used[size].append(time.process_time() - started)
    rows = ((size, statistics.median(times[size][1:]), statistics.median(used[size][1:])) for size in args.batch_sizes)
    return [{"batch": size, "ms": 1e3 * t, "CPU ms": 1e3 * cpu, "clips/s": size / t} for size, t, cpu in rows]


def loading(args: argparse.Namespace) -> Rows:
    """Batches alone, without training."""
    dataset, _ = build(args)
    return [measured(args, dataset, size, workers) for size in args.batch_sizes for workers in args.workers]


def together(args: argparse.Namespace) -> Rows:
    """Training on batches as they are made."""
    dataset, step = build(args)
    return [measured(args, dataset, size, workers, step) for size in args.batch_sizes for workers in args.workers]


def measured(
    args: argparse.Namespace, dataset: Any, size: int, workers: int, step: Callable[[Any], None] | None = None
) -> dict[str, Any]:
    from lipscribe.data.batches import BatchSizes
    from lipscribe.data.loader import BatchLoader

    waits: list[float] = []
    with BatchLoader(dataset, BatchSizes(size), 10**6, workers, pin=args.device.type == "cuda") as loader:
        batches = (batch for epoch in itertools.count() for batch in loader.epoch(epoch) if len(batch.clips) == size)
        for n in range(args.steps + 4 + workers):  # the first ones wait for the workers' start
            if n == 4 + workers:
                synchronise()
                started, started_cpu = clocks()
            waits.append(seconds(lambda: next(batches), wait=False))
            batch = BATCH.pop()
            if step is not None:
                step(batch)
        synchronise()
        total, own = ((now - then) / args.steps for now, then in zip(clocks(), (started, started_cpu), strict=True))
    row = {"batch": size, "workers": workers, "clips/s": size / total, "ms": 1e3 * total, "own CPU ms": 1e3 * own}
    return row if step is None else row | {"wait ms": 1e3 * statistics.mean(waits[4 + workers :])}


def founding(args: argparse.Namespace) -> Rows:
    """The founding network and the same in Keras (TimeDistributed and LSTM), both by torch."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    from lipscribe.models.founding import build_conv_lstm

    rows: Rows = []
    for size in FOUNDING_SIZES:
        frames, height, width, units = size.values()
        inputs = keras.Input((frames, height, width, 3))
        maps = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.Conv2D(5, 3))(inputs))
        theirs = keras.Model(inputs, layers.LSTM(units, return_sequences=True)(maps))
        theirs.compile(keras.optimizers.Adam(1e-3), "mse")
        ours = build_conv_lstm(height, width, units=units).to(args.device)
        optimizer = torch.optim.Adam(ours.parameters(), 1e-3, fused=True)
        video = torch.rand(32, frames, height, width, 3, device=args.device)
        wanted = torch.rand(32, frames, units, device=args.device)

        def train_ours(ours: Any = ours, optimizer: Any = optimizer, video: Any = video, wanted: Any = wanted) -> None:
            loss = torch.nn.functional.mse_loss(ours(video), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        def without_gradient(net: Any, video: Any = video) -> None:
            with torch.no_grad():
                net(video)

        works = {
            "forward, Keras": lambda theirs=theirs: without_gradient(theirs),
            "forward, Lipscribe": lambda ours=ours: without_gradient(ours),
            "training step, Keras": lambda theirs=theirs, x=video, y=wanted: theirs.train_on_batch(x, y),
            "training step, Lipscribe": train_ours,
        }
        times, used = ({name: list[float]() for name in works} for _ in range(2))
        for _, (name, work) in itertools.product(range(max(args.steps, 30)), works.items()):
            started = time.process_time()
            times[name].append(seconds(work))
            used[name].append(time.process_time() - started)
        shape = "x".join(map(str, video.shape))
        for name in works:
            ms, cpu_ms = (1e3 * statistics.median(found[name][3:]) for found in (times, used))
            rows.append({"video": shape, "what": name, "ms": ms, "CPU ms": cpu_ms})
    return rows


BATCH: list[Any] = []


def seconds(work: Callable[[], Any], wait: bool = True) -> float:
    """Time of a piece of work, whose result is put into `BATCH`; with `wait` until the GPU is done too."""
    if wait:
        synchronise()
    started = time.perf_counter()
    result = work()
    if wait:
        synchronise()
    else:
        BATCH.append(result)
    return time.perf_counter() - started


def clocks() -> tuple[float, float]:
    """Seconds on the clock, and seconds of processors that this process has used, its workers not among them."""
    return time.perf_counter(), time.process_time()


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def print_table(title: str, rows: Rows) -> None:
    print(f"\n{title}: {PARTS[title].__doc__}")
    for row in rows:
        cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values())
        print("  " + "  ".join(f"{name} {cell}" for name, cell in zip(row, cells, strict=True)))


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "step": steps,
    "loader": loading,
    "together": together,
    "founding": founding,
}

if __name__ == "__main__":
    main()
