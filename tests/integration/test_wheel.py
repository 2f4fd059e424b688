"""The built wheel is complete: it reads where there is nothing of the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel: make setup")

READ = """
import lipscribe, pathlib
from lipscribe.talker import Talker
assert pathlib.Path(lipscribe.__file__).is_relative_to(pathlib.Path.cwd() / "wheel"), lipscribe.__file__
clip = Talker(seed=7).say("place red at l seven please")
print(lipscribe.transcribe(clip.frames, "talkers").text)
print(lipscribe.load_model().name)
from lipscribe.training.config import load_config
print(load_config("few-clips").start_from)
"""


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repo)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_has_the_data(wheel: Path, repo: Path) -> None:
    assets = repo / "src" / "lipscribe" / "assets"
    wanted = {f"lipscribe/assets/{path.relative_to(assets).as_posix()}" for path in assets.rglob("*.*")}
    assert len(wanted) > 10
    assert "lipscribe/assets/configs/few-clips.yaml" in wanted
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_the_wheel_reads_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "wheel"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "place red at l seven please\ngrid\ntalkers\n"
