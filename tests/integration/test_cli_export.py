"""`lipscribe export`: a model that is read without torch from then on."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("onnxscript", reason="needs lipscribe[export]")

from lipscribe.cli.app import app
from lipscribe.pipeline import load_model
from lipscribe.talker import Talker
from lipscribe.zoo.registry import find_model


def export(*arguments: str | Path):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as `train` leaves it, without graphs."""
    folder = Path(shutil.copytree(find_model("talkers"), tmp_path_factory.mktemp("runs") / "mine"))
    for graph in folder.glob("*.onnx"):
        graph.unlink()
    return folder


@pytest.mark.slow
def test_a_trained_model_gets_its_graphs_and_a_report(trained: Path):
    assert load_model(trained).runtime.name == "torch"
    before = (trained / "model.safetensors").read_bytes()
    done = export(trained)
    assert done.exit_code == 0, done.output
    assert "same words in 3 of 3 clips" in done.stdout
    assert "largest difference of a log-probability: " in done.stdout
    assert (trained / "model.safetensors").read_bytes() == before
    assert sum(path.stat().st_size for path in trained.glob("*.onnx")) < 200_000  # the weights are on disk once
    model = load_model(trained)
    assert model.runtime.name == "onnx"
    assert model.transcribe(Talker(7).say("place red at l seven please").frames).text == "place red at l seven please"


@pytest.mark.slow
def test_int8_is_smaller_and_needs_nothing_else(trained: Path, tmp_path: Path):
    done = export(trained, "--int8", "-o", tmp_path / "small")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "small" / "model.safetensors").exists()
    size = sum(path.stat().st_size for path in (tmp_path / "small").iterdir())
    assert size < 0.75 * (trained / "model.safetensors").stat().st_size
    model = load_model(tmp_path / "small")
    assert (model.runtime.name, model.runtime.precision) == ("onnx", "int8")
    assert model.transcribe(Talker(7).say("place red at l seven please").frames).text == "place red at l seven please"
    listed = CliRunner().invoke(app, ["models", "--json"])
    assert {row["runtime"] for row in json.loads(listed.stdout)} >= {"onnx", "torch"}


def test_what_cannot_be_is_one_line(trained: Path, tmp_path: Path):
    for arguments, message in (
        (("nobody",), "error: no model 'nobody': give one of "),
        ((trained, "--int8"), "error: an int8 model has other weights: give --output FOLDER"),
        ((trained, "-o", tmp_path), f"error: {tmp_path} exists: give another --output, or delete it first"),
        ((trained, "--clips", tmp_path), "error: "),
    ):
        done = export(*arguments)
        assert done.exit_code == 2, done.output
        assert done.stderr.startswith(message), done.stderr
        assert done.stderr.count("\n") == 1
