"""Tasks in several processes: a crash costs one task, and neither Ctrl-C nor a kill leaves a process behind."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


def available_cpus() -> int:
    """Processors that this process may use: a scheduler or a container may leave it fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Processes:
    """A pool of processes that survives crashes.

    A task that crashes ends the pool and with it the tasks that were running: those are run again, each in a process of
    its own, so that only the task that crashes is lost.

    Args:
        number: Of processes; None is one for each processor that may be used.
    """

    def __init__(self, number: int | None = None):
        self.number = number or available_cpus()
        self.pool = self._start(self.number)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def outcomes(
        self, work: Callable[[Task], Outcome], tasks: list[Task], crashed: Callable[[Task], Outcome]
    ) -> Iterator[Outcome]:
        """The outcome of each task, in order.

        Args:
            work: Does one task; it is a function of a module, which the processes import.
            tasks: All are submitted at once, so give a long list in parts.
            crashed: Gives the outcome of a task that crashes its process.

        Raises:
            Exception: Whatever `work` raises.
        """
        broken = False
        with _interrupts_held():  # this is where processes start
            futures = [self._submit(work, task) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield future.result()
            except BrokenProcessPool:
                broken = True
                yield self._alone(work, task, crashed)
        if broken:
            self.pool = self._start(self.number)

    def _submit(self, work: Callable[[Task], Outcome], task: Task) -> Future[Outcome]:
        try:
            return self.pool.submit(work, task)
        except BrokenProcessPool as error:  # a task submitted a moment ago has crashed already
            refused: Future[Outcome] = Future()
            refused.set_exception(error)
            return refused

    def _alone(self, work: Callable[[Task], Outcome], task: Task, crashed: Callable[[Task], Outcome]) -> Outcome:
        try:
            with self._start(1) as pool:
                with _interrupts_held():
                    future = pool.submit(work, task)
                return future.result()
        except BrokenProcessPool:
            return crashed(task)

    @staticmethod
    def _start(number: int) -> ProcessPoolExecutor:
        # A forked copy of a process with threads in it may hang; a spawned one starts clean.
        return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block ends, and never reaches the processes started in it: the parent ends those."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """In a worker: the parent handles Ctrl-C; the worker ends when the parent does, also when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)
