"""Processes: outcomes in order, a crash that costs one task, errors that reach the caller."""

import os
import subprocess
import sys
import time

import pytest

from lipscribe.errors import VideoError
from lipscribe.processes import Processes, available_cpus


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
