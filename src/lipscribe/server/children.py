"""Warm child processes that open what clients send, and the limits that they live under."""

import logging
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lipscribe.engines import Tell, Worker
from lipscribe.errors import VideoError
from lipscribe.processes import limit_process
from lipscribe.server.errors import ApiError
from lipscribe.server.told import ENDED
from lipscribe.units import Seconds

POLL: Seconds = 0.1  # how soon a call notices that it is to stop
START_LIMIT: Seconds = 120.0  # for a new process to load the face networks, on a busy machine
GRACE: Seconds = 1.0  # after the limit, for a message that has begun
MAX_FILE_BYTES = 2_000_000_000  # that a child may write

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The client has left, or the server ends."""


class TooSlowError(ApiError):
    """A call has taken longer than it may."""


class Limits(NamedTuple):
    """What a child process may use: bytes of data, and of one file."""

    memory_bytes: int
    file_bytes: int = MAX_FILE_BYTES


class Call:
    """A function that runs in a child: iterating gives what it tells, `result` what it returns.

    Raises:
        Stopped: It was told to stop.
        ApiError: It took too long, or its process ended.
        Exception: Whatever the function raises.
    """

    def __init__(self, worker: Worker, stop: threading.Event, seconds: Seconds):
        self.ended = False
        self.result: Any = None
        self._worker, self._stop, self._seconds = worker, stop, seconds

    def begin(self, task: Callable[[Tell], Any]) -> None:
        """Sends the task, once the process has started."""
        if not self._worker.ready:
            kind, value = self._receive(time.monotonic() + START_LIMIT)
            if kind != "ready":
                raise value
            self._worker.ready = True
        self._deadline = time.monotonic() + self._seconds
        with suppress(OSError), self._killed_at(self._deadline):  # the process has ended, which `_receive` finds
            self._worker.connection.send(task)

    def __iter__(self) -> Iterator[Any]:
        while not self.ended:
            kind, value = self._receive(self._deadline)
            if kind == "told":
                yield value
                continue
            self.ended = True
            if kind == "failed":
                raise value
            self.result = value

    def _receive(self, deadline: float) -> tuple[str, Any]:
        try:
            while True:
                if self._stop.is_set():
                    raise Stopped
                if time.monotonic() > deadline:
                    raise TooSlowError(
                        422, f"reading took over {self._seconds:g} s, the limit here: send a shorter video"
                    )
                if self._worker.connection.poll(POLL):
                    with self._killed_at(deadline):
                        return self._worker.read()
        except (EOFError, OSError):
            raise VideoError(ENDED) from None

    @contextmanager
    def _killed_at(self, deadline: float) -> Iterator[None]:
        """Ends the process if it sends or reads half a message, which would be waited for without end."""
        timer = threading.Timer(max(deadline - time.monotonic(), 0) + GRACE, self._worker.process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class Children:
    """A number of child processes, each with one call at a time; one that crashes or is stopped is replaced.

    Args:
        number: Of processes.
        folder: Where they may write; their temporary files are there too.
        limits: What each may use.
        seconds: How long a call may take.
    """

    def __init__(self, number: int, folder: Path, limits: Limits, seconds: Seconds):
        self._start = partial(start_child, str(folder), limits)
        self._seconds = seconds
        self._workers: set[Worker] = set()
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        for _ in range(number):
            self._hire()

    @contextmanager
    def call(
        self, function: Callable[..., Any], *args: Any, stop: threading.Event, seconds: Seconds | None = None
    ) -> Iterator[Call]:
        """Runs `function(*args, tell)` in a child, as soon as one is free: for the threads of jobs, as it blocks.

        Args:
            function: A module-level function; `tell` sends values to this process before it returns. These and
                its result are plain data, see `engines.plain`.
            args: Picklable.
            stop: Ends the call, with `Stopped`, when it is set.
            seconds: How long it may take, where that is less than usual.
        """
        worker = self._idle.get()
        call = Call(worker, stop, seconds or self._seconds)
        try:
            call.begin(partial(function, *args))
            yield call
        finally:
            if call.ended:
                self._idle.put(worker)
            else:
                self._replace(worker)

    def run(
        self, function: Callable[..., Any], *args: Any, stop: threading.Event, seconds: Seconds | None = None
    ) -> Any:
        """`call` of a function that tells nothing: its result."""
        with self.call(function, *args, stop=stop, seconds=seconds) as call:
            for _ in call:
                pass
            return call.result

    def pids(self) -> list[int]:
        """The processes."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def close(self) -> None:
        """Ends all processes."""
        with self._lock:
            workers, self._workers = self._workers, set()
        for worker in workers:
            _end(worker)

    def _hire(self) -> None:
        worker = Worker.hire(self._start, is_plain=True)
        self._workers.add(worker)
        self._idle.put(worker)

    def _replace(self, worker: Worker) -> None:
        with self._lock:
            is_open = worker in self._workers
            self._workers.discard(worker)
            if is_open:
                self._hire()
        _end(worker)


def _end(worker: Worker) -> None:
    worker.process.kill()  # its files are in the folder of a request, which is removed
    worker.process.join()
    worker.connection.close()


def start_child(folder: str, limits: Limits, tell: Tell) -> Callable[[Callable[[Tell], Any]], Any]:
    """In a new child: sets its limits and loads the face networks; returns the function that runs a call."""
    limit_process(limits.memory_bytes, limits.file_bytes)
    os.umask(0o077)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    os.environ["OMP_NUM_THREADS"] = "1"  # the other processors have children of their own
    logging.getLogger("lipscribe").addHandler(logging.NullHandler())
    from lipscribe.extraction import face_detector

    face_detector()
    return lambda task: task(tell)
