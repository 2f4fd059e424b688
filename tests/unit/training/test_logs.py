"""The metrics file of a run, which a resumed run goes on writing."""

import csv
from pathlib import Path

import pytest

from lipscribe.training import logs
from lipscribe.training.fabric import TensorBoardLogger
from lipscribe.training.logs import METRICS_FILE, EpochLines, log_row, tensorboard


def rows(output: Path) -> list[dict[str, str]]:
    with (output / METRICS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_may_have_more_columns_than_those_before(tmp_path: Path):
    log_row(tmp_path, 1, {"loss": 0.5})
    log_row(tmp_path, 2, {"loss": 0.25, "dev_wer": 1.0})
    log_row(tmp_path, 3, {"loss": 0.125})
    assert rows(tmp_path) == [
        {"epoch": "1", "loss": "0.5", "dev_wer": ""},
        {"epoch": "2", "loss": "0.25", "dev_wer": "1.0"},
        {"epoch": "3", "loss": "0.125", "dev_wer": ""},
    ]
    assert [path.name for path in tmp_path.iterdir()] == [METRICS_FILE]


def test_an_epoch_that_is_done_again_replaces_its_row_and_those_after(tmp_path: Path):
    for epoch in (1, 2, 3):
        log_row(tmp_path, epoch, {"loss": float(epoch)})
    log_row(tmp_path, 2, {"loss": 9.0})
    assert [(row["epoch"], row["loss"]) for row in rows(tmp_path)] == [("1", "1.0"), ("2", "9.0")]


def test_without_tensorboard_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(f"{TensorBoardLogger.__module__}.{name}", False)
    assert tensorboard(tmp_path, said.append) == []
    assert "pip install tensorboard" in said[0]


def test_a_long_epoch_has_a_line_a_minute(monkeypatch: pytest.MonkeyPatch):
    clock = iter([100.0, 130.0, 161.0, 200.0, 250.0])  # at its begin, and after each step
    monkeypatch.setattr(logs.time, "monotonic", lambda: next(clock))
    said: list[str] = []
    lines = EpochLines(said.append, epoch=2, first=4, total=8)
    for done in (5, 6, 7, 8):
        lines.add(done, lambda done=done: done / 2)
    assert said == ["epoch   3  6 of 8 steps (75%)  train_loss 3  1.0 min left of the epoch"]
