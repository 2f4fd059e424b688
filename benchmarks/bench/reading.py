"""Whole videos as users read them: warm, cold, long, many, on one core and on two; memory and installed size."""

import json
import os
import shutil
import statistics
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from benchmarks.bench.clips import copy_many, duration, repeat
from benchmarks.bench.machine import cores
from benchmarks.bench.measure import Row, Times, in_turn, seconds_of
from benchmarks.bench.run import ROOT, Run, call, lipscribe_command
from benchmarks.bench.stations import station_limit

IMPORTS = "import numpy, av, cv2, onnxruntime, rich, typer"
LITERT = "; from ai_edge_litert.interpreter import Interpreter"


def warm(run: Run) -> None:
    """A clip, a minute and a long video in a process of their own, on one core and on two; with peak memory."""
    minute, long = run.folder / "minute.mkv", run.folder / "long.mkv"
    repeat(run.clips.repeated, minute, 60)
    repeat(run.clips.repeated, long, 60 * run.minutes)
    both = (1, 2) if cores() >= 2 and hasattr(os, "sched_setaffinity") else (cores(),)
    if len(both) == 1:
        run.skip("one core beside two: this system has one, or does not bind processes to cores")
    for name, path, rounds in (("3 s", run.clips.short, run.rounds(15)), ("60 s", minute, 1 if run.quick else 2)):
        add_reading(run, name, path, both, rounds, blocks=1 if run.quick else 2)
    add_reading(run, f"{run.minutes:g} min", long, both[-1:], 1, blocks=1)


def add_reading(run: Run, name: str, path: Path, cores: tuple[int, ...], rounds: int, blocks: int) -> None:
    """Rows of one video, read `rounds` times by each of `blocks` processes for each number of cores, in turn."""
    found: dict[int, list[dict]] = {number: [] for number in cores}
    for _ in range(blocks):
        for number in cores:
            command = (sys.executable, "-m", "benchmarks.bench.child", str(path.resolve()), str(rounds), str(number))
            found[number].append(json.loads(call(*command)))
    for number, results in found.items():
        label = f"{name}, {number} core{'s' * (number > 1)}"
        length, limit = results[0]["duration"], station_limit(run.rows)
        limit = limit and limit * length / duration(run.clips.short)
        times = Times(*([each for result in results for each in result[kind]] for kind in ("wall", "cpu")))
        limit_is = "the stations' limits" if limit else ""
        if length < 10:
            run.add(times.row("warm", label, limit, limit_is))
        else:
            speeds = [length / wall for wall in times.wall]
            fastest = limit and length / limit
            run.add(Row("warm", label, "x real time", speeds, statistics.median(times.cpu), fastest, limit_is))
            first = [each for result in results for each in result["first_segment"]]
            run.add(Row("warm", f"{label}, first segment", "s", first))
        if None not in (peaks := [result["peak_mb"] for result in results]):
            run.add(Row("memory", f"{label}, peak", "MB", peaks))


def cold(run: Run) -> None:
    """Processes that start, read one clip and end."""
    python, program, clip = sys.executable, lipscribe_command(), str(run.clips.short.resolve())
    both = IMPORTS + (LITERT if has_litert() else "")
    works = {
        "lipscribe --help": lambda: call(*program, "--help"),
        "lipscribe transcribe, 3 s": lambda: call(*program, "transcribe", clip),
        "imports": lambda: call(python, "-c", both),
        "typer": lambda: call(python, "-c", "import typer"),
    }
    times = in_turn(works, run.rounds(7))
    imports, typer = min(times["imports"].wall), min(times["typer"].wall)
    whole = station_limit(run.rows)
    what = "Python and the libraries' imports" + (" and the stations' limits" if whole else "")
    limits = {
        "lipscribe --help": (typer, "Python and typer's import"),
        "lipscribe transcribe, 3 s": (imports + (whole or 0), what),
    }
    run.add(*(Row("cold", name, "s", times[name].wall, None, *limit) for name, limit in limits.items()))


def has_litert() -> bool:
    """Whether LiteRT is installed."""
    try:
        distribution("ai-edge-litert")
    except PackageNotFoundError:
        return False
    return True


def many(run: Run) -> None:
    """A folder of clips by one worker process and by two, start included."""
    folder, number = run.folder / "many", 8 if run.quick else 40
    length = copy_many(run.clips.many, folder, number)
    speeds: dict[int, list[float]] = {}
    jobs = (1, 2) if cores() >= 2 else (1,)

    def read(number: int) -> None:
        output = run.folder / f"out{number}"
        shutil.rmtree(output, ignore_errors=True)
        call(*lipscribe_command(), "transcribe", str(folder), "--jobs", str(number), "--output", str(output))

    for _ in range(1 if run.quick else 3):
        for each in jobs:
            speeds.setdefault(each, []).append(length / seconds_of(lambda each=each: read(each)))
    for each, found in speeds.items():
        limit = (each * statistics.median(speeds[1]), "twice one process") if each > 1 else (None, "")
        name = f"{number} clips, {each} process{'es' * (each > 1)}"
        run.add(Row("many files", name, "x real time", found, None, *limit))


def size(run: Run) -> None:
    """What `pip install lipscribe` puts on the disk, without compiled bytecode."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        run.skip("size of the installation: `packaging` is not installed")
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines, found = list(project["dependencies"]), {"lipscribe": size_mb(own_files())}
    while lines:
        requirement = Requirement(lines.pop())
        name = requirement.name.lower()
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            run.skip(f"size of {name}: it is not installed")
            continue
        found[name] = size_mb(Path(str(file.locate())) for file in installed.files or [])
        lines += installed.requires or []
    largest = sorted(found, key=lambda name: -found[name])
    run.add(Row("size", f"all {len(found)} packages", "MB", [sum(found.values())]))
    run.add(*(Row("size", name, "MB", [found[name]]) for name in largest if found[name] >= 1))


def own_files() -> Iterable[Path]:
    """The files of this checkout that are installed."""
    import lipscribe

    return Path(lipscribe.__file__).parent.rglob("*")


def size_mb(files: Iterable[Path]) -> float:
    """Megabytes of files."""
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file()) / 1e6
