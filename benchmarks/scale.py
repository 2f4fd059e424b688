"""What thousands of hours need: the tables of docs/scale.md, from rates that were measured.

    python benchmarks/scale.py measure --grid ../shared/grid/video    # measures, and writes benchmarks/scale.json
    python benchmarks/scale.py tables                                 # prints the tables
    python benchmarks/scale.py write                                  # puts them into docs/scale.md

Rates are of one core: CPU seconds, of all threads, so that other work on the machine changes them little.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RATES, SIMULATED, PAGE = ROOT / "benchmarks/scale.json", ROOT / "benchmarks/simulate.json", ROOT / "docs/scale.md"
PICTURE, HOUR = ROOT / "docs/pictures/scale.png", 3600.0
CORPORA = {  # hours, and the size of its videos as they are handed out; the last stands for footage from the web
    "LRS3": (433, "224x224"),
    "VoxCeleb2": (2_400, "224x224"),
    "100 000 h": (100_000, "1280x720"),
}
SIZES = ("224x224", "1280x720")  # of talkers; GRID is 360x288
TEXT = "we measured how long it takes to prepare a video of a person who says a sentence of about this length"
FRAMES_AN_HOUR = 25 * 3600
EPOCHS = 30
LEAST_RATE = 0.85  # under failures
WORKERS = 1_000
TRAINED = {"grid": 8, "auto-avsr": 2}  # the models whose training is measured, and the clips of a step
# The sizes of the published Auto-AVSR models.
LARGE = {
    "output": "runs/large",
    "data": {"folder": "prepared"},
    "model": {
        "name": "large",
        "tokenizer": {"kind": "characters"},
        "input": {"height": 88, "width": 88, "crop": "auto-avsr", "normalisation": "fixed"},
        "frontend": {"kind": "auto-avsr", "channels": [64, 128, 256, 512], "activation": "swish"},
        "encoder": {"cell": "rel-conformer", "hidden": 768, "layers": 12, "heads": 12, "kernel": 31},
    },
    "optim": {"ctc_weight": 1.0, "frame_weight": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "tables", "write"])
    parser.add_argument("--grid", type=Path, default=ROOT.parent / "shared/grid/video", help="folder of GRID's videos")
    parser.add_argument("--clips", type=int, default=24, help="of GRID (24)")
    parser.add_argument("--talkers", type=int, default=4, help="clips of each size (4)")
    parser.add_argument("--steps", type=int, default=6, help="of each training (6)")
    args = parser.parse_args()
    if args.what == "measure":
        RATES.write_text(json.dumps(measure(args), indent=2) + "\n")
    if args.what == "write":
        PAGE.write_text(filled(PAGE.read_text(), all_tables()))
        draw(json.loads(SIMULATED.read_text()), PICTURE)
    else:
        print("\n\n".join(f"{name}:\n\n{found}" for name, found in all_tables().items()))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The rates that the tables are made of."""
    import torch

    ray = ray_rates()
    torch.set_num_threads(1)
    videos = sorted(args.grid.rglob("*.mp4")) + sorted(args.grid.rglob("*.mpg"))
    prepared = {"360x288": prepare(videos[:: max(len(videos) // args.clips, 1)][: args.clips])}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            prepared[size] = prepare(list(draw_talkers(Path(folder), size, args.talkers)))
        trained = {name: train(name, Path(folder), args.steps) for name in TRAINED}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{processor()}, one core of {os.cpu_count()}",
        "prepare": prepared,
        "train": trained,
        "ray": ray,
    }


def prepare(paths: list[Path]) -> dict[str, float]:
    """Core seconds a second of video, and bytes an hour of crops and of the videos themselves."""
    import cv2

    from lipscribe.data.manifest import Clip
    from lipscribe.data.prepare import prepare_clip
    from lipscribe.data.shards import clip_members

    cv2.setNumThreads(1)
    clips = [Clip(path.stem, str(path), "a") for path in paths]
    prepare_clip(clips[0])  # loads the networks
    frames, used = 0, {"prepare": 0.0, "lossless": 0.0, "compact": 0.0}
    written = {"lossless": 0, "compact": 0}
    for clip in clips:
        started = time.process_time()
        crops, _ = prepare_clip(clip)
        used["prepare"] += time.process_time() - started
        frames += len(crops.crops)
        for codec in ("lossless", "compact"):
            started = cpu_of_all()
            written[codec] += sum(len(content) for _, content in clip_members(crops, codec))
            used[codec] += cpu_of_all() - started
    seconds = frames / 25
    hour = 3600 / seconds
    return {
        "clips": len(clips),
        "seconds": round(seconds, 1),
        "core_seconds_a_second": round(used["prepare"] / seconds, 4),
        **{f"{codec}_core_seconds_a_second": round(used[codec] / seconds, 5) for codec in written},
        **{f"{codec}_bytes_an_hour": round(size * hour) for codec, size in written.items()},
        "video_bytes_an_hour": round(sum(path.stat().st_size for path in paths) * hour),
    }


def draw_talkers(folder: Path, size: str, number: int) -> Iterator[Path]:
    for seed in range(number):
        path = folder / f"{size}-{seed}.mp4"
        command = ("talk", TEXT, "-o", str(path), "--seed", str(seed), "--size", size)
        subprocess.run([sys.executable, "-m", "lipscribe", *command], check=True, capture_output=True)
        yield path


def train(name: str, folder: Path, steps: int) -> dict[str, float]:
    """Frames a second that a training step takes in, on one core."""
    from training import build, draw_clips  # the benchmark beside this one

    config = folder / f"{name}.yaml"
    config.write_text(json.dumps(LARGE))  # which is YAML too
    data, number = folder / f"data-{name}", TRAINED[name]
    data.mkdir()
    import torch

    given = argparse.Namespace(
        config="grid-s1" if name == "grid" else str(config),
        folder=draw_clips(data, number),
        device=torch.device("cpu"),
    )
    dataset, step = build(given)
    batch = next(iter(dataset.batches(number)))
    step(batch)
    started = time.process_time()
    for _ in range(steps):
        step(batch)
    used = (time.process_time() - started) / steps
    return {"batch": number, "frames_a_core_second": round(float(batch.video_lengths.sum()) / used, 2)}


def ray_rates() -> dict[str, float]:
    """CPU of the driver for each call of an actor, and for looking which of 1 000 calls has ended."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)

    class Actor:
        def work(self, task: bytes) -> bytes:
            return task

        def sleep(self) -> None:
            time.sleep(1000)

    actor = ray.remote(num_cpus=0)(Actor)
    workers = [actor.remote() for _ in range(2)]
    ray.get([worker.work.remote(b"a path") for worker in workers])
    pending = {worker.work.remote(b"a path"): worker for worker in workers}

    def turn(others: list[Any]) -> None:  # each worker has one call at a time, as in the engine
        (ended,), _ = ray.wait([*pending, *others])
        worker = pending.pop(ended)
        ray.get(ended)
        pending[worker.work.remote(b"a path")] = worker

    sleeper = actor.remote()
    others = [sleeper.sleep.remote() for _ in range(WORKERS)]
    costs = []
    for some, number in (([], 1000), (others, 200)):
        started = time.process_time()
        for _ in range(number):
            turn(some)
        costs.append(1e3 * (time.process_time() - started) / number)
    ray.shutdown()
    return {"call_ms": round(costs[0], 3), "call_of_1000_workers_ms": round(costs[1], 3)}


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def cpu_of_all() -> float:
    """CPU seconds of this process and of those that it started and that have ended, such as FFmpeg."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def all_tables() -> dict[str, str]:
    """The tables of the page, by the name of the place where they belong; those of the simulation too."""
    rates, simulated = (json.loads(path.read_text()) for path in (RATES, SIMULATED))
    own = {"rates": rates_table(rates), "corpora": corpora_table(rates), "training": training_table(rates)}
    more = {"failures": failures_table, "drivers": drivers_table, "check": check_table}
    return own | {name: make(simulated) for name, make in more.items()}


def rates_table(rates: dict[str, Any]) -> str:
    rows = []
    for size, found in sorted(rates["prepare"].items(), key=lambda item: cost_of(item[1])):
        source = "GRID" if size == "360x288" else "talkers"
        rows.append(
            [
                f"prepare {size}, compact ({source}, {found['seconds']:.0f} s)",
                f"{cost_of(found):.3f} core seconds a second of video",
                f"{1 / cost_of(found):.1f} hours a core hour",
            ]
        )
    grid = rates["prepare"]["360x288"]
    rows += [
        [
            f"crops, {codec} (GRID)",
            f"{grid[f'{codec}_bytes_an_hour'] / 1e6:.0f} MB an hour",
            f"{grid[f'{codec}_bytes_an_hour'] / FRAMES_AN_HOUR:,.0f} bytes a frame",
        ]
        for codec in ("lossless", "compact")
    ]
    for name, found in rates["train"].items():
        what = {"grid": "2.2 M parameters, as `grid`", "auto-avsr": "186 M, an Auto-AVSR encoder with CTC"}[name]
        rows.append(
            [f"train {what}", f"{found['frames_a_core_second']:,.0f} frames a core second", "GPU: not measured"]
        )
    one, many = rates["ray"]["call_ms"], rates["ray"]["call_of_1000_workers_ms"]
    rows.append(
        ["a call of a Ray actor", f"{one:.2f} ms of the driver's CPU", f"{many:.1f} ms with {WORKERS:,} workers"]
    )
    return table(["", "measured", ""], rows)


def cost_of(prepared: dict[str, float]) -> float:
    """Core seconds a second, with encoding the crops as H.264."""
    return prepared["core_seconds_a_second"] + prepared["compact_core_seconds_a_second"]


def corpora_table(rates: dict[str, Any]) -> str:
    """Preparing and keeping the corpora."""
    rows = []
    for name, (hours, size) in CORPORA.items():
        found, grid = rates["prepare"][size], rates["prepare"]["360x288"]
        cores = hours * cost_of(found)
        kept = {codec: hours * grid[f"{codec}_bytes_an_hour"] for codec in ("lossless", "compact")}
        rows.append(
            [
                f"{name} ({size})",
                f"{cores:,.0f}",
                spelled(cores / WORKERS),
                sized(kept["lossless"]),
                sized(kept["compact"]),
                f"{kept['compact'] / (cores * 3600) * WORKERS / 1e6:.1f} MB/s",
            ]
        )
    heads = ["corpus", "core hours", f"on {WORKERS:,} cores", "crops, lossless", "crops, compact", "written, compact"]
    return table(heads, rows)


def training_table(rates: dict[str, Any]) -> str:
    rows = []
    for name, (hours, _) in CORPORA.items():
        frames = hours * FRAMES_AN_HOUR * EPOCHS
        cores = [frames / rates["train"][model]["frames_a_core_second"] / 3600 for model in TRAINED]
        rows.append([name, f"{frames / 1e9:,.1f} G", *(f"{each:,.0f}" for each in cores), f"{frames / HOUR:,.0f} / F"])
    heads = ["corpus", f"frames in {EPOCHS} epochs", "core hours, 2.2 M", "core hours, 186 M", "GPU hours"]
    return table(heads, rows)


def failures_table(found: dict[str, Any]) -> str:
    heads = ["a worker lives", "workers killed", "rate", "efficiency", "recorded twice", "not recorded", "set aside"]
    rows = []
    for row in found["sweep"]["rows"]:
        aside = f"{row['aside']} poison, {row['innocent']} others"
        rate = found["sweep"]["rows"][0]["seconds"] / row["seconds"]  # against the first, which is undisturbed
        counts = [f"{row['kills']:,}", f"{rate:.0%}", f"{row['efficiency']:.0%}", str(row["twice"]), str(row["never"])]
        rows.append([every(row["lifetime"]), *counts, aside])
    life = life_at(found["sweep"]["rows"], LEAST_RATE) / 60
    below = f"The rate falls below {LEAST_RATE:.0%} where a worker lives {life:.0f} minutes on average."
    return f"{table(heads, rows)}\n\n{below}"


def life_at(rows: list[dict[str, Any]], rate: float) -> float:
    """Seconds that a worker lives where the rate falls below this share, between two of the rows."""
    undisturbed, *disturbed = rows
    rates = [undisturbed["seconds"] / row["seconds"] for row in disturbed]
    for (longer, high), (shorter, low) in itertools.pairwise(zip(disturbed, rates, strict=True)):
        if high >= rate > low:
            share = (high - rate) / (high - low)
            return longer["lifetime"] ** (1 - share) * shorter["lifetime"] ** share
    raise ValueError(f"the rate crosses {rate:.0%} in no row")


def drivers_table(found: dict[str, Any]) -> str:
    rows = []
    for row in found["size"]["rows"]:
        driver = [f"{row['calls']:.0f}", f"{row['driver']:.0%}", f"{row['efficiency']:.1%}"]
        rows.append([f"{row['workers']:,}", f"{row['call_seconds']:g} s", *driver])
    return table(["workers", "tasks of a call", "calls a second", "driver busy", "efficiency"], rows)


def check_table(found: dict[str, Any]) -> str:
    rows = []
    for row in found["check"]["rows"]:
        predicted = f"{row['predicted']:.1f} s (± {row['spread']:.1f})"
        rows.append([row["engine"], every(row["lifetime"]), f"{row['seconds']:.1f} s", predicted])
    return table(["engine", "a worker lives", "took", "predicted"], rows)


def every(lifetime: float | None) -> str:
    if lifetime is None:
        return "for ever"
    if lifetime >= HOUR:
        return f"{lifetime / HOUR:g} h"
    return f"{lifetime / 60:g} min" if lifetime >= 60 else f"{lifetime:g} s"


def draw(found: dict[str, Any], path: Path) -> None:
    """The rate against that of an undisturbed cluster, by the lifetime of a worker."""
    from lipscribe.figures import ACCENT, BAD, FAINT, MUTED, Page

    undisturbed, *rows = found["sweep"]["rows"]
    page = Page(8, 3.8)
    page.text(0.4, 0.25, "1 000 workers that are killed: the rate against that of an undisturbed cluster", 12)
    axes = page.axes(0.9, 0.8, 6.7, 2.2)
    axes.semilogx(
        [row["lifetime"] for row in rows], [undisturbed["seconds"] / row["seconds"] for row in rows], "o-", color=ACCENT
    )
    axes.axhline(LEAST_RATE, color=BAD, linewidth=1, linestyle="--")
    axes.text(rows[0]["lifetime"], LEAST_RATE + 0.01, f"{LEAST_RATE:.0%}", color=BAD, ha="right", fontsize=9)
    marks = [30, 60, 300, 600, 1800, HOUR, 6 * HOUR, 24 * HOUR]
    axes.set_xticks(marks, [every(mark) for mark in marks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(color=FAINT)
    page.text(0.9, 3.35, "mean life of a worker (half of them are lost with their machine)", 9, MUTED)
    path.parent.mkdir(exist_ok=True)
    page.save(path)


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spelled(hours: float) -> str:
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.1f} days"


def sized(size: float) -> str:
    return f"{size / 1e12:,.1f} TB" if size >= 1e12 else f"{size / 1e9:,.0f} GB"


def filled(page: str, found: dict[str, str]) -> str:
    """The page with each table between its two comments."""
    for name, text in found.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, here, rest = page.partition(begin)
        _, there, after = rest.partition(end)
        if not here or not there:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    main()
