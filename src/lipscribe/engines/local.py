"""Worker processes of this machine."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

from lipscribe.engines import plain
from lipscribe.engines.crew import Event, Start
from lipscribe.processes import available_cpus, end_with_parent, ending, interrupts_held
from lipscribe.units import Seconds

if TYPE_CHECKING:
    from multiprocessing.connection import Connection, PipeConnection

GRACE: Seconds = 2.0  # workers that are stopped have this long to remove what they have half written
# What numpy, OpenCV and torch read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_TERMINATED = 128 + signal.SIGTERM  # exit code, as of shells
# Nothing that a task does to its own process: somebody, or the system for lack of memory, has ended it.
_FROM_OUTSIDE = {_TERMINATED, *(-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGINT"))} - {0}


class LocalEngine:
    """Worker processes of this machine.

    Args:
        threads: Of the numerical libraries in each worker; None is their own choice.
        is_plain: Whether workers send plain data only, see `plain`: where they read files of strangers.
    """

    def __init__(self, threads: int | None = None, is_plain: bool = False):
        self.threads, self._is_plain = threads, is_plain

    def number(self, wanted: int | None) -> int:
        """The number of workers: the one wanted, or one for each processor that this process may use."""
        return wanted or available_cpus()

    def crew(self, start: Start) -> "LocalCrew":
        """Workers that are set up by `start`; none runs yet."""
        return LocalCrew(start, self.threads, self._is_plain)


class LocalCrew:
    """Worker processes; see `Crew`."""

    def __init__(self, start: Start, threads: int | None, is_plain: bool = False):
        self._start, self._threads, self._is_plain = start, threads, is_plain
        self._workers: list[Worker] = []

    def hire(self) -> "Worker":
        """Starts a process."""
        worker = Worker.hire(self._start, self._threads, self._is_plain)
        self._workers.append(worker)
        return worker

    def batch(self) -> int:
        """One: a pipe is fast."""
        return 1

    def give(self, worker: "Worker", tasks: Sequence[Any]) -> None:
        """Sends its task to a worker."""
        (task,) = tasks
        with contextlib.suppress(OSError):  # it has ended, which `wait` finds
            worker.connection.send(task)

    def wait(self) -> Iterable[tuple["Worker", Event]]:
        """Waits until workers have sent something, and returns it."""
        ready = wait([worker.connection for worker in self._workers])
        heard = [(worker, worker.receive()) for worker in self._workers if worker.connection in ready]
        self._workers = [worker for worker in self._workers if worker.alive]
        return heard

    def dismiss(self, at_once: bool) -> None:
        """Ends the workers; those without a task end by themselves when their pipe is closed."""
        for worker in self._workers:
            worker.connection.close()
            if at_once or not worker.ready:
                worker.process.terminate()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            worker.process.join(max(deadline - time.monotonic(), 0))
            worker.process.kill()


@dataclass(eq=False)
class Worker:
    """A worker process, and our end of its pipe.

    It sends pairs: ("ready", None), or ("refused", exception) if it cannot start; then, for each task that it is sent,
    any number of ("told", value), and ("done", outcome) or ("failed", exception). When the pipe is closed, it ends.
    They are pickles, or plain data (`plain`) from a worker that is not to be trusted.
    """

    process: SpawnProcess
    connection: "Connection[Any, Any] | PipeConnection[Any, Any]"
    ready: bool = False
    alive: bool = True
    is_plain: bool = False

    @classmethod
    def hire(cls, start: Start, threads: int | None = None, is_plain: bool = False) -> "Worker":
        """Starts a process in which `start` makes the function that runs a task."""
        context = multiprocessing.get_context("spawn")  # see `Processes`
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, start, is_plain), daemon=True)
        with interrupts_held(), _threads_of_children(threads):
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return cls(process, ours, is_plain=is_plain)

    def read(self) -> tuple[Any, Any]:
        """The next pair; waits for it.

        Raises:
            OSError: The process has ended, or it has sent what is no pair, and is killed.
        """
        if not self.is_plain:
            return self.connection.recv()
        try:
            return plain.unpack(self.connection.recv_bytes(plain.MAX_BYTES))
        except (ValueError, OSError):
            self.process.kill()
            raise OSError("the worker has sent what is no message") from None

    def receive(self) -> Event:
        """What it sends next, "crashed" or "lost" if it has ended; waits for it."""
        try:
            kind, value = self.read()
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            code = self.process.exitcode
            return Event("lost" if code in _FROM_OUTSIDE else "crashed", ending(code))
        self.ready = self.ready or kind == "ready"
        return Event(kind, value)


@contextlib.contextmanager
def _threads_of_children(number: int | None) -> Iterator[None]:
    """Processes that start in the block have numerical libraries of so many threads."""
    names = [name for name in _THREADS if number is not None and name not in os.environ]
    os.environ.update({name: str(number) for name in names})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def _serve(connection: "Connection[Any, Any]", start: Start, is_plain: bool) -> None:
    """The life of a worker process: starts, then runs tasks until the pipe is closed."""
    end_with_parent()
    signal.signal(signal.SIGTERM, _leave)  # so that half-written files are removed
    lock = threading.Lock()

    def send(kind: str, value: Any) -> None:
        message = plain.pack(kind, value) if is_plain else ForkingPickler.dumps((kind, value))
        with lock:
            connection.send_bytes(message)

    def fail(kind: str, error: Exception) -> None:
        send(kind, error if is_plain else _portable(error))

    code = 1
    try:
        try:
            work = start(lambda value: send("told", value))
        except Exception as error:
            fail("refused", error)
            return
        send("ready", None)
        while True:
            task = connection.recv()
            try:
                send("done", work(task))
            except Exception as error:
                fail("failed", error)
    except (EOFError, OSError):  # the pipe is closed: there is nothing more to do, or nobody to tell
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)  # to unload a network's runtime takes a third of a second


def _leave(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(_TERMINATED)


def _portable(error: Exception) -> Exception:
    """An exception that can be sent to another process, with its traceback as a note."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
