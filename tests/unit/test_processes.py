"""Processes: outcomes in order, a crash that costs one task, errors that reach the caller."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator

import pytest

from lipscribe.errors import VideoError
from lipscribe.processes import Message, Processes, Tell, WorkerError, available_cpus, in_turn, run_tasks


def work(task: int) -> tuple[int, int]:
    if task == 3:
        os._exit(11)
    if task == 7:
        raise VideoError("7 is no video")
    time.sleep(0.05 * (task == 0))
    return task, os.getpid()


def crashed(task: int) -> tuple[int, int]:
    return -task, 0


def test_outcomes_come_in_order_from_other_processes():
    with Processes(2) as processes:
        outcomes = list(processes.outcomes(work, [0, 1, 2], crashed))
    assert [task for task, _ in outcomes] == [0, 1, 2]
    assert os.getpid() not in {pid for _, pid in outcomes}


def test_a_crash_costs_its_task_and_the_next_tasks_are_done_too():
    with Processes(2) as processes:
        assert [task for task, _ in processes.outcomes(work, [1, 3, 2], crashed)] == [1, -3, 2]
        assert [task for task, _ in processes.outcomes(work, [4, 5], crashed)] == [4, 5]
        assert list(processes.outcomes(work, [], crashed)) == []


def test_an_error_of_a_task_reaches_the_caller():
    with Processes(1) as processes, pytest.raises(VideoError, match="7 is no video"):
        list(processes.outcomes(work, [1, 7], crashed))


ONE_CPU = """
import os
from lipscribe.processes import Processes
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with Processes() as processes:
    print(processes.number)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processors that can be left to others")
def test_there_are_no_more_processes_than_processors_that_may_be_used():
    done = subprocess.run([sys.executable, "-c", ONE_CPU], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert 1 <= available_cpus() <= os.cpu_count()


def start(tell: Tell) -> Callable[[int], int]:
    tell("starting")

    def run(task: int) -> int:
        time.sleep(0.3 * (task == 0))
        tell(f"{task} begins")
        return work(task)[0]

    return run


def refuse(tell: Tell) -> Callable[[int], int]:
    raise VideoError("no worker wants this")


def fall(tell: Tell) -> Callable[[int], int]:
    os._exit(3)


def test_workers_tell_what_they_do_and_a_crash_costs_one_task():
    messages = list(run_tasks(start, [0, 1, 3, 7, 4], 2))
    assert [message.value for message in messages if message.idx is None] == ["starting"] * 3  # one was replaced
    ends = {message.idx: message for message in messages if message.ends}
    assert {idx: message.kind for idx, message in ends.items()} == {
        0: "done",
        1: "done",
        2: "crashed",
        3: "failed",
        4: "done",
    }
    assert (ends[2].value, ends[4].value) == ("exit code 11", 4)
    with pytest.raises(VideoError, match="7 is no video") as raised:
        raise ends[3].value
    assert "in work" in raised.value.__notes__[0]  # where it was raised


def test_messages_come_in_the_order_of_the_tasks():
    messages = [message for message in in_turn(run_tasks(start, [0, 1, 2], 2)) if message.idx is not None]
    assert [(message.idx, message.kind) for message in messages] == [
        (idx, kind) for idx in range(3) for kind in ("told", "done")
    ]


def test_an_interrupt_lets_out_what_is_done():
    def interrupted() -> Generator[Message, None, None]:
        yield Message(1, "told", "a")
        yield Message(2, "told", "b")
        yield Message(2, "done", "c")
        yield Message(3, "told", "d")
        raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(message.value for message in in_turn(interrupted()))
    assert seen == ["b", "c"]


def test_workers_that_cannot_start_are_told():
    with pytest.raises(VideoError, match="no worker wants this"):
        list(run_tasks(refuse, [1, 2], 2))
    with pytest.raises(WorkerError, match=r"end while they start \(exit code 3\): run fewer at once"):
        list(run_tasks(fall, [1, 2], 2))
    assert list(run_tasks(refuse, [], 2)) == []


def test_closing_ends_the_workers():
    messages = run_tasks(start, [1, 0, 0, 0], 2)
    next(messages)
    workers = multiprocessing.active_children()
    assert workers
    messages.close()
    assert not any(worker.is_alive() for worker in workers)
