"""Rows of a benchmark, and works measured in turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MORE_IS_BETTER = ("x real time", "clips/s")  # of the units; of the others less is better


@dataclass
class Row:
    """One figure.

    Attributes:
        group: Table that it belongs to.
        name: What was measured; together with `group` it identifies the row in another run.
        unit: "s", "ms", "MB", "x real time" or "clips/s".
        samples: At least one.
        cpu: Seconds of processor time of all threads, the median; None where it was not measured.
        limit: The best value that this machine could reach, in the same unit; None where none is known.
        limit_is: What the limit is.
    """

    group: str
    name: str
    unit: str
    samples: list[float]
    cpu: float | None = None
    limit: float | None = None
    limit_is: str = ""

    @property
    def median(self) -> float:
        """Median of the samples."""
        return statistics.median(self.samples)

    @property
    def best(self) -> float:
        """Best sample: other programs on the machine disturb it least."""
        return (max if self.unit in MORE_IS_BETTER else min)(self.samples)

    @property
    def spread(self) -> float:
        """Distance of the quartiles; of two or three samples their range, of one 0."""
        if len(self.samples) < 4:
            return max(self.samples) - min(self.samples)
        low, _, high = statistics.quantiles(self.samples, n=4)
        return high - low

    @property
    def times_limit(self) -> float | None:
        """How many times the limit the best sample is, since limits are best samples too; 1 is perfect."""
        if not self.limit or not self.best:
            return None
        return self.limit / self.best if self.unit in MORE_IS_BETTER else self.best / self.limit

    def to_json(self) -> dict[str, Any]:
        """The row as plain data, with its median and best sample for readers of the file."""
        return asdict(self) | {"median": self.median, "best": self.best}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Row":
        """The row that `to_json` wrote."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass
class Times:
    """Seconds of each run of a work: on the clock, and of processors."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, group: str, name: str, limit: float | None = None, limit_is: str = "") -> Row:
        """These times as a row."""
        return Row(group, name, "s", self.wall, statistics.median(self.cpu), limit, limit_is)


def in_turn(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Measures works in turn, so that all of them meet the same disturbances; each runs once before that."""
    times = {name: Times() for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            busy, started = time.process_time(), time.perf_counter()
            work()
            times[name].wall.append(time.perf_counter() - started)
            times[name].cpu.append(time.process_time() - busy)
    return times


def fastest(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the fastest run: what limits are measured by."""
    return min(in_turn({"": work}, rounds)[""].wall)


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of a single run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
