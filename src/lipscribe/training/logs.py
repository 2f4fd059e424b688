"""The log of a run: a CSV file, and TensorBoard where that is installed; and lines within long epochs."""

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.training.fabric import Logger, TensorBoardLogger
from lipscribe.units import Seconds

METRICS_FILE = "metrics.csv"
LINE_EVERY: Seconds = 60.0


def tensorboard(output: Path, say: Callable[[str], None]) -> list[Logger]:
    """The TensorBoard logger of a run; none without TensorBoard, which `say` reports."""
    try:
        return [TensorBoardLogger(output, name="logs", version="tensorboard")]
    except ModuleNotFoundError:
        say(f"no TensorBoard logs (pip install tensorboard to have them); metrics go to {METRICS_FILE}")
        return []


def log_row(output: Path, epoch: int, metrics: dict[str, float]) -> None:
    """Adds an epoch's row to the run's `metrics.csv`; a cell is empty where its metric was not measured.

    Rows of this epoch and of later ones, left behind by a run that was interrupted, are replaced. (Lightning's own
    CSVLogger deletes the file when a run is resumed.)
    """
    path = output / METRICS_FILE
    rows = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
    rows.append({"epoch": epoch, **metrics})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class EpochLines:
    """Says about once a minute how far an epoch is; of an epoch that takes less, nothing.

    Args:
        say: Called with each line.
        epoch: Its number, from 0.
        first, total: The steps that are done already, and all.
    """

    def __init__(self, say: Callable[[str], None], epoch: int, first: int, total: int):
        self._say, self._epoch, self._first, self._total = say, epoch, first, total
        self._began = self._said = time.monotonic()

    def add(self, done: int, loss: Callable[[], float]) -> None:
        """Called after each step.

        Args:
            done: Steps of the epoch so far.
            loss: Gives their mean; called where a line is due, since a look at it makes the CPU wait for a GPU.
        """
        now = time.monotonic()
        if now - self._said < LINE_EVERY or done == self._total:
            return
        self._said = now
        left = (now - self._began) / (done - self._first) * (self._total - done)
        self._say(
            f"epoch {self._epoch + 1:3d}  {done} of {self._total} steps ({done / self._total:.0%})  "
            f"train_loss {loss():.4g}  {left / 60:.1f} min left of the epoch"
        )
