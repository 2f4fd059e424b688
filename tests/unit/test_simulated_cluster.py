"""The simulated cluster of benchmarks/simulate.py: against arithmetic, and what the scheduler keeps under failures."""

import math
import statistics
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.simulate")


def test_undisturbed_workers_share_the_work(sim: ModuleType):
    cluster = sim.Cluster(workers=4, start=3.0, call=0.0, speeds=0.0, max_batch=1)
    outcome = sim.simulate(cluster, [sim.Work(2.0)] * 40)
    assert (outcome.seconds, outcome.done, outcome.kills) == (23.0, 40, 0)
    assert outcome.efficiency == pytest.approx(20 / 23)


def test_a_driver_that_is_busy_all_the_time_bounds_the_rate(sim: ModuleType):
    cluster = sim.Cluster(workers=100, start=0.0, call=0.1, speeds=0.0, max_batch=1)
    outcome = sim.simulate(cluster, [sim.Work(1.0)] * 1000)
    assert outcome.seconds == pytest.approx(1000 * 0.1 + 1.0)  # a call each, and the last task
    assert outcome.calls == pytest.approx(10, rel=0.02)


def test_the_time_under_failures_is_that_of_the_formula(sim: ModuleType):
    """E = (exp(T / L) - 1) (L + R): a task of T, a worker killed every L, restarted in R (exponential lifetimes)."""
    length, lifetime, restart, number = 2.0, 10.0, 1.5, 400
    cluster = sim.Cluster(1, lifetime, machines=0.0, start=restart, restart=restart, call=0.0, speeds=0.0, max_batch=1)
    took = [sim.simulate(cluster, [sim.Work(length)] * number, seed).seconds - restart for seed in range(10)]
    expected = number * (math.exp(length / lifetime) - 1) * (lifetime + restart)
    assert statistics.fmean(took) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("lifetime", [600.0, 60.0, 20.0])
def test_every_clip_once_whatever_happens(sim: ModuleType, lifetime: float):
    tasks = sim.clips(6000, rate=0.22, poison=0.005, stragglers=0.0)  # none is as long as a worker lives
    cluster = sim.Cluster(workers=1000, lifetime=lifetime, replacement=20.0)
    outcome = sim.simulate(cluster, tasks)
    assert outcome.kills > 5
    assert (outcome.twice, outcome.never) == (0, 0)
    assert outcome.aside == sum(task.poison for task in tasks) > 10
    assert outcome.done + outcome.aside + outcome.innocent == len(tasks)
    assert outcome.innocent == 0 or lifetime == 20  # where idle workers die too, clips are given to dead ones


def test_more_failures_cost_more(sim: ModuleType):
    tasks = sim.clips(6000, rate=0.22)
    found = [sim.simulate(sim.Cluster(workers=50, lifetime=lifetime), tasks) for lifetime in (math.inf, 300.0, 30.0)]
    first, second, third = (each.efficiency for each in found)
    assert 1 > first > second > third > 0


def test_a_simulation_can_be_repeated(sim: ModuleType):
    tasks, cluster = sim.clips(500, rate=0.22), sim.Cluster(workers=20, lifetime=60.0)
    assert sim.simulate(cluster, tasks, seed=1) == sim.simulate(cluster, tasks, seed=1)
    assert sim.simulate(cluster, tasks, seed=1) != sim.simulate(cluster, tasks, seed=2)


@pytest.mark.slow
def test_real_processes_take_as_long_as_simulated_ones(sim: ModuleType):
    tasks = sim.clips(30, rate=0.05, poison=0.1, seed=3)
    _, ended = sim.real("local", tasks, lifetime=3.0)
    predicted = sim.simulate(sim.Cluster(2, 3.0, machines=0.0, start=0.3, call=0.0, max_batch=1), tasks)
    assert ended == {"done": predicted.done, "crashed": predicted.aside}
