"""Kills each task at random moments, and compares what resuming makes with an uninterrupted run.

    make kills TIMES=50            # 50 kills of each task; prints the table of docs/trust/kills.md
    make kills MINUTES=5           # as many as fit, tasks in turn
    python -m trust.kills --tasks prepare,train --times 10 --seed 3

Each round starts the task in an empty folder, kills its whole process group at a moment drawn uniformly from the
duration of the uninterrupted run, in half of the rounds kills the resumed run too, and resumes to the end. Exits with 1
if anything was lost: docs/trust/kills.md says what is looked at.
"""

import argparse
import json
import math
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trust.kill_checks import differences, digests, files_of, half_files, unfinished
from trust.kill_inputs import SlowServer, make_inputs, write_registry
from trust.kill_runs import ROOT, Run, Zygote
from trust.kill_tasks import Asking, Client, Task, chosen, make_tasks

RESULTS = ROOT / "trust-results" / "kills.json"
PLAIN_EVERY = 5  # every so many rounds are plain processes, the others are forked from a warm one
AGAIN = 0.5  # share of rounds in which the resumed run is killed too
LIMIT = 180.0  # s, for a run of some seconds
MISSED = 3  # times as many rounds as kills are tried: a run may end before its moment has come


@dataclass
class Reference:
    """What an uninterrupted run makes, and how long it takes, plain and warm."""

    files: dict[str, str]
    answers: dict[str, str]
    seconds: dict[bool, float]
    folders: dict[str, set[str]]


@dataclass
class Tally:
    """What became of a task's kills.

    Attributes:
        moments: Share of the run's duration that had gone, for each kill.
        writing: Kills that left an unfinished file behind.
        begun: Kills after the first file had its final name.
        resumed: Kills of runs that were resuming.
        late: Rounds whose run ended before its moment had come.
        losses: What went wrong; empty if nothing is lost.
    """

    rounds: int = 0
    plain: int = 0
    resumed: int = 0
    late: int = 0
    writing: int = 0
    begun: int = 0
    moments: list[float] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return len(self.moments)


class Killer:
    """Runs tasks in a scratch folder and kills them."""

    def __init__(self, scratch: Path, zygote: Zygote, server: SlowServer | None, seed: int):
        self._scratch, self._zygote, self._server = scratch, zygote, server
        self._random = random.Random(seed)
        self._references: dict[str, Reference] = {}
        self.tallies: dict[str, Tally] = {}

    def reference(self, task: Task) -> Reference:
        """Runs a task without a kill, warm and plain, which have to agree."""
        if task.name in self._references:
            return self._references[task.name]
        found: list[Reference] = []
        for plain in (False, True):
            home, client = self._home(task), task.client and task.client()
            run, fault = self._start(task, home, plain, client, None)
            if fault or run.code not in (0, 1):
                raise SystemExit(f"{task.name} fails without a kill: {fault or run.said()}")
            seconds = self._seconds
            folders = {"cache/models/*": {path.name for path in home.glob("cache/models/*/*")}}
            found.append(
                Reference(digests(home, task.timed), client.answers if client else {}, {plain: seconds}, folders)
            )
        warm, cold = found
        if faults := [*differences(warm.files, cold.files)] or warm.answers != cold.answers:
            raise SystemExit(f"{task.name} is not the same twice without a kill: {faults}")
        warm.seconds |= cold.seconds
        self._references[task.name], self.tallies[task.name] = warm, Tally()
        return warm

    def round(self, task: Task) -> None:
        """One start in an empty folder, one or two kills, and resuming to the end."""
        wanted, tally = self.reference(task), self.tallies[task.name]
        plain = tally.rounds % PLAIN_EVERY == PLAIN_EVERY - 1
        if self._server is not None:
            self._server.ranges = tally.rounds % 2 == 0
        tally.rounds += 1
        tally.plain += plain
        home, client = self._home(task), task.client and task.client()
        moments: list[float | None] = [self._random.random()]
        if self._random.random() < AGAIN:
            moments.append(self._random.random())
        for number, moment in enumerate([*moments, None]):
            after = None if moment is None else moment * wanted.seconds[plain]
            run, fault = self._start(task, home, plain, client, after)
            where = f"round {tally.rounds}, start {number + 1}{'' if moment is None else f', kill at {moment:.0%}'}"
            if fault:
                tally.losses.append(f"{where}: {fault}")
                return
            if run.code != -9:
                tally.late += moment is not None
                if number == 0:  # it was uninterrupted: the machine is faster or slower by now
                    wanted.seconds[plain] = self._seconds
                if run.code != 0 and not (run.code == 2 and task.made and task.made in run.said()):
                    last = (run.said().strip().splitlines() or [""])[-1]
                    tally.losses.append(f"{where}: it exits with {run.code}: {last}")
                    return
                break
            self._count(tally, home, moment or 0.0, number)
            tally.losses += [f"{where}: {fault}" for fault in half_files(home, wanted.folders)]
        tally.losses += [
            f"round {tally.rounds}: {each}" for each in differences(wanted.files, digests(home, task.timed))
        ]
        if client and client.answers != wanted.answers:
            tally.losses.append(f"round {tally.rounds}: the answers differ from the uninterrupted run's")

    @staticmethod
    def _count(tally: Tally, home: Path, moment: float, number: int) -> None:
        names = [path.relative_to(home).as_posix() for path in files_of(home) if path.is_file()]
        tally.moments.append(moment)
        tally.resumed += number > 0
        tally.begun += any(not unfinished(name) for name in names)
        tally.writing += any(unfinished(name) and not name.endswith("lock") for name in names)

    def _home(self, task: Task) -> Path:
        home = self._scratch / task.name
        shutil.rmtree(home, ignore_errors=True)
        for name in ("cache", "tmp"):
            (home / name).mkdir(parents=True)
        return home

    def _start(
        self, task: Task, home: Path, plain: bool, client: Client | None, kill_after: float | None
    ) -> tuple[Run, str]:
        """Runs a task to its end or to its kill; what went wrong besides."""
        said = self._scratch / f"{task.name}-said"
        said.mkdir(exist_ok=True)
        (said / "stderr").unlink(missing_ok=True)
        env = {"LIPSCRIBE_CACHE": str(home / "cache"), "TMPDIR": str(home / "tmp"), **task.env}
        run = Run(task.command(home), env, said, None if plain else self._zygote)
        deadline = run.began + (LIMIT if kill_after is None else kill_after)
        asking = None
        if client is not None:
            asking = _asking(client, run, deadline)
            if asking is not None and asking.done.wait(max(deadline - time.monotonic(), 0)):
                fault = asking.failure or ("the server has ended" if asking.gone else "")
                self._seconds = time.monotonic() - run.began
                if not fault:
                    run.terminate()
                    fault = "" if run.wait(LIMIT) is not None else "the server does not end"
                    run.code = 0 if not fault else run.code
                if fault:
                    run.kill()
                return run, fault
        code = run.wait(deadline - time.monotonic())
        self._seconds = time.monotonic() - run.began
        if code is None:
            run.kill()
            if asking is not None:
                asking.join(LIMIT)
            return run, "" if kill_after is not None else f"it does not end within {LIMIT:g} s"
        return run, "" if client is None else f"the server ends by itself: {run.said()}"


def _asking(client: Client, run: Run, deadline: float) -> Asking | None:
    """The client at work, once the server has said its address; None if that is not in time."""
    while time.monotonic() < deadline:
        path = run.folder / "stderr"
        if path.exists() and (found := re.search(r"http://\S+:\d+", run.said())):
            asking = Asking(client, found[0])
            asking.start()
            return asking
        if run.wait(0) is not None:
            return None
        time.sleep(0.01)
    return None


def kill_all(
    names: Sequence[str], times: int, minutes: float | None, seed: int, say: Callable[[str], None]
) -> dict[str, Tally]:
    """Kills tasks in turn until each was killed often enough, the time is up and each was killed once, or Ctrl-C."""
    ends = math.inf if minutes is None else time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="lipscribe-kills-") as folder:
        scratch = Path(folder)
        inputs = scratch / "inputs"
        make_inputs(inputs)
        server = SlowServer(inputs / "served")
        write_registry(inputs, server.url)
        tasks = chosen(make_tasks(inputs), names)
        zygote = Zygote()
        killer = Killer(scratch, zygote, server, seed)
        try:
            for task in tasks:
                seconds = killer.reference(task).seconds
                say(f"{task.name}: {seconds[False]:.1f} s uninterrupted, {seconds[True]:.1f} s as a plain process")
            while left := [task for task in tasks if is_due(killer.tallies[task.name], times, ends)]:
                for task in left:
                    tally = killer.tallies[task.name]
                    if not is_due(tally, times, ends):
                        continue
                    before = len(tally.losses)
                    killer.round(task)
                    for loss in tally.losses[before:]:
                        say(f"LOSS: {task.name}: {loss}")
        except KeyboardInterrupt:
            say("interrupted: the table is of what was killed so far")
        finally:
            zygote.close()
            server.shutdown()
            server.server_close()
    return killer.tallies


def is_due(tally: Tally, times: int, ends: float) -> bool:
    """Whether a task is to be killed again: it was not often enough, or, when the time is up, never."""
    return tally.kills < (times if time.monotonic() < ends else 1) and tally.rounds < MISSED * times


def table(tallies: dict[str, Tally]) -> str:
    """The table of docs/trust/kills.md."""
    lines = [
        "| task | kills | while resuming | plain rounds | files done | amid a write | by tenth of the run | losses |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, tally in tallies.items():
        tenths = Counter(min(int(moment * 10), 9) for moment in tally.moments)
        spread = " ".join(str(tenths[idx]) for idx in range(10))
        cells = (tally.kills, tally.resumed, tally.plain, tally.begun, tally.writing, spread, len(tally.losses))
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="kills of each task (50)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument("--tasks", default="", help="names, with commas between them (all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON of all kills")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: a CI's time is up
    names = [name for name in args.tasks.split(",") if name]
    began = time.monotonic()
    tallies = kill_all(
        names, args.times, args.minutes, args.seed, lambda line: print(line, file=sys.stderr, flush=True)
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    record = {name: asdict(tally) for name, tally in tallies.items()}
    args.output.write_text(json.dumps({"seed": args.seed, "tasks": record}, indent=1) + "\n")
    losses = sum(len(tally.losses) for tally in tallies.values())
    print(table(tallies))
    kills = sum(tally.kills for tally in tallies.values())
    print(f"{kills} kills in {(time.monotonic() - began) / 60:.1f} min, {losses} losses; details in {args.output}")
    if never := [name for name, tally in tallies.items() if not tally.kills]:
        print(f"never killed: {', '.join(never)}")
    return 1 if losses or never else 0


if __name__ == "__main__":
    sys.exit(main())
