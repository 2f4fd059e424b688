"""`lipscribe` for the kills: the same program, with the three settings that the command line does not have.

    python -m trust.kill_entry ARGS...      # one command, as a plain process
    python -m trust.kill_entry --zygote     # imports all once, and forks a process for each job that comes on stdin

A job is a line of JSON: `args`, `env`, `stdout`, `stderr`. The answers are `started PID` and `ended CODE`.
"""

import importlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

REGISTRY, STEPS, CLOCK = "KILLS_REGISTRY", "KILLS_STEPS", "KILLS_CLOCK"
WARM = (
    "lipscribe.cli.app",
    "lipscribe.pipeline",
    "lipscribe.batch",
    "lipscribe.alignment",
    "lipscribe.data.prepare",
    "lipscribe.training.loop",
    "lipscribe.adaptation.learning",
    "lipscribe.adaptation.phrases",
    "lipscribe.server.run",
    "lipscribe.talker.corpus",
    "lipscribe.zoo.fetching.pull",
    "onnxruntime",
    "cv2",
    "av",
)


def main() -> None:
    if sys.argv[1:] == ["--zygote"]:
        _serve_jobs()
    _lipscribe(sys.argv[1:])


def _lipscribe(args: list[str]) -> None:
    """Runs the program, which exits."""
    if path := os.environ.get(REGISTRY):
        from lipscribe.zoo import published

        published.REGISTRY = Path(path)
    if steps := os.environ.get(STEPS):
        from lipscribe.adaptation import install, learning
        from lipscribe.adaptation.recipe import Recipe

        recipe = Recipe(steps=int(steps), batch_size=4)
        learning.recipe_for = lambda number: recipe
        install.find_spec = lambda name: None  # no ONNX graphs, which take longer than all the rest
    if late := os.environ.get(CLOCK):  # of the program itself; its files keep the system's times
        now = time.time
        time.time = lambda: now() + float(late)
    from lipscribe.cli.entry import main as run

    sys.argv = ["lipscribe", *args]
    run()


def _serve_jobs() -> None:
    """Returns in each child, with its arguments; ends in the parent with the jobs."""
    for name in WARM:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue  # an optional package
    if threading.active_count() > 1:
        raise SystemExit(f"threads run before the fork: {threading.enumerate()}")
    print("warm", flush=True)
    while line := sys.stdin.readline():
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(job)
            return
        print(f"started {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)
    raise SystemExit(0)


def _become(job: dict[str, Any]) -> None:
    """A process of its own group, with the job's environment and outputs."""
    os.setsid()
    os.environ.update(job["env"])
    tempfile.tempdir = None  # should a library have asked for the parent's: it is TMPDIR
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv[1:] = job["args"]


if __name__ == "__main__":
    main()
