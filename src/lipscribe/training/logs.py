"""The log of a run: a CSV file, and TensorBoard where that is installed."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.training.fabric import Logger, TensorBoardLogger

METRICS_FILE = "metrics.csv"


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
