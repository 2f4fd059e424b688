"""A server at twice its capacity: latency, memory, refusals, words, and what is left afterwards.

    python -m trust.soak --minutes 30     # `make soak MINUTES=30`

It starts `lipscribe serve`, measures how many requests a second it reads, and offers it twice as many for the
given time. Every answer is compared with that to the same file alone. Exits with 1 if something is not as it should be.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from trust.clips import draw_clips, read_alone
from trust.judging import (
    MAX_SLOPE,
    WARM_UP,
    Answer,
    judge_answers,
    judge_latency,
    judge_rest,
    judge_usage,
    slope,
    waits,
)
from trust.load import capacity, offer
from trust.plotting import draw_soak
from trust.server_process import Sample, Sampling, ServerProcess, running

RESULTS = Path("trust-results")
PICTURE = Path("docs/pictures/soak.png")
REST = 5.0  # s between the last answer and the look at what is left
OVERLOAD = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--model", default="talkers")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--queue", type=int, default=32)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--picture", action="store_true", help=f"renew {PICTURE}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        flags = ("--workers", str(args.workers), "--queue", str(args.queue))
        clips = draw_clips(Path(folder), args.clips)
        with running(Path(folder), *flags, model=args.model) as server:
            result, answers, samples = soak(server, read_alone(server.address, clips), args)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "soak.json").write_text(json.dumps(result, indent=1))
    draw_soak(answers, samples, PICTURE if args.picture else RESULTS / "soak.png")
    print_result(result)
    sys.exit(bool(result["faults"]))


def soak(server: ServerProcess, clips: list, args: argparse.Namespace) -> tuple[dict, list[Answer], list[Sample]]:
    """Measures, offers, judges."""
    rate = capacity(server.address, clips, args.workers, min(20.0, 15 * args.minutes))
    print(f"capacity {rate:.1f} requests a second; offering {OVERLOAD * rate:.1f} for {args.minutes:g} min", flush=True)
    since = time.monotonic()
    with Sampling(server, since) as samples:
        answers = offer(server.address, clips, rate, OVERLOAD, 60 * args.minutes, since)
    during = list(samples)
    time.sleep(REST)
    idle, after = server.cpu_share(), server.sample(since)
    places = args.workers + args.queue
    faults = [
        *judge_answers(answers, places),
        *judge_latency(answers, places),
        *judge_usage(during),
        *judge_rest(server.left(), idle, server.log()),
    ]
    read = [each.seconds for each in answers if each.status == 200]
    refused = [each.seconds for each in answers if each.status == 429]
    if not read or not refused:
        faults.append(f"{len(read)} requests read and {len(refused)} refused: want some of both")
    settled = during[int(WARM_UP * len(during)) :]
    result = {
        "minutes": args.minutes,
        "workers": args.workers,
        "queue": args.queue,
        "capacity_a_second": round(rate, 2),
        "offered": len(answers),
        "read": len(read),
        "read_right": sum(each.status == 200 and each.right for each in answers),
        "refused": len(refused),
        "other": len(answers) - len(read) - len(refused),
        "latency_s": {name: round(value, 2) for name, value in _percentiles(read).items()},
        "waited_for": max(waits(answers), default=0),
        "refusal_s": {name: round(value, 3) for name, value in _percentiles(refused).items()},
        "memory_mb": [round(settled[0].rss_mb), round(settled[-1].rss_mb)] if settled else [],
        "memory_slope_mb_a_minute": round(slope(during), 3),
        "descriptors": [settled[0].descriptors, after.descriptors] if settled else [],
        "threads": [settled[0].threads, after.threads] if settled else [],
        "idle_share": round(idle, 3),
        "left": server.left(),
        "faults": faults,
    }
    return result, answers, during


def _percentiles(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"p50": float(np.median(seconds)), "p95": float(np.percentile(seconds, 95)), "max": max(seconds)}


def print_result(result: dict) -> None:
    """A table, then each fault."""
    latency, refusal = result["latency_s"], result["refusal_s"]
    rows = {
        "offered, read, right, refused, other": "{offered}, {read}, {read_right}, {refused}, {other}".format(**result),
        "latency p50, p95, max": f"{_listed(latency)} s",
        "others read meanwhile, at most (places)": f"{result['waited_for']} ({result['workers'] + result['queue']})",
        "refusal p50, p95, max": f"{_listed(refusal)} s",
        "memory after warm-up, at the end": " to ".join(f"{each} MB" for each in result["memory_mb"]),
        "memory a minute (bound)": f"{result['memory_slope_mb_a_minute']:+.2f} MB ({MAX_SLOPE:g} MB)",
        "descriptors before, after": _pair(result["descriptors"]),
        "threads before, after": _pair(result["threads"]),
        "processor afterwards": f"{result['idle_share']:.1%} of a core",
        "files left": str(len(result["left"])),
    }
    print("| what | measured |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    for fault in result["faults"]:
        print("FAULT", fault)
    print("all is well" if not result["faults"] else f"{len(result['faults'])} faults")


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{value:g}" for value in values.values())


def _pair(values: list[int]) -> str:
    return ", ".join(map(str, values))


if __name__ == "__main__":
    main()
