"""Who gets which task when workers crash, are killed, or cannot start: with workers that a test plays."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lipscribe.engines import Message, WorkerError, in_turn, run_tasks
from lipscribe.engines.crew import Event

Play = Callable[["Played"], list[Event]]


@dataclass(eq=False)
class Played:
    """A worker: its number, and the tasks that it was given last."""

    number: int
    tasks: list[Any] = field(default_factory=list)
    alive: bool = True


class PlayedCrew:
    """Workers that do at once what `play` says, and start as `starts` says."""

    def __init__(self, play: Play, size: int, starts: str):
        self.play, self.size = play, size
        self.starts = deque(starts)
        self.workers: list[Played] = []
        self.sent: deque[tuple[Played, list[Event]]] = deque()
        self.given: list[list[Any]] = []

    def hire(self) -> Played:
        worker = Played(len(self.workers))
        self.workers.append(worker)
        ready = not self.starts or self.starts.popleft() == "y"
        worker.alive = ready
        self.sent.append((worker, [Event("ready") if ready else Event("crashed", "exit code 3")]))
        return worker

    def batch(self) -> int:
        return self.size

    def give(self, worker: Played, tasks: Sequence[Any]) -> None:
        assert worker.alive
        worker.tasks = list(tasks)
        self.given.append(worker.tasks)
        self.sent.append((worker, self.play(worker)))

    def wait(self) -> Iterable[tuple[Played, Event]]:
        worker, events = self.sent.popleft()
        return [(worker, event) for event in events]

    def dismiss(self, at_once: bool) -> None:
        self.dismissed = at_once


class PlayedEngine:
    def __init__(self, play: Play, size: int = 1, starts: str = ""):
        self.last = PlayedCrew(play, size, starts)

    def number(self, wanted: int | None) -> int:
        return wanted or 1

    def crew(self, start: object) -> PlayedCrew:
        return self.last


def done(worker: Played) -> list[Event]:
    return [Event("done", -task) for task in worker.tasks]


def run(engine: PlayedEngine, tasks: Iterable[Any], number: int = 2, **options: bool) -> list[Message]:
    return list(run_tasks(lambda tell: abs, tasks, number, engine, **options))


def ends(messages: list[Message]) -> dict[Any, tuple[str, Any]]:
    found = [(message.task, message.kind, message.value) for message in messages if message.ends]
    assert len({task for task, *_ in found}) == len(found)  # each ends once
    return {task: (kind, value) for task, kind, value in found}


def ending_with(event: Event, tasks: set[int], times: int, alive: bool = False) -> Play:
    """Workers end in the middle of these tasks, so often."""
    left = dict.fromkeys(tasks, times)

    def play(worker: Played) -> list[Event]:
        events: list[Event] = []
        for task in worker.tasks:
            if left.get(task, 0):
                left[task] -= 1
                worker.alive = alive
                return [*events, event, *[Event("ready")] * alive]
            events.append(Event("done", -task))
        return events

    return play


CRASH, LOSS = Event("crashed", "SIGSEGV"), Event("lost", "SIGKILL")


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("alive", [False, True])
@pytest.mark.parametrize(("event", "times"), [(CRASH, 1), (LOSS, 1), (LOSS, 4)])
def test_a_task_whose_worker_ends_is_run_again(event, times, alive, size):
    engine = PlayedEngine(ending_with(event, {2, 5}, times, alive), size)
    assert ends(run(engine, range(1, 8))) == {task: ("done", -task) for task in range(1, 8)}
    assert engine.last.dismissed is False


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("alive", [False, True])
@pytest.mark.parametrize(("event", "why"), [(CRASH, "SIGSEGV, 2 times"), (LOSS, "SIGKILL, 5 times")])
def test_a_task_that_ends_its_worker_each_time_is_set_aside(event, why, alive, size):
    if event is CRASH and size > 1 and not alive:
        pytest.skip("a worker that has gone does not say which of its tasks has crashed")
    engine = PlayedEngine(ending_with(event, {3}, 100, alive), size)
    assert ends(run(engine, range(1, 8))) == {
        task: ("crashed", why) if task == 3 else ("done", -task) for task in range(1, 8)
    }


def test_a_task_that_lost_its_worker_comes_alone():
    engine = PlayedEngine(ending_with(LOSS, {2}, 1), size=3)
    run(engine, range(1, 6), number=1)
    assert engine.last.given == [[1, 2, 3], [2], [3], [4, 5]]


def test_without_retry_the_first_end_counts():
    engine = PlayedEngine(ending_with(CRASH, {1}, 1))
    assert ends(run(engine, [1, 2], retry=False)) == {1: ("crashed", "SIGSEGV"), 2: ("done", -2)}


def test_what_was_told_before_a_crash_is_not_told_again():
    attempts = iter([["a", "b"], ["a", "b", "c"]])

    def play(worker: Played) -> list[Event]:
        told = [Event("told", text) for text in next(attempts)]
        worker.alive = len(told) == 3
        return [*told, Event("done", 0) if worker.alive else LOSS]

    assert [message.value for message in run(PlayedEngine(play), [7])] == ["a", "b", "c", 0]


def test_what_a_worker_hands_back_is_given_out_again():
    def play(worker: Played) -> list[Event]:
        return [Event("done", -worker.tasks[0]), Event("free")]

    engine = PlayedEngine(play, size=3)
    assert ends(run(engine, range(1, 6), number=1)) == {task: ("done", -task) for task in range(1, 6)}
    assert engine.last.given[:2] == [[1, 2, 3], [2, 3, 4]]


def test_tasks_may_depend_on_outcomes():
    packs: deque[str] = deque()

    def tasks() -> Generator[object, None, None]:
        yield from (1, 2)
        while not packs:
            yield None
        yield packs.popleft()

    engine = PlayedEngine(lambda worker: [Event("done", task) for task in worker.tasks])
    seen = []
    for message in run_tasks(lambda tell: abs, tasks(), 2, engine):
        seen.append(message.value)
        if set(seen) == {1, 2}:
            packs.append("pack")
    assert set(seen[:2]) == {1, 2}
    assert seen[2:] == ["pack"]
    assert len(engine.last.workers) == 2


def test_a_task_is_taken_only_when_a_worker_is_free():
    taken = []

    def tasks() -> Generator[int, None, None]:
        for task in range(1, 100):
            taken.append(task)
            yield task

    messages = run_tasks(lambda tell: abs, tasks(), 2, PlayedEngine(done))
    for _ in range(10):
        next(messages)
    assert len(taken) < 15
    messages.close()


def test_workers_that_end_while_they_start_are_replaced_for_a_while():
    assert ends(run(PlayedEngine(done, starts="nny"), [1, 2])) == {1: ("done", -1), 2: ("done", -2)}
    with pytest.raises(WorkerError, match=r"end while they start \(exit code 3\): run fewer at once"):
        run(PlayedEngine(done, starts="n" * 100), [1, 2])
    assert ends(run(PlayedEngine(done, starts="y" + "n" * 100), range(1, 9))).keys() == set(range(1, 9))


def test_no_task_needs_no_worker():
    engine = PlayedEngine(done)
    assert run(engine, []) == []
    assert engine.last.workers == []


def test_an_error_of_the_caller_stops_the_workers():
    engine = PlayedEngine(done)
    messages = run_tasks(lambda tell: abs, [1, 2, 3], 1, engine)
    next(messages)
    messages.close()
    assert engine.last.dismissed is True


def test_messages_come_in_the_order_of_the_tasks():
    kinds = [(1, "told"), (0, "told"), (1, "done"), (0, "done")]
    messages = (Message(idx, kind, None) for idx, kind in kinds)
    assert [(m.idx, m.kind) for m in in_turn(messages)] == [(0, "told"), (0, "done"), (1, "told"), (1, "done")]


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
