"""A cluster that loses workers, simulated: the engine's own scheduler on workers in virtual time.

    python benchmarks/simulate.py sweep       # 1 000 workers by how long one lives
    python benchmarks/simulate.py size        # by the number of workers, undisturbed: what one driver can feed
    python benchmarks/simulate.py check       # real processes, two workers killed at random, against the prediction
    python benchmarks/scale.py write          # what these wrote to benchmarks/simulate.json, into docs/scale.md

`lipscribe.engines.scheduling` runs as it is. What is simulated is what it talks to: a `Crew` whose clock jumps from
event to event. A driver does one thing at a time, each call costs it what was measured with Ray
(benchmarks/scale.json), a worker takes time to start, dies after an exponentially distributed time and is replaced.
"""

import argparse
import functools
import heapq
import itertools
import json
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lipscribe.engines import LocalEngine, run_tasks
from lipscribe.engines.crew import Event
from lipscribe.engines.ray_cluster import CALL_SECONDS, MAX_BATCH

ROOT = Path(__file__).parents[1]
RATES, FOUND = ROOT / "benchmarks/scale.json", ROOT / "benchmarks/simulate.json"
HOUR = 3600.0
FAULTS = (float("inf"), 24 * HOUR, 6 * HOUR, HOUR, 0.5 * HOUR, 600.0, 300.0, 120.0, 60.0, 30.0)
NUMBERS = (10, 100, 300, 1_000, 3_000)
LONG_CALLS = 5.0  # seconds of tasks in a call, with which one driver feeds 1 000 workers


@dataclass(frozen=True)
class Cluster:
    """What is simulated; seconds.

    Attributes:
        workers: Their number.
        lifetime: Mean time until a worker is killed.
        machines: Share of the kills that take the actor with its machine; others take the process that runs the tasks.
        start: Until a worker is ready.
        restart: Until a worker whose process was killed is ready again.
        replacement: Until there is another machine.
        notice: Until a lost machine is noticed.
        call: Of the driver, for each call of a worker.
        call_seconds, max_batch: How long the tasks of a call may take together, and how many they may be.
        speeds: Standard deviation of the logarithm of the workers' speeds.
    """

    workers: int = 1_000
    lifetime: float = float("inf")
    machines: float = 0.5
    start: float = 8.0
    restart: float = 8.0
    replacement: float = 120.0
    notice: float = 10.0
    call: float = 0.001
    call_seconds: float = CALL_SECONDS
    max_batch: int = MAX_BATCH
    speeds: float = 0.1


@dataclass(frozen=True)
class Work:
    """A task: the seconds that it takes, and whether it crashes whoever runs it."""

    seconds: float
    poison: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a simulation gives.

    Attributes:
        seconds: Until the last task has ended.
        efficiency: Of the workers' time, the share that the tasks would have taken at their plain speed.
        done, twice, never: Tasks that were recorded, that were recorded more than once, and that were not recorded.
        aside: Poison tasks that were set aside.
        innocent: Others that were set aside.
        driver: Share of the driver's time that it was busy.
        calls: A second.
        kills: Of workers.
    """

    seconds: float
    efficiency: float
    done: int
    twice: int
    never: int
    aside: int
    innocent: int
    driver: float
    calls: float
    kills: int


@dataclass(eq=False)
class SimulatedWorker:
    """A worker of `SimulatedCrew`; the scheduler keeps them in sets, whose order must be the same each time."""

    number: int
    speed: float
    dies: float = 0.0
    alive: bool = True

    def __hash__(self) -> int:
        return self.number


class SimulatedCrew:
    """Workers in virtual time; see `lipscribe.engines.crew.Crew`. It is its own engine."""

    def __init__(self, cluster: Cluster, seed: int = 0):
        self.cluster = cluster
        self.now = self.busy = 0.0
        self.calls = self.kills = 0
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, SimulatedWorker, list[Event]]] = []
        self._order = itertools.count()
        self._task_seconds = cluster.call_seconds
        self._replacements = 0  # machines that are on their way

    def number(self, wanted: int | None) -> int:
        """The number of workers."""
        return wanted or self.cluster.workers

    def crew(self, start: Any) -> "SimulatedCrew":
        """Itself."""
        return self

    def hire(self) -> SimulatedWorker:
        """A worker that is ready later; of a lost machine when there is another."""
        worker = SimulatedWorker(next(self._order), self._random.lognormvariate(0, self.cluster.speeds))
        delay = self.cluster.replacement if self._replacements else 0.0
        self._replacements = max(self._replacements - 1, 0)
        self._begin(worker, self.now + delay + self.cluster.start)
        return worker

    def batch(self) -> int:
        """As the Ray engine: as many tasks as take `call_seconds`."""
        size = int(self.cluster.call_seconds / max(self._task_seconds, 1e-3))
        return min(max(size, 1), self.cluster.max_batch)

    def give(self, worker: SimulatedWorker, tasks: Sequence[Work]) -> None:
        """A call; what it gives is known at its end, or when the worker is lost."""
        self._drive()
        self.calls += 1
        at, events = self.now, list[Event]()
        for number, task in enumerate(tasks):
            ends = at + task.seconds / worker.speed
            if ends > worker.dies:
                self._lose(worker, max(worker.dies, self.now), events)
                return
            at = ends
            if task.poison:
                self._send(at, worker, [*events, Event("crashed", "exit code -11")])
                self._begin(worker, at + self.cluster.restart)
                return
            events.append(Event("done", None))
            if at - self.now > self.cluster.call_seconds and number + 1 < len(tasks):
                break
        if len(events) < len(tasks):
            events.append(Event("free"))
        self._task_seconds += 0.2 * ((at - self.now) / len(events) - self._task_seconds)
        self._send(at, worker, events)

    def wait(self) -> Iterable[tuple[SimulatedWorker, Event]]:
        """The next call that ends."""
        at, _, worker, events = heapq.heappop(self._events)
        self.now = max(self.now, at)
        return [(worker, event) for event in events]

    def dismiss(self, at_once: bool) -> None:
        """Nothing is left behind."""

    def _lose(self, worker: SimulatedWorker, at: float, events: list[Event]) -> None:
        self.kills += 1
        if self._random.random() < self.cluster.machines:
            worker.alive = False
            self._replacements += 1
            self._send(at + self.cluster.notice, worker, [Event("lost", "its machine is gone")])
        else:
            self._send(at, worker, [*events, Event("lost", "killed")])
            self._begin(worker, at + self.cluster.restart)

    def _begin(self, worker: SimulatedWorker, ready: float) -> None:
        lifetime = self.cluster.lifetime
        worker.dies = ready + (self._random.expovariate(1 / lifetime) if lifetime < float("inf") else lifetime)
        self._send(ready, worker, [Event("ready")])

    def _send(self, at: float, worker: SimulatedWorker, events: list[Event]) -> None:
        heapq.heappush(self._events, (at, next(self._order), worker, events))

    def _drive(self) -> None:
        self.now += self.cluster.call
        self.busy += self.cluster.call


def simulate(cluster: Cluster, tasks: Sequence[Work], seed: int = 0) -> Outcome:
    """Runs tasks by the engine's scheduler on simulated workers."""
    crew = SimulatedCrew(cluster, seed)
    ended: dict[str, Counter[int]] = {"done": Counter(), "crashed": Counter()}
    last = 0.0
    for message in run_tasks(lambda tell: lambda task: None, tasks, cluster.workers, engine=crew):
        if message.idx is not None and message.ends:
            ended[message.kind][message.idx] += 1
            last = crew.now
    done, aside = ended["done"], ended["crashed"]
    useful = sum(tasks[idx].seconds for idx in done)
    return Outcome(
        seconds=last,
        efficiency=useful / (cluster.workers * last),
        done=len(done),
        twice=sum(number > 1 for number in (done + aside).values()),
        never=len(tasks) - len(done.keys() | aside.keys()),
        aside=sum(tasks[idx].poison for idx in aside),
        innocent=sum(not tasks[idx].poison for idx in aside),
        driver=crew.busy / last,
        calls=crew.calls / last,
        kills=crew.kills,
    )


def clips(number: int, rate: float, poison: float = 0.0, stragglers: float = 0.01, seed: int = 0) -> list[Work]:
    """Clips of 1 to 16 s (log-normal, median 4 s), at `rate` core seconds a second.

    Args:
        poison: Share that crash whoever reads them.
        stragglers: Share that take ten times as long, such as videos with many faces.
    """
    rng = random.Random(seed)
    found = []
    for _ in range(number):
        length = min(max(rng.lognormvariate(1.4, 0.6), 1.0), 16.0)
        slow = 10 if rng.random() < stragglers else 1
        found.append(Work(length * rate * slow, rng.random() < poison))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sweep", "size", "check"])
    parser.add_argument("--minutes", type=float, default=15, help="of work for each worker (15)")
    parser.add_argument("--engine", choices=["local", "ray"], nargs="+", default=["local"], help="for check")
    args = parser.parse_args()
    {"sweep": sweep, "size": size, "check": check}[args.what](args)


def sweep(args: argparse.Namespace) -> None:
    rates = json.loads(RATES.read_text())
    cluster = replace(measured(rates), call_seconds=LONG_CALLS)
    tasks = work_for(cluster.workers, args.minutes, rates, poison=1e-5)
    rows = []
    for lifetime in FAULTS:
        outcome = simulate(replace(cluster, lifetime=lifetime), tasks)
        rows.append({"lifetime": None if lifetime == float("inf") else lifetime, **vars(outcome)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    save("sweep", {"cluster": vars(cluster) | {"lifetime": None}, "tasks": len(tasks), "rows": rows})


def size(args: argparse.Namespace) -> None:
    rates = json.loads(RATES.read_text())
    rows = []
    for number, seconds in itertools.product(NUMBERS, (CALL_SECONDS, LONG_CALLS)):
        cluster = replace(measured(rates, number), call_seconds=seconds)
        outcome = simulate(cluster, work_for(number, args.minutes, rates))
        rows.append({"workers": number, "call_seconds": seconds, "call": cluster.call, **vars(outcome)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    save("size", {"rows": rows})


def measured(rates: dict[str, Any], workers: int = 1_000) -> Cluster:
    """A Ray cluster as measured: a call costs the driver more where more calls are under way."""
    one, many = rates["ray"]["call_ms"] / 1e3, rates["ray"]["call_of_1000_workers_ms"] / 1e3
    return Cluster(workers=workers, call=one + (many - one) * workers / 1_000)


def work_for(workers: int, minutes: float, rates: dict[str, Any], poison: float = 0.0) -> list[Work]:
    rate = rates["prepare"]["1280x720"]["core_seconds_a_second"]
    mean = statistics.fmean(task.seconds for task in clips(20_000, rate))
    return clips(round(workers * minutes * 60 / mean), rate, poison)


def check(args: argparse.Namespace) -> None:
    """Tasks that sleep, so that other work on the machine changes nothing, in processes that are killed."""
    rows, nothing = [], [Work(0.0)] * 2
    restart = real("local", nothing, float("inf"))[0]  # on Ray too it is such a process that is started again
    for name, lifetime in itertools.product(args.engine, (float("inf"), 5.0)):
        tasks = [Work(work.seconds, work.poison) for work in clips(150, 0.08, poison=0.02, seed=3)]
        start = real(name, nothing, float("inf"))[0]
        seconds, outcomes = real(name, tasks, lifetime)
        cluster = Cluster(2, lifetime, machines=0, start=start, restart=restart, call=0, speeds=0)
        if name == "local":
            cluster = replace(cluster, max_batch=1)
        predicted = [simulate(cluster, tasks, seed) for seed in range(20)]
        expected = statistics.fmean(each.seconds for each in predicted)
        rows.append(
            {
                "engine": name,
                "lifetime": None if lifetime == float("inf") else lifetime,
                "seconds": round(seconds, 2),
                "predicted": round(expected, 2),
                "spread": round(statistics.stdev(each.seconds for each in predicted), 2),
                "start": round(start, 2),
                **outcomes,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        save("check", {"rows": rows})


def real(name: str, tasks: Sequence[Work], lifetime: float) -> tuple[float, dict[str, int]]:
    """Seconds that real workers take, and how their tasks ended."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        engine: Any = LocalEngine()
        if name == "ray":
            from lipscribe.engines.ray_cluster import ray_engine

            engine = stack.enter_context(ray_engine(number=2))
        began, ended = time.perf_counter(), Counter[str]()
        start = functools.partial(mortal, lifetime=lifetime)
        for message in run_tasks(start, tasks, 2, engine=engine):
            ended[message.kind] += message.ends
        return time.perf_counter() - began, {"done": ended["done"], "crashed": ended["crashed"]}


def mortal(tell: Any, lifetime: float) -> Callable[[Work], None]:
    """A worker that is killed after an exponentially distributed time, whatever it does then."""
    if lifetime < float("inf"):
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, random.Random(os.getpid()).expovariate(1 / lifetime) + 1e-3)
    return sleep


def sleep(task: Work) -> None:
    time.sleep(task.seconds)
    if task.poison:
        os.abort()


def save(name: str, found: dict[str, Any]) -> None:
    earlier = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    FOUND.write_text(json.dumps(earlier | {name: found}, indent=2) + "\n")


if __name__ == "__main__":
    import simulate  # by its name, under which a worker on a cluster finds its functions too

    simulate.main()
