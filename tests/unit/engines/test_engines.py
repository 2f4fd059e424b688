"""Both engines do the same: processes of this machine, and a Ray cluster."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray_here import running_ray

from lipscribe.engines import Engine, LocalEngine, Message, Tell, WorkerError, ray_cluster, run_tasks
from lipscribe.engines.ray_cluster import ClusterError
from lipscribe.errors import VideoError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    with running_ray() as engine:
        yield engine


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return LocalEngine(threads=1) if request.param == "local" else request.getfixturevalue("ray")


def start(tell: Tell) -> Callable[[str], object]:
    tell("starting")

    def run(task: str) -> object:
        name, _, argument = task.partition(" ")
        tell(f"{task} begins")
        if name == "wrong":
            raise VideoError("no video")
        if name == "where":
            return os.getpid(), os.environ["OMP_NUM_THREADS"], str(Path.cwd())
        if name == "slow":
            time.sleep(0.3)
        if name in signal.Signals.__members__ and _is_first(argument):
            os.kill(os.getpid(), signal.Signals[name])
        return name

    return run


def _is_first(log: str) -> bool:
    """Whether a file does not exist yet; no file is always the first time."""
    if not log:
        return True
    first = not Path(log).exists()
    Path(log).touch()
    return first


def refuse(tell: Tell) -> Callable[[str], str]:
    raise VideoError("no worker wants this")


def fall(tell: Tell) -> Callable[[str], str]:
    os._exit(3)


def ends(messages: list[Message]) -> dict[str, tuple[str, object]]:
    return {message.task: (message.kind, message.value) for message in messages if message.ends}


def test_tasks_run_in_processes_of_their_own_with_one_thread(engine):
    messages = list(run_tasks(start, ["a", "where", "wrong", "slow"], 2, engine))
    found = ends(messages)
    pid, threads, folder = found["where"][1]
    assert (pid != os.getpid(), threads, folder) == (True, "1", str(Path.cwd()))
    assert found["a"] == ("done", "a")
    assert {message.value for message in messages if message.idx is None} == {"starting"}
    assert [m.value for m in messages if m.task == "slow"] == ["slow begins", "slow"]
    kind, error = found["wrong"]
    assert kind == "failed"
    with pytest.raises(VideoError, match="no video"):
        raise error
    assert "in run" in error.__notes__[0]  # where it was raised


def test_a_clip_is_read_again_when_its_worker_is_killed_and_given_up_when_it_crashes_twice(engine, tmp_path):
    tasks = [f"SIGKILL {tmp_path / 'a'}", "b", f"SIGSEGV {tmp_path / 'c'}", "SIGSEGV", "e"]
    messages = list(run_tasks(start, tasks, 2, engine))
    assert list(ends(messages).values()).count(("crashed", "SIGSEGV, 2 times")) == 1
    assert {task: kind for task, (kind, _) in ends(messages).items()} == {
        task: "crashed" if task == "SIGSEGV" else "done" for task in tasks
    }


def test_workers_that_cannot_start_are_told(engine):
    with pytest.raises(VideoError, match="no worker wants this"):
        list(run_tasks(refuse, ["a", "b"], 2, engine))
    with pytest.raises(WorkerError, match=r"end while they start \(exit code 3\): run fewer at once"):
        list(run_tasks(fall, ["a", "b"], 2, engine))


def test_closing_ends_the_workers():
    messages = run_tasks(start, ["a", "slow", "slow", "slow"], 2)
    next(messages)
    workers = multiprocessing.active_children()
    assert workers
    messages.close()
    assert not any(worker.is_alive() for worker in workers)


def test_an_actor_that_is_killed_costs_no_task(ray, capfd):
    killed = 0
    found = []
    for message in run_tasks(start, ["where", *["slow"] * 6], 2, ray):
        found += [message.task] * message.ends
        if message.task == "where" and message.ends:
            os.kill(_parent(message.value[0]), signal.SIGKILL)
            killed += 1
    assert killed == 1
    assert sorted(found) == [*["slow"] * 6, "where"]
    assert capfd.readouterr().out == ""  # Ray tells of it at length


def test_a_machine_with_other_versions_is_refused_before_its_first_task(ray, monkeypatch):
    here = {**ray_cluster.own_versions(), "lipscribe": "9.9"}
    monkeypatch.setattr(ray_cluster, "own_versions", lambda: here)
    with pytest.raises(ClusterError, match=r"has lipscribe .*, this machine 9.9: install the same versions"):
        list(run_tasks(start, ["a"], 1, ray))


@pytest.mark.parametrize("who", ["actor", "process"])
def test_a_worker_that_ends_while_it_is_idle_says_nothing_about_its_next_task(ray: Engine, who: str):
    killed: list[int] = []

    def tasks() -> Iterator[str | None]:
        yield "where"
        while not killed:
            yield None
        yield "next"

    done: list[Message] = []
    for message in run_tasks(start, tasks(), 1, ray, retry=False):  # with it, the first loss would set it aside
        if message.ends:
            done.append(message)
        if message.kind == "done" and not killed:
            child = message.value[0]
            killed.append(_parent(child) if who == "actor" else child)
            os.kill(killed[0], signal.SIGKILL)
            while _runs(killed[0]):
                time.sleep(0.01)
    assert [(message.kind, message.task) for message in done] == [("done", "where"), ("done", "next")]


def _stat(process: int) -> list[str]:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _parent(process: int) -> int:
    return int(_stat(process)[1])


def _runs(process: int) -> bool:
    """Whether any of its threads is left: its first one may have ended, and the process not yet."""
    try:
        return _stat(process)[0] != "Z" or len(list(Path(f"/proc/{process}/task").iterdir())) > 1
    except OSError:
        return False
