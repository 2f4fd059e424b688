"""Progress callbacks: the library calls them, and never draws or prints itself.

    def report(task: str, done: int, total: int | None) -> None:
        print(task, done, total)

    lipscribe.transcribe("talk.mp4", progress=report)

The command line draws progress bars (`lipscribe.cli.bars`).
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeAlias, TypeVar

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the name of the task, the items done so far and their total, None where nobody knows it."""

Item = TypeVar("Item")


def tracked(
    items: Iterable[Item], progress: Progress | None, task: str, total: int | None = None, done: int = 0
) -> Iterator[Item]:
    """Yields the items and reports each after it is processed.

    Args:
        progress: None reports nothing.
        total: None uses the length of the items, if known.
        done: Number of items already done.
    """
    if progress is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    progress(task, done, total)
    for item in items:
        yield item
        done += 1
        progress(task, done, total)
