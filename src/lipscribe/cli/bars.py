"""Progress bars on stderr, drawn from what the library reports (`lipscribe.progress`)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lipscribe.progress import Progress


@contextmanager
def bars(shown: bool = True) -> Iterator[Progress | None]:
    """Yields a progress callback that draws a bar for each running task.

    Args:
        shown: If False, or if stderr is not a terminal, nothing is drawn and the callback is None.
    """
    if not shown or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # What is printed meanwhile goes above the bar; results only where they go to the same terminal, never from a file.
    same = sys.stdout is not None and sys.stdout.isatty()
    with Display(*columns, console=Console(stderr=True), transient=True, redirect_stdout=same) as display:
        tasks = {}

        def report(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = display.add_task(task, total=total)
            display.update(tasks[task], completed=done, total=total)
            if total is not None and done >= total:
                display.remove_task(tasks.pop(task))

        yield report


@contextmanager
def closed_after(progress: Progress | None) -> Iterator[Progress | None]:
    """Yields the same callback; at the end, the bars of tasks that did not finish are removed."""
    if progress is None:
        yield None
        return
    running: set[str] = set()

    def report(task: str, done: int, total: int | None) -> None:
        running.add(task)
        progress(task, done, total)
        if total is not None and done >= total:
            running.discard(task)

    try:
        yield report
    finally:
        for task in running:
            progress(task, 0, 0)
