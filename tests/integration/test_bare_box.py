"""Training on a machine where only torch, numpy, Lightning and what these bring along are installed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipscribe.data.shards import read_shard, write_shard

ABSENT = "ai_edge_litert,av,cv2,typer,rich,pydantic,safetensors,webdataset,matplotlib,jiwer,keras,scipy,tensorboard"

# Lightning asks the installed packages' records before it imports one, so these have to be hidden too.
BARE_BOX = """
import importlib.metadata, runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

def from_name(name):
    if name in absent:
        raise importlib.metadata.PackageNotFoundError(name)
    return original(name)

absent = sys.argv[1].split(",")
sys.meta_path.insert(0, Absent())
original, importlib.metadata.Distribution.from_name = importlib.metadata.Distribution.from_name, from_name
sys.argv[:] = ["train", *sys.argv[2:]]
runpy.run_module("lipscribe.training", run_name="__main__")
"""


def train_on_bare_box(config: dict[str, Any], folder: Path, absent: str = ABSENT) -> subprocess.CompletedProcess:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return subprocess.run([sys.executable, "-c", BARE_BOX, absent, path], capture_output=True, text=True, cwd=folder)


@pytest.fixture
def compact(prepared: Path, tmp_path: Path) -> Path:
    for name in ("train-000000.tar", "dev-000000.tar"):
        write_shard(tmp_path / name, read_shard(prepared / name), "compact")
    return tmp_path


@pytest.mark.slow
def test_lossless_shards_need_nothing_else(toy_settings: Callable[..., dict[str, Any]], tmp_path: Path):
    done = train_on_bare_box(toy_settings(tmp_path / "run", optim={"epochs": 1}), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'run' / 'last'}\n"
    assert "no TensorBoard logs (pip install tensorboard to have them)" in done.stderr
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()


@pytest.mark.slow
def test_compact_shards_need_cv2_or_av(toy_settings: Callable[..., dict[str, Any]], compact: Path):
    config = toy_settings(compact / "run", data={"folder": str(compact)}, optim={"epochs": 1})
    done = train_on_bare_box(config, compact)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: compact shards hold video: pip install av (or opencv-python-headless)"
    )
    done = train_on_bare_box(config, compact, ABSENT.replace(",cv2", ""))
    assert done.returncode == 0, done.stderr


def test_without_fabric_the_remedy_is_one_line(toy_settings: Callable[..., dict[str, Any]], tmp_path: Path):
    done = train_on_bare_box(toy_settings(tmp_path / "run"), tmp_path, f"{ABSENT},lightning_fabric")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: training needs Lightning Fabric: pip install 'lipscribe[train]'\n"
