"""The command line of the benchmark; see `python -m benchmarks.bench --help`."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import benchmarks.bench
from benchmarks.bench import machine
from benchmarks.bench.clips import SHARED, find_clips
from benchmarks.bench.compare import describe
from benchmarks.bench.peers import peers, training
from benchmarks.bench.plots import can_plot, plot
from benchmarks.bench.reading import cold, many, size, warm
from benchmarks.bench.results import Result, newest, tables
from benchmarks.bench.run import Run
from benchmarks.bench.stations import stations

# What loads torch comes last, so that nothing else runs beside its threads.
GROUPS: dict[str, Callable[[Run], None]] = {
    "stations": stations,
    "cold": cold,
    "warm": warm,
    "many": many,
    "size": size,
    "peers": peers,
    "training": training,
}
SAVED = Path("bench/results.json")


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.show:
        result = Result.read(args.show)
        print(tables(result.rows))
    else:
        result = measure(args)
    if args.against or not args.show:
        print(compared(args, result))
    if not can_plot():
        print("no pictures: matplotlib is not installed")
    elif args.pictures or not args.show:
        for path in plot(result.rows, args.pictures or args.json.parent):
            print(f"wrote {path}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description=benchmarks.bench.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and shorter videos: a minute")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups of rows (all)")
    parser.add_argument("--clip", type=Path, help="a clip of about 3 s (GRID in ../shared, or a synthetic talker)")
    parser.add_argument("--minutes", type=float, help="length of the long video (30; with --quick 2)")
    parser.add_argument("--json", type=Path, default=SAVED, help=f"file of the run ({SAVED}); history/ is beside it")
    parser.add_argument("--against", type=Path, help="a saved run (the newest of this machine)")
    parser.add_argument("--pictures", type=Path, help="folder for the plots (that of --json)")
    parser.add_argument("--show", type=Path, help="measure nothing: print, compare and plot a saved run")
    args = parser.parse_args(arguments)
    if args.clip is not None and not args.clip.is_file():
        parser.error(f"{args.clip} does not exist: give a video with --clip")
    return args


def measure(args: argparse.Namespace) -> Result:
    """Measures, prints and saves a run; compares with the newest earlier one before it saves."""
    machine.check_python()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line has it
    logging.getLogger("lipscribe").setLevel(logging.ERROR)  # what the model can read is known
    facts, when, load = machine.facts(), datetime.now(UTC).isoformat(timespec="seconds"), machine.load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = find_clips(args.clip, folder)
        run = Run(clips, folder, args.quick, args.minutes or (2 if args.quick else 30))
        if args.clip is None and clips.kind.startswith("synthetic"):
            run.skip(f"real clips: {SHARED}/grid is not there; synthetic talkers are read")
        for group in args.only:
            GROUPS[group](run)
        settings = {
            "clips": clips.kind,
            "quick": args.quick,
            "load": [load, machine.load()],
            # Bytes or multiply-adds a second, those that were needed.
            "rates": {rate: vars(run)[rate] for rate in ("matmul_rate", "copy_rate") if rate in vars(run)},
        }
    if args.against is None:
        args.against = newest(args.json.parent / "history", facts, clips.kind)
    result = Result(when, facts, settings, run.skipped, run.rows)
    result.save(args.json)
    print(tables(result.rows))
    print(f"{machine.identity(facts)}; load {load} before, {settings['load'][1]} after; {clips.kind}")
    versions = {"Python": facts["python"], **facts["versions"]}
    print(", ".join(f"{name} {found}" for name, found in versions.items() if found))
    for line in run.skipped:
        print(f"skipped: {line}")
    print(f"saved {args.json}")
    return result


def compared(args: argparse.Namespace, result: Result) -> str:
    if args.against is None:
        return "nothing to compare with: the next run on this machine compares itself with this one"
    old = Result.read(args.against)
    note = ""
    if machine.identity(old.machine) != machine.identity(result.machine):
        note = f"\n  (another machine: {machine.identity(old.machine)})"
    return describe(old.rows, result.rows, old.when) + note


if __name__ == "__main__":
    sys.exit(main())
