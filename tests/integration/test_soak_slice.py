"""Some seconds of the load harnesses: no answer is lost or wrong, and nothing is left. Times are `make soak`'s."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs httpx: make setup")
pytest.importorskip("matplotlib", reason="needs matplotlib: make setup")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def harness(folder: Path, name: str, *arguments: str) -> dict[str, Any]:
    """What `python -m trust.NAME` found; its exit code is of times too, which no test judges."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", f"trust.{name}", *arguments]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    result = folder / f"trust-results/{name}.json"
    assert result.is_file(), done.stdout + done.stderr
    return json.loads(result.read_text())


def test_twice_its_capacity(tmp_path: Path):
    found = harness(tmp_path, "soak", "--minutes", "0.2", "--queue", "2", "--workers", "1", "--clips", "2")
    assert found["read_right"] == found["read"] > 0
    assert found["refused"] > 0 and found["other"] == 0
    assert found["left"] == []
    assert not [fault for fault in found["faults"] if "log" in fault or "while fewer" in fault or "Retry" in fault]
