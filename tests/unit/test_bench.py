"""The benchmark: what it calls slower, and that a run prints, saves and compares itself. No timing is tested."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests/golden/faces.mp4"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The benchmark's modules, which are no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))
    names = ("compare", "machine", "measure", "results")
    return SimpleNamespace(**{name: import_module(f"benchmarks.bench.{name}") for name in names})


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.bench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("unit", "old", "new", "found"),
    [
        ("s", [1.0, 1.01, 1.02], [1.2, 1.21, 1.22], "worse"),
        ("s", [1.2, 1.21, 1.22], [1.0, 1.01, 1.02], "better"),
        ("x real time", [10, 10.1], [8, 8.1], "worse"),
        ("clips/s", [8, 8.1], [10, 10.1], "better"),
        ("s", [1.0, 1.01, 1.02], [1.07, 1.08, 1.09], "neither"),  # less than 10 %
        (
            "s",
            [1.0, 1.0, 1.5],
            [1.0, 1.3, 1.5],
            "neither",
        ),  # the fastest run is as fast as before: others ran beside it
        ("s", [1.0, 2.0, 3.0], [1.5, 2.6, 3.6], "neither"),  # less than the spread of the runs
        ("MB", [100.0], [111.0], "worse"),
        ("MB", [100.0], [109.0], "neither"),
    ],
)
def test_a_row_is_slower_if_it_changed_by_more_than_noise(
    bench: SimpleNamespace, unit: str, old: list[float], new: list[float], found: str
):
    def row(samples: list[float]) -> object:
        return bench.measure.Row("group", "name", unit, samples)

    worse, better = bench.compare.compare([row(old)], [row(new)])
    assert (len(worse), len(better)) == {"worse": (1, 0), "better": (0, 1), "neither": (0, 0)}[found]


def test_rows_are_compared_by_name_and_the_worst_comes_first(bench: SimpleNamespace):
    def rows(**seconds: float) -> list[object]:
        return [bench.measure.Row("group", name, "s", [value]) for name, value in seconds.items()]

    old, new = rows(gone=1, little=1, much=1, same=1), rows(much=3, new=9, little=2, same=1)
    worse, better = bench.compare.compare(old, new)
    assert [change.row.name for change in worse] == ["much", "little"] and not better
    text = bench.compare.describe(old, new, "yesterday")
    assert "yesterday, 3 rows in both: 2 slower" in text
    assert "slower  group: much: 1 -> 3 s (3.00 times)" in text and "gone" not in text


def test_a_row_is_the_same_after_saving(bench: SimpleNamespace, tmp_path: Path):
    row = bench.measure.Row("group", "name", "s", [3.0, 1.0, 2.0], 0.5, 0.5, "nothing")
    assert (row.median, row.best, row.times_limit) == (2, 1, 2)
    machine = {"processor": "one", "cores": 2, "memory_gb": 8}
    result = bench.results.Result("2026-01-02T03:04:05+00:00", machine, {"clips": "some"}, ["a line"], [row])
    result.save(tmp_path / "results.json")
    assert bench.results.Result.read(tmp_path / "results.json") == result
    history = tmp_path / "history"
    (history / "99999999.json").write_text("no result")
    assert bench.results.newest(history, machine, "some") == history / "20260102T030405+0000.json"
    assert bench.results.newest(history, machine, "others") is None
    assert bench.results.newest(history, machine | {"cores": 4}, "some") is None


def test_multiply_adds_are_counted_from_the_graph(bench: SimpleNamespace, tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    helper, numbers = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(0)
    image, kernel, matrix = (rng.random(shape, np.float32) for shape in ((1, 3, 8, 8), (5, 3, 3, 3), (6, 7)))
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["maps"]),  # (1, 5, 6, 6)
        helper.make_node("MatMul", ["maps", "matrix"], ["out"]),  # (1, 5, 6, 7)
    ]
    inputs = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, image.shape)]
    outputs = [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, (1, 5, 6, 7))]
    weights = [numbers.from_array(kernel, "kernel"), numbers.from_array(matrix, "matrix")]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "graph.onnx")
    counted = bench.machine.multiply_adds(tmp_path / "graph.onnx", {"image": image}, tmp_path)
    assert counted == 5 * 6 * 6 * 27 + 5 * 6 * 7 * 6


@pytest.mark.slow
def test_a_second_run_compares_itself_with_the_first(tmp_path: Path):
    given = ("--quick", "--clip", str(CLIP), "--json", str(tmp_path / "results.json"), "--only", "size")
    first, second = run(*given), run(*given)
    assert "nothing to compare with" in first
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert f"{len(rows)} rows in both: 0 slower or larger, 0 faster or smaller" in second
    assert {"lipscribe", "numpy", "onnxruntime"} <= {row["name"] for row in rows}
    assert not {"torch", "matplotlib"} & {row["name"] for row in rows}


@pytest.mark.slow
def test_every_station_has_its_limit(tmp_path: Path):
    saved = tmp_path / "results.json"
    printed = run("--quick", "--clip", str(CLIP), "--json", str(saved), "--only", "stations")
    rows = json.loads(saved.read_text())["rows"]
    assert [row["name"] for row in rows][-1] == "whole" and len(rows) == 7
    assert all(row["limit"] > 0 and row["limit_is"] in printed for row in rows)
    assert sum(row["limit"] for row in rows[:-1]) == pytest.approx(rows[-1]["limit"])
