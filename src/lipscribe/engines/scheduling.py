"""Hands tasks to workers: each is run once, whatever happens to the workers.

Two things end a worker in the middle of a task. They are told apart, since a cluster loses workers all the time:

- The task itself: a decoder that crashes (SIGSEGV, SIGABRT, an exit code). It is run again once; after its second crash
  it is set aside.
- Something else: a worker that is killed (SIGKILL, SIGTERM), a machine that is gone. The task is run again, alone in
  its worker. It may still be the cause, where it takes so much memory that the system kills whoever runs it; so after
  `MAX_LOST` times it is set aside too. If each worker is killed once in 40 s, at random, that hits a task of 4 s once
  in a hundred thousand times.
"""

import contextlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lipscribe.engines.crew import Crew, Engine, Event, Handle, Message, Start, WorkerError
from lipscribe.engines.local import LocalEngine

MAX_CRASHES = 2  # of a task, by its own doing
MAX_LOST = 5  # workers that a task may lose, by whatever cause
MAX_STARTS = 3  # workers that end while they start, one after the other, before there is something wrong


def run_tasks(
    start: Start, tasks: Iterable[Any], number: int, engine: Engine | None = None, retry: bool = True
) -> Generator[Message, None, None]:
    """Runs tasks in workers that are set up once, and yields what they report, as it comes.

    A task that crashes its worker is lost alone: another worker takes the next task. Closing the generator, or an
    exception such as Ctrl-C in it, ends all workers.

    Args:
        start: Called once in each worker; returns the function that runs a task there. Pickled, as are the tasks.
        tasks: Each is taken as soon as a worker is free, in order. None among them says that there is no task now, but
            may be one after the next message.
        number: Number of workers, at most.
        engine: Where they run; None is processes of this machine.
        retry: Run a task again that ended its worker (see the module). It tells again what it has told before, which is
            left out, so it should tell the same.

    Raises:
        WorkerError: No worker could start.
        Exception: Whatever `start` raises in a worker.
    """
    crew = (engine or LocalEngine()).crew(start)
    scheduler = _Scheduler(crew, iter(tasks), number, retry)
    ended = False
    try:
        yield from scheduler.messages()
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


@dataclass
class _Given:
    """A task on its way.

    Attributes:
        crashes, lost: How often it ended its worker, and how often that was ended by something else.
        passed: How much of what it told was passed on, by all attempts.
        told: How much it has told in this one.
    """

    idx: int
    task: Any
    crashes: int = 0
    lost: int = 0
    passed: int = 0
    told: int = 0


class _Scheduler:
    """The tasks of `run_tasks`, and who has them."""

    def __init__(self, crew: Crew, tasks: Iterator[Any], number: int, retry: bool):
        self._crew = crew
        self._tasks = tasks
        self._count = 0  # of those taken from it
        self._exhausted = False
        self._wanted = self._number = number
        self._max_crashes, self._max_lost = (MAX_CRASHES, MAX_LOST) if retry else (1, 1)
        self._waiting = deque[_Given]()
        self._starting = set[Handle]()
        self._free = set[Handle]()
        self._busy: dict[Handle, deque[_Given]] = {}
        self._failed_starts = 0  # without one that succeeded

    def messages(self) -> Iterator[Message]:
        """Runs all tasks."""
        self._feed()
        while self._busy or self._waiting or not self._exhausted:
            assert self._busy or self._starting, "no task is running, and none is given"
            heard = [message for worker, event in self._crew.wait() for message in self._hear(worker, event)]
            self._feed()  # before the messages are used, so that the workers need not wait
            yield from heard
            self._feed()  # the messages may have led to new tasks

    def _feed(self) -> None:
        """Gives tasks to free workers, and starts workers for the rest."""
        while self._free and self._look_ahead(1):
            worker = self._free.pop()
            batch = self._batch()
            self._busy[worker] = deque(batch)
            self._crew.give(worker, [given.task for given in batch])
        while self._hired() < self._number and self._look_ahead(len(self._starting) + 1):
            self._starting.add(self._crew.hire())

    def _hired(self) -> int:
        return len(self._starting) + len(self._free) + len(self._busy)

    def _look_ahead(self, number: int) -> bool:
        """Whether so many tasks wait for a worker."""
        while len(self._waiting) < number and not self._exhausted:
            try:
                task = next(self._tasks)
            except StopIteration:
                self._exhausted = True
                break
            if task is None:
                break
            self._waiting.append(_Given(self._count, task))
            self._count += 1
        return len(self._waiting) >= number

    def _batch(self) -> list[_Given]:
        """The next tasks for one worker; one that has lost a worker comes alone, as it may be the cause."""
        size = self._crew.batch()
        self._look_ahead(size)
        batch = [self._waiting.popleft()]
        while self._waiting and len(batch) < size and not batch[0].lost and not self._waiting[0].lost:
            batch.append(self._waiting.popleft())
        for given in batch:
            given.told = 0
        return batch

    def _hear(self, worker: Handle, event: Event) -> list[Message]:
        given = self._busy.get(worker, deque[_Given]())
        match event.kind:
            case "refused":
                raise event.value
            case "told":
                return self._told(given[0] if given else None, event.value)
            case "ready":
                self._starting.discard(worker)
                self._failed_starts, self._number = 0, self._wanted
                self._free.add(worker)
            case "free":  # what it has not begun is for others
                self._release(worker)
            case "done" | "failed":
                ended = given.popleft()
                if not given:
                    self._release(worker)
                return [Message(ended.idx, event.kind, event.value, ended.task)]
            case "crashed" | "lost":
                return self._ended(worker, given, event)
        return []

    def _told(self, given: _Given | None, value: Any) -> list[Message]:
        if given is None:
            return [Message(None, "told", value)]
        given.told += 1
        if given.told <= given.passed:
            return []
        given.passed += 1
        return [Message(given.idx, "told", value, given.task)]

    def _release(self, worker: Handle) -> None:
        self._waiting.extendleft(reversed(self._busy.pop(worker, ())))
        self._free.add(worker)

    def _ended(self, worker: Handle, given: deque[_Given], event: Event) -> list[Message]:
        """A worker has ended, or the process in which it runs a task."""
        suspects = list(given)[: 1 if worker.alive else None]  # of a batch, nobody knows which one was running
        for suspect in suspects:
            given.popleft()
            suspect.lost += event.kind == "lost"
            suspect.crashes += event.kind == "crashed"
        self._waiting.extendleft(reversed(given))
        self._busy.pop(worker, None)
        self._free.discard(worker)
        starting = worker in self._starting
        (self._starting.add if worker.alive else self._starting.discard)(worker)
        if starting:
            self._failed_starts += 1
            if self._failed_starts >= MAX_STARTS:
                self._number = self._hired()  # the next one could not start either
                if not self._number:
                    raise WorkerError(
                        f"the worker processes end while they start ({event.value}): run fewer at once, or one job; a "
                        'script that starts them needs `if __name__ == "__main__":`'
                    )
        return [message for suspect in reversed(suspects) for message in self._again(suspect, event.value)]

    def _again(self, given: _Given, how: str) -> list[Message]:
        """Lets a task run again that was running when its worker ended; or reports it, if that is once too often."""
        if given.crashes < self._max_crashes and given.lost < self._max_lost:
            self._waiting.appendleft(given)
            return []
        times = max(given.crashes, given.lost)
        return [Message(given.idx, "crashed", f"{how}, {times} times" if times > 1 else how, given.task)]
