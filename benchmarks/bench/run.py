"""What all groups of rows share: the videos, the machine's rates, and the rows found so far."""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.bench import machine
from benchmarks.bench.clips import Clips
from benchmarks.bench.measure import Row

ROOT = Path(__file__).resolve().parents[2]
logger = logging.getLogger("bench")


@dataclass
class Run:
    """A run of the benchmark.

    Attributes:
        clips: The videos.
        folder: For temporary files.
        quick: Fewer rounds and shorter videos.
        minutes: Length of the long video.
        rows: What was measured so far.
        skipped: What could not be measured, and why; one line each.
    """

    clips: Clips
    folder: Path
    quick: bool
    minutes: float
    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def rounds(self, number: int) -> int:
        """Rounds of a measurement that takes `number` of them in a full run."""
        return max(number // 3, 2) if self.quick else number

    def add(self, *rows: Row) -> None:
        """Adds rows, and says so on stderr."""
        for row in rows:
            self.rows.append(row)
            print(f"  {row.group}: {row.name}: {row.median:.4g} {row.unit}", file=sys.stderr)

    def skip(self, line: str) -> None:
        """Notes what is not measured."""
        self.skipped.append(line)
        print(f"  skipped: {line}", file=sys.stderr)

    @cached_property
    def matmul_rate(self) -> float:
        """Multiply-adds a second; see `machine.matmul_rate`."""
        return machine.matmul_rate()

    @cached_property
    def copy_rate(self) -> float:
        """Bytes a second; see `machine.copy_rate`."""
        return machine.copy_rate()


def lipscribe_command() -> list[str]:
    """The command line program, as it is installed beside this Python."""
    script = Path(sys.executable).with_name("lipscribe.exe" if os.name == "nt" else "lipscribe")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "lipscribe"]


def call(*command: str) -> str:
    """Runs a program from the root of the checkout, and returns what it writes to stdout.

    Raises:
        SystemExit: It failed; its last line of stderr is the message.
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it wrote nothing to stderr"]
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {lines[-1]}")
    return done.stdout
