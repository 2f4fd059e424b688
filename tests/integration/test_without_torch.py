"""Reading where torch, plots and all other extras are not installed, as after `pip install lipscribe`."""

import subprocess
import sys
from pathlib import Path

import pytest

from lipscribe.talker import Talker

ABSENT = "torch,lightning_fabric,safetensors,matplotlib,yaml,PIL,onnx,onnxscript,tensorboard,scipy"
RUN = """
import runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = sys.argv[1].split(",")
sys.meta_path.insert(0, Absent())
sys.argv[:] = ["lipscribe", *sys.argv[2:]]
runpy.run_module("lipscribe", run_name="__main__")
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    Talker(seed=7).say("place red at l seven please").save(path)
    return path


def lipscribe(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, ABSENT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.mark.slow
def test_it_reads_and_shows(clip: Path, tmp_path: Path):
    done = lipscribe("transcribe", clip, "--model", "talkers", "--format", "all", "-o", "results", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "clip.txt").read_text() == "place red at l seven please\n"
    done = lipscribe("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "every word right" in done.stdout
    assert (tmp_path / "demo" / "words-and-mouths.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("search", ["greedy", "beam", "grammar", "attention", "joint"])
def test_every_search_speaks_numpy(search: str, clip: Path, tmp_path: Path):
    done = lipscribe("transcribe", clip, "--search", search, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "few-clips"), "which is not installed: run `pip install 'lipscribe[train]'`"),
        (("explain", "CLIP"), "this needs torch, which is not installed: run `pip install 'lipscribe[train]'`"),
        (("inspect", "CLIP", "--output", "report"), "run `pip install 'lipscribe[plots]'`"),
        (("export", "talkers", "-o", "out"), "run `pip install 'lipscribe["),
        (("transcribe", "CLIP", "--precision", "int8"), "run `pip install 'lipscribe[train]'`"),
        (("transcribe", "CLIP", "--device", "cuda"), "run `pip install 'lipscribe[train]'`"),
        (("models", "import", "CLIP", "--name", "x"), "run `pip install 'lipscribe[train]'`"),
    ],
)
def test_what_is_absent_is_one_line_with_the_remedy(arguments: tuple[str, ...], message: str, clip: Path, tmp_path):
    done = lipscribe(*(clip if each == "CLIP" else each for each in arguments), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_listings_need_nothing(tmp_path: Path):
    for arguments in (("models",), ("--help",), ("transcribe", "--help"), ("--version",)):
        done = lipscribe(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
