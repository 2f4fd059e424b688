"""Process pools: a crash loses one task, and neither Ctrl-C nor a kill leaves worker processes behind."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from lipscribe.errors import LipscribeError
from lipscribe.units import Seconds

if TYPE_CHECKING:
    from multiprocessing.connection import Connection, PipeConnection

GRACE: Seconds = 2.0  # workers that are stopped have this long to remove what they have half written

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
        return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


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


def _end_with_parent() -> None:
    """In a worker: the parent handles Ctrl-C; the worker ends when the parent does, also when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)


class Message(NamedTuple):
    """What a worker process reports to its parent.

    Attributes:
        idx: Index of the task; None while the worker starts.
        kind: "told" (in the middle of a task), "done", "failed" or "crashed": the last three end the task.
        value: What was told, the task's outcome, the exception that it raised, or how its process ended.
    """

    idx: int | None
    kind: Literal["told", "done", "failed", "crashed"]
    value: Any

    @property
    def ends(self) -> bool:
        """Whether the task has ended."""
        return self.kind != "told"


Tell: TypeAlias = Callable[[Any], None]
"""Sends something to the parent process; it must be picklable."""


def run_tasks(
    start: Callable[[Tell], Callable[[Any], Any]], tasks: Sequence[Any], number: int
) -> Generator[Message, None, None]:
    """Runs tasks in worker processes that are set up once, and yields what they report, as it comes.

    `Processes` runs short functions; this is for workers that take long to start (they load a model), and for tasks
    that report before they end. A task that crashes its worker is lost alone: a new worker takes the next task. Closing
    the generator, or an exception such as Ctrl-C in it, ends all workers.

    Args:
        start: Called once in each worker; returns the function that runs a task there. Pickled, as are the tasks.
        tasks: Each starts as soon as a worker is free, in order.
        number: Number of workers, at most.

    Raises:
        WorkerError: No worker could start.
        Exception: Whatever `start` raises in a worker.
    """
    crew = _Crew(start, tasks)
    ended = False
    try:
        crew.hire(min(number, len(tasks)))
        while crew.workers:
            for connection in wait([worker.connection for worker in crew.workers]):
                worker = next(each for each in crew.workers if each.connection is connection)
                yield from crew.hear(worker)
        ended = True
    finally:
        crew.dismiss(at_once=not ended)


def in_turn(messages: Generator[Message, None, None]) -> Generator[Message, None, None]:
    """The same messages by the order of the tasks: those of the first unfinished task at once, later ones wait.

    On Ctrl-C, what waits of finished tasks comes before the exception.
    """
    waiting: dict[int, list[Message]] = {}
    turn = 0
    with contextlib.closing(messages):
        try:
            for message in messages:
                if message.idx is None:
                    yield message
                    continue
                waiting.setdefault(message.idx, []).append(message)
                while due := waiting.pop(turn, None):
                    yield from due
                    turn += due[-1].ends
        except KeyboardInterrupt:
            for _, due in sorted(waiting.items()):
                if due[-1].ends:
                    yield from due
            raise


class WorkerError(LipscribeError):
    """A worker process ended before its first task."""


@dataclass(eq=False)
class Worker:
    """A worker process, and our end of its pipe.

    It sends pairs: ("ready", None), or ("refused", exception) if it cannot start; then, for each task that it is sent,
    any number of ("told", value), and ("done", outcome) or ("failed", exception). When the pipe is closed, it ends.
    """

    process: SpawnProcess
    connection: "Connection[Any, Any] | PipeConnection[Any, Any]"
    idx: int | None = None  # of its task
    ready: bool = False

    @classmethod
    def hire(cls, start: Callable[[Tell], Callable[[Any], Any]]) -> "Worker":
        """Starts a process in which `start` makes the function that runs a task."""
        context = multiprocessing.get_context("spawn")  # see `Processes`
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, start), daemon=True)
        with interrupts_held():
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return cls(process, ours)


class _Crew:
    """The workers of `run_tasks`."""

    def __init__(self, start: Callable[[Tell], Callable[[Any], Any]], tasks: Sequence[Any]):
        self.workers: list[Worker] = []
        self._start = start
        self._tasks = tasks
        self._next = 0
        self._any_ready = False

    def hire(self, number: int) -> None:
        """Starts workers."""
        with interrupts_held():
            for _ in range(number):
                self.workers.append(Worker.hire(self._start))

    def hear(self, worker: Worker) -> Iterator[Message]:
        """Receives what a worker has sent, and gives it the next task when it is free."""
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if kind == "told":
            yield Message(worker.idx, "told", value)
            return
        if kind == "refused":
            raise value
        worker.ready = self._any_ready = True
        idx, worker.idx = worker.idx, None
        if self._next < len(self._tasks):  # before the outcome is used, so that the worker need not wait
            worker.idx, self._next = self._next, self._next + 1
            with contextlib.suppress(OSError):  # it has ended: the next `hear` finds that
                worker.connection.send(self._tasks[worker.idx])
        else:
            worker.connection.close()
            self.workers.remove(worker)
        if kind != "ready":
            yield Message(idx, kind, value)

    def _bury(self, worker: Worker) -> Iterator[Message]:
        """Reports a crash. A worker that cannot start is not replaced, since the next one could not either."""
        self.workers.remove(worker)
        worker.process.join()
        how = ending(worker.process.exitcode)
        if worker.idx is not None:
            if self._next < len(self._tasks):
                self.hire(1)
            yield Message(worker.idx, "crashed", how)
        elif not self.workers and self._next < len(self._tasks):
            raise WorkerError(
                f"the worker processes end while they start ({how}): run fewer at once, or one job; a script that "
                'starts them needs `if __name__ == "__main__":`'
            )

    def dismiss(self, at_once: bool) -> None:
        """Ends the workers; those without a task end by themselves when their pipe is closed."""
        for worker in self.workers:
            worker.connection.close()
            if at_once:
                worker.process.terminate()
        deadline = time.monotonic() + GRACE
        for worker in self.workers:
            worker.process.join(max(deadline - time.monotonic(), 0))
            worker.process.kill()


def ending(code: int | None) -> str:
    """How a process ended, in words, by its exit code."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return f"{name}, often for lack of memory" if name == "SIGKILL" else name


def _serve(connection: "Connection[Any, Any]", start: Callable[[Tell], Callable[[Any], Any]]) -> None:
    """The life of a worker process: starts, then runs tasks until the pipe is closed."""
    _end_with_parent()
    signal.signal(signal.SIGTERM, _leave)  # so that half-written files are removed
    lock = threading.Lock()

    def send(kind: str, value: Any) -> None:
        with lock:
            connection.send((kind, value))

    code = 1
    try:
        try:
            work = start(lambda value: send("told", value))
        except Exception as error:
            send("refused", _portable(error))
            return
        send("ready", None)
        while True:
            task = connection.recv()
            try:
                outcome = work(task)
            except Exception as error:
                send("failed", _portable(error))
            else:
                send("done", outcome)
    except (EOFError, OSError):  # the pipe is closed: there is nothing more to do, or nobody to tell
        code = 0
    finally:
        os._exit(code)  # to unload a network's runtime takes a third of a second


def _leave(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(1)


def _portable(error: Exception) -> Exception:
    """An exception that can be sent to another process, with its traceback as a note."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
