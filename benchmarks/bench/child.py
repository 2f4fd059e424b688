"""Reads a video in a process of its own: `python -m benchmarks.bench.child FILE ROUNDS CORES`; prints JSON.

Its memory and its cores are its own, whatever the benchmark has loaded before.
"""

import json
import os
import sys
import time
from pathlib import Path


def main(path: str, rounds: int, cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import lipscribe

    model = lipscribe.load_model(threads=1 if cores == 1 else None)
    wall, cpu, first = [], [], []
    for _ in range(rounds + (rounds > 1)):  # one of several warms up
        begun: list[float] = []
        busy, started = time.process_time(), time.perf_counter()
        found = model.transcribe(path, on_segment=lambda _, begun=begun: begun.append(time.perf_counter()))
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - busy)
        first.append(begun[0] - started if begun else wall[-1])
    skip = len(wall) - rounds
    result = {"wall": wall[skip:], "cpu": cpu[skip:], "first_segment": first[skip:], "duration": found.duration}
    print(json.dumps(result | {"peak_mb": peak_mb(), "words": len(found.text.split())}))


def peak_mb() -> float | None:
    """The most memory that this process had at a time."""
    try:
        status = Path("/proc/self/status").read_text()  # getrusage begins with the parent's memory
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
