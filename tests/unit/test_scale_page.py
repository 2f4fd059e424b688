"""docs/scale.md: its tables are what the scripts make of the measured rates, and their arithmetic."""

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RATES = {
    "prepare": {
        size: {
            "seconds": 10.0,
            "core_seconds_a_second": cost,
            "lossless_core_seconds_a_second": 0.01,
            "compact_core_seconds_a_second": 0.02,
            "lossless_bytes_an_hour": 2_000_000_000,
            "compact_bytes_an_hour": 100_000_000,
        }
        for size, cost in (("224x224", 0.5), ("360x288", 0.25), ("1280x720", 2.0))
    },
    "train": {"grid": {"frames_a_core_second": 100.0}, "auto-avsr": {"frames_a_core_second": 10.0}},
    "ray": {"call_ms": 0.5, "call_of_1000_workers_ms": 4.0},
}


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.scale")


def test_the_page_has_the_tables_of_the_scripts(scale: ModuleType):
    page = scale.PAGE.read_text()
    assert scale.filled(page, scale.all_tables()) == page, "run `python benchmarks/scale.py write`"


def test_a_table_that_the_page_has_no_place_for_is_an_error(scale: ModuleType):
    with pytest.raises(ValueError, match="no place"):
        scale.filled("a page", {"corpora": "| |"})


def test_the_arithmetic_of_preparing(scale: ModuleType):
    rows = cells(scale.corpora_table(RATES))
    # 433 h at 0.5 + 0.02 core seconds a second; 2 GB and 0.1 GB an hour; 43.3 GB written in 225.16 h / 1 000.
    assert rows["LRS3 (224x224)"] == ["225", "14 min", "866 GB", "43 GB", "53.4 MB/s"]
    # 100 000 h at 2 + 0.02 core seconds a second.
    assert rows["100 000 h (1280x720)"] == ["202,000", "8.4 days", "200.0 TB", "10.0 TB", "13.8 MB/s"]


def test_the_arithmetic_of_training(scale: ModuleType):
    rows = cells(scale.training_table(RATES))
    # 433 h are 39 million frames, 1.17 billion in 30 epochs; at 100 a second 3 248 hours; at F a second 324 750 / F.
    assert rows["LRS3"] == ["1.2 G", "3,248", "32,475", "324,750 / F"]


def test_the_measured_rates_are_whole():
    rates = json.loads((ROOT / "benchmarks/scale.json").read_text())
    assert set(RATES["prepare"]) == set(rates["prepare"])
    assert all(set(RATES[part]) <= set(rates[part]) for part in ("train", "ray"))


def test_where_the_rate_falls_below(scale: ModuleType):
    lives = ((None, 100.0), (1000.0, 110.0), (100.0, 150.0))
    rows = [{"lifetime": life, "seconds": seconds} for life, seconds in lives]
    found = scale.life_at(rows, 0.85)
    share = (100 / 110 - 0.85) / (100 / 110 - 100 / 150)  # of the way, on a logarithmic scale
    assert found == pytest.approx(1000 * 0.1**share)
    with pytest.raises(ValueError, match="in no row"):
        scale.life_at(rows, 0.5)


def test_the_picture(scale: ModuleType, tmp_path: Path):
    rows = [{"lifetime": lifetime, "seconds": 900.0} for lifetime in (None, 600.0, 60.0)]
    scale.draw({"sweep": {"rows": rows}}, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def cells(table: str) -> dict[str, list[str]]:
    """The rows of a table by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in rows}
