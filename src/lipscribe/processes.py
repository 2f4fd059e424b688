"""Process pools: a crash loses one task, and neither Ctrl-C nor a kill leaves worker processes behind."""

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
    """The number of processors that this process may use (its CPU affinity)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Processes:
    """A pool of processes that survives crashes.

    A task that crashes ends the pool and its running tasks. These run again, each in its own process, so only the
    crashing task is lost.

    Args:
        number: Number of processes; None is one per available processor.
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
            work: Runs one task; a module-level function.
            tasks: All are submitted at once, so split long lists.
            crashed: Returns the outcome of a task that crashes its process.

        Raises:
            Exception: Whatever `work` raises.
        """
        broken = False
        with interrupts_held():  # this is where processes start
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
                with interrupts_held():
                    future = pool.submit(work, task)
                return future.result()
        except BrokenProcessPool:
            return crashed(task)

    @staticmethod
    def _start(number: int) -> ProcessPoolExecutor:
        # A forked copy of a process with threads in it may hang; a spawned one starts clean.
        return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=end_with_parent)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delays Ctrl-C until the block ends; processes started in it ignore it, since the parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In a worker process: the parent handles Ctrl-C; the worker ends when the parent does, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)


def limit_process(memory_bytes: int, file_bytes: int) -> None:
    """Limits what this process may use from now on, where the system knows such limits: Windows doesn't.

    For processes that decode files of strangers. A lower limit that holds already stays.

    Args:
        memory_bytes: Of data that it allocates.
        file_bytes: Of a file that it writes; it dumps no memory to the disk when it crashes.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, value in (("RLIMIT_DATA", memory_bytes), ("RLIMIT_FSIZE", file_bytes), ("RLIMIT_CORE", 0)):
        with contextlib.suppress(ValueError, OSError):
            held, _ = resource.getrlimit(limit := getattr(resource, name))
            value = value if held == resource.RLIM_INFINITY else min(value, held)
            resource.setrlimit(limit, (value, value))


def ending(code: int | None) -> str:
    """How a process ended, in words, by its exit code."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return f"{name}, often for lack of memory" if name == "SIGKILL" else name
