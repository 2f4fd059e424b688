"""A run beside an earlier one: what got slower, what got faster."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.bench.measure import MORE_IS_BETTER, Row

TOLERANCE = 0.10  # share by which a row may differ


class Change(NamedTuple):
    """A row that differs by more than noise.

    Attributes:
        row: The new one.
        before: The old median.
        times: How many times as good as before: below 1 it got worse, whatever the unit.
    """

    row: Row
    before: float
    times: float

    def __str__(self) -> str:
        return f"{self.row.group}: {self.row.name}: {self.before:.4g} -> {self.row.median:.4g} {self.row.unit}"


def compare(old: Sequence[Row], new: Sequence[Row]) -> tuple[list[Change], list[Change]]:
    """The rows that got worse, and those that got better, the most changed first.

    A row counts if its median and its best sample both changed by more than 10 %, and its median by more than the
    spread of either run: on a busy machine medians change, and the best samples do not.
    """
    before = {(row.group, row.name, row.unit): row for row in old}
    worse, better = [], []
    for row in new:
        known = before.get((row.group, row.name, row.unit))
        if known is None or abs(row.median - known.median) <= max(row.spread, known.spread):
            continue
        medians, bests = gain(known.median, row.median, row.unit), gain(known.best, row.best, row.unit)
        change = Change(row, known.median, medians)
        if max(medians, bests) < 1 / (1 + TOLERANCE):
            worse.append(change)
        elif min(medians, bests) > 1 + TOLERANCE:
            better.append(change)
    return sorted(worse, key=lambda each: each.times), sorted(better, key=lambda each: -each.times)


def gain(before: float, now: float, unit: str) -> float:
    """How many times as good a figure is as before."""
    low, high = (before, now) if unit in MORE_IS_BETTER else (now, before)
    return high / max(low, 1e-9)


def describe(old: Sequence[Row], new: Sequence[Row], when: str) -> str:
    """The comparison in words, a line for each change."""
    worse, better = compare(old, new)
    known = {(row.group, row.name, row.unit) for row in old}
    both = sum((row.group, row.name, row.unit) in known for row in new)
    lines = [f"Against {when}, {both} rows in both: {len(worse)} slower or larger, {len(better)} faster or smaller"]
    lines += [f"  slower  {change} ({1 / change.times:.2f} times)" for change in worse]
    lines += [f"  faster  {change} ({change.times:.2f} times)" for change in better]
    return "\n".join(lines)
