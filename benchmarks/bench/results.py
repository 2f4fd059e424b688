"""A run on disk: JSON, the latest one and all earlier ones; and its tables."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import machine
from benchmarks.bench.measure import Row

COLUMNS = ("median", "best", "runs", "CPU s", "limit", "best / limit", "the limit is")


@dataclass
class Result:
    """What a run found.

    Attributes:
        when: Its begin, in UTC.
        machine: See `machine.facts`.
        settings: Videos, rounds, the load before and after, the machine's rates.
        skipped: What was not measured, and why.
        rows: The figures.
    """

    when: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    skipped: list[str]
    rows: list[Row]

    def save(self, path: Path) -> None:
        """Writes the file, and a copy among the earlier runs beside it (`history/`)."""
        text = json.dumps({**vars(self), "rows": [row.to_json() for row in self.rows]}, indent=1)
        stamp = self.when.replace(":", "").replace("-", "")
        for target in (path, path.parent / "history" / f"{stamp}.json"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Reads a saved run; ends with a line where the file is none."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**data, "rows": [Row.from_json(row) for row in data["rows"]]})
        except (OSError, ValueError, TypeError, KeyError) as error:
            sys.exit(f"{path} is no result of make bench ({error!r}): give a file that --json wrote")


def newest(folder: Path, facts: dict[str, Any], clips: str) -> Path | None:
    """The newest earlier run on the same machine and the same videos; files that are no runs are passed over."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            same = machine.identity(data["machine"]) == machine.identity(facts) and data["settings"]["clips"] == clips
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if same:
            return path
    return None


def tables(rows: Sequence[Row]) -> str:
    """A Markdown table for each group, in the order in which they were measured."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        found = [row for row in rows if row.group == group]
        cells = [(f"**{group}**", *COLUMNS), ("---",) * 8]
        for row in found:
            limit = "" if row.limit is None else f"{row.limit:.3g} {row.unit}"
            cpu = "" if row.cpu is None else f"{row.cpu:.3g}"
            times = "" if row.times_limit is None else f"{row.times_limit:.3g}"
            median = f"{row.median:.4g} {row.unit}"
            cells.append((row.name, median, f"{row.best:.4g}", str(len(row.samples)), cpu, limit, times, row.limit_is))
        used = [n for n in range(8) if n < 4 or any(line[n] for line in cells[2:])]
        lines += ["| " + " | ".join(line[n] for n in used) + " |" for line in cells] + [""]
    return "\n".join(lines)
