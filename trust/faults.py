"""Disks that are full, read-only or gone, a clock that is set back, two processes at once: what each task does.

    make faults                                   # all; mounting needs root, and is skipped with a reason without it
    python -m trust.faults --tasks prepare,train

A task has to end with exit code 1 or 2 and one clear last line, to lose nothing that was done, and, once the fault is
gone, to make by the same command what an undisturbed run makes. Exits with 1 where one does not.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trust.kill_checks import differences, digests, half_files
from trust.kill_entry import CLOCK
from trust.kill_inputs import SlowServer, make_inputs, write_registry
from trust.kill_runs import ROOT, Run, Zygote
from trust.kill_tasks import Task, chosen, make_tasks

RESULTS = ROOT / "trust-results" / "faults.json"
DISK_MB = 64
LEFT = 4096  # bytes of the full disk that are free
YEAR = 365 * 86400
LIMIT = 180.0


@dataclass
class Place:
    """A small disk of its own, mounted where a task works, over a folder that cannot be written."""

    disk: Path
    home: Path

    def mount(self) -> None:
        for path in (self.disk, self.home):
            path.mkdir(parents=True, exist_ok=True)
        _call("mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self.disk))
        _call("mount", "-t", "tmpfs", "-o", "size=4k,ro", "tmpfs", str(self.home))
        self.attach()
        for name in ("cache", "tmp"):
            (self.home / name).mkdir()

    def attach(self) -> None:
        _call("mount", "--bind", str(self.disk), str(self.home))

    def vanish(self) -> None:
        _call("umount", "-l", str(self.home))

    def read_only(self, on: bool) -> None:
        _call("mount", "-o", f"remount,bind,{'ro' if on else 'rw'}", str(self.home))

    def fill(self) -> None:
        free = shutil.disk_usage(self.disk).free
        (self.disk / "filler").write_bytes(bytes(max(free - LEFT, 0)))

    def empty(self) -> None:
        (self.disk / "filler").unlink()

    def unmount(self) -> None:
        for path in (self.home, self.home, self.disk):
            subprocess.run(["umount", "-l", str(path)], check=False, stderr=subprocess.DEVNULL)


class Faults:
    """Runs tasks under each fault."""

    def __init__(self, scratch: Path, zygote: Zygote):
        self._scratch, self._zygote = scratch, zygote
        self._files: dict[str, str] = {}
        self._seconds = 0.0

    def reference(self, task: Task, place: Place) -> None:
        """What an undisturbed run makes, and how long it takes."""
        run = self._run(task, place.home)
        if run.wait(LIMIT) not in (0, 1):
            raise SystemExit(f"{task.name} fails without a fault: {run.said()}")
        self._seconds = time.monotonic() - run.began
        self._files = digests(place.home, task.timed)

    def full(self, task: Task, place: Place) -> tuple[str, str]:
        place.fill()
        said, fault = self._refused(self._run(task, place.home))
        place.empty()
        return said, fault or self._whole(task, place)

    def read_only(self, task: Task, place: Place) -> tuple[str, str]:
        place.read_only(True)
        said, fault = self._refused(self._run(task, place.home))
        place.read_only(False)
        return said, fault

    def vanished(self, task: Task, place: Place) -> tuple[str, str]:
        run = self._run(task, place.home)
        run.wait(self._seconds * 0.4)
        place.vanish()
        said, fault = self._refused(run)
        place.attach()
        return said, fault or self._whole(task, place)

    def clock(self, task: Task, place: Place) -> tuple[str, str]:
        run = self._run(task, place.home)
        run.wait(self._seconds * 0.5)
        run.kill()
        run = self._run(task, place.home, {CLOCK: str(-YEAR)})
        code = run.wait(LIMIT)
        return "", "" if code == 0 or (task.made and task.made in run.said()) else f"{code}: {_last(run)}"

    def two(self, task: Task, place: Place) -> tuple[str, str]:
        run = self._run(task, place.home)
        deadline = time.monotonic() + self._seconds * 0.5
        while time.monotonic() < deadline and not any(place.home.rglob("*lock")):
            time.sleep(0.01)
        folder = self._scratch / "second"
        folder.mkdir(exist_ok=True)
        second = Run(task.command(place.home), self._env(task, place.home), folder, None)
        said, fault = self._refused(second)
        code = run.wait(LIMIT)
        if second.code == 0 or (task.made and task.made in second.said()) or "add --resume" in said:
            return said, ""  # it came when the first had ended
        return said, fault or ("" if code == 0 else f"the first ends with {code}: {_last(run)}")

    def resume(self, task: Task, place: Place) -> str:
        """The same command without the fault."""
        run = self._run(task, place.home)
        code = run.wait(LIMIT)
        if code != 0 and not (task.made and task.made in run.said()) and "add --resume" not in run.said():
            return f"it does not resume ({code}): {_last(run)}"
        return "; ".join(differences(self._files, digests(place.home, task.timed)))

    def _whole(self, task: Task, place: Place) -> str:
        return "; ".join(half_files(place.home, {}))

    def _refused(self, run: Run) -> tuple[str, str]:
        code = run.wait(LIMIT)
        if code is None:
            run.kill()
            return "", f"it does not end within {LIMIT:g} s"
        said = _last(run)
        if code == 0:
            return "it is finished in time", ""
        if "Traceback" in run.said() or "unexpected" in said:
            return said, f"no clear line: {said}"
        return said, "" if code in (1, 2) and ": " in said else f"exit code {code}: {said}"

    def _env(self, task: Task, home: Path) -> dict[str, str]:
        return {"LIPSCRIBE_CACHE": str(home / "cache"), "TMPDIR": str(home / "tmp"), **task.env}

    def _run(self, task: Task, home: Path, more: dict[str, str] | None = None) -> Run:
        folder = self._scratch / "said"
        folder.mkdir(exist_ok=True)
        return Run(task.command(home), self._env(task, home) | (more or {}), folder, self._zygote)


def _last(run: Run) -> str:
    lines = [line for line in re.split(r"[\r\n]+", run.said()) if line.strip()]
    return (lines or ["nothing was said"])[-1].strip()


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


def run_all(names: list[str], say: Callable[[str], None]) -> list[dict[str, str]]:
    """Every fault for every task: what it said, and what is wrong."""
    rows: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="lipscribe-faults-") as folder:
        scratch = Path(folder)
        make_inputs(scratch / "inputs")
        server = SlowServer(scratch / "inputs" / "served")
        write_registry(scratch / "inputs", server.url)
        zygote = Zygote()
        faults = Faults(scratch, zygote)
        for task in chosen(make_tasks(scratch / "inputs"), names):
            if task.client is not None:
                continue
            for kind in ("reference", "full", "read_only", "vanished", "clock", "two"):
                place = Place(scratch / "disk", scratch / "home")
                place.mount()
                try:
                    if kind == "reference":
                        faults.reference(task, place)
                        continue
                    said, fault = getattr(faults, kind)(task, place)
                    fault = fault or faults.resume(task, place)
                finally:
                    place.unmount()
                said = said.replace(str(scratch), "")
                rows.append({"task": task.name, "fault": kind, "said": said, "wrong": fault.replace(str(scratch), "")})
                say(f"{task.name}, {kind}: {'WRONG: ' + fault if fault else said or 'resumed'}")
        zygote.close()
        server.shutdown()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="", help="names, with commas between them (all)")
    args = parser.parse_args()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        print("skipped: only root can mount disks that are full, read-only or gone", file=sys.stderr)
        return 0
    rows = run_all(
        [name for name in args.tasks.split(",") if name], lambda line: print(line, file=sys.stderr, flush=True)
    )
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    wrong = sum(bool(row["wrong"]) for row in rows)
    print(f"{len(rows)} faults, {wrong} wrong; what each task says is in {RESULTS}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
