"""What the scheduler needs of an engine, and what callers hear from it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from lipscribe.errors import LipscribeError

Tell: TypeAlias = Callable[[Any], None]
"""Sends something to the process that started the worker; it must be picklable."""

Start: TypeAlias = Callable[[Tell], Callable[[Any], Any]]
"""Called once in each worker; returns the function that runs a task there."""


class Message(NamedTuple):
    """What a worker reports.

    Attributes:
        idx: Index of the task; None while the worker starts.
        kind: "told" (in the middle of a task), "done", "failed" or "crashed": the last three end the task.
        value: What was told, the task's outcome, the exception that it raised, or how its process ended.
        task: The task itself.
    """

    idx: int | None
    kind: Literal["told", "done", "failed", "crashed"]
    value: Any
    task: Any = None

    @property
    def ends(self) -> bool:
        """Whether the task has ended."""
        return self.kind != "told"


class WorkerError(LipscribeError):
    """Workers end before their first task, or cannot be had."""


class Event(NamedTuple):
    """What a worker sends to the scheduler.

    Attributes:
        kind: "ready" once; "refused" (with the exception) if it cannot start; "told"; "done" or "failed", which end the
            first of its tasks; "crashed", when that task ended its process; "lost", when the worker was ended by
            something else, or lost with its machine; "free", when it hands back the tasks that it has not begun.
        value: See `Message`.
    """

    kind: Literal["ready", "refused", "told", "done", "failed", "crashed", "lost", "free"]
    value: Any = None


class Handle(Protocol):
    """A worker, as the scheduler knows it."""

    @property
    def alive(self) -> bool:
        """Whether it sends "ready" again after "crashed" or "lost"."""
        ...


class Crew(Protocol):
    """Workers that are set up alike."""

    def hire(self) -> Handle:
        """Starts a worker; it sends "ready" or "refused"."""
        ...

    def batch(self) -> int:
        """How many tasks to give to a worker at once."""
        ...

    def give(self, worker: Any, tasks: Sequence[Any]) -> None:
        """Gives tasks to a worker that has none."""
        ...

    def wait(self) -> Iterable[tuple[Handle, Event]]:
        """Waits until workers have sent something, and returns it."""
        ...

    def dismiss(self, at_once: bool) -> None:
        """Ends all workers; `at_once` stops their tasks."""
        ...


class Engine(Protocol):
    """Where workers run."""

    def number(self, wanted: int | None) -> int:
        """The number of workers: the one wanted, or one for each processor."""
        ...

    def crew(self, start: Start) -> Crew:
        """Workers that are set up by `start`; none runs yet."""
        ...
