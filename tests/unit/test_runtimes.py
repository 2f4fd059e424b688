"""Which runtime reads a model, and what a user is told where it cannot."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lipscribe import runtimes
from lipscribe.errors import CheckpointError, ConfigError, MissingExtraError
from lipscribe.models.spec import load_spec
from lipscribe.pipeline import load_model
from lipscribe.runtimes import load_runtime
from lipscribe.zoo.registry import find_model


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_model("talkers"), tmp_path / "talkers"))


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Makes packages seem not to be installed."""

    def hide(*names: str) -> None:
        original = runtimes.find_spec
        monkeypatch.setattr(runtimes, "find_spec", lambda name: None if name in names else original(name))

    return hide


@pytest.mark.parametrize("name", ["grid", "talkers"])
def test_bundled_models_take_onnx_runtime(name: str):
    model = load_model(name)
    assert (model.runtime.name, model.runtime.device, model.runtime.precision) == ("onnx", "cpu", "float32")
    assert repr(model) == f"<Model {name}: onnx on cpu, float32>"
    with pytest.raises(ConfigError, match=f"model {name} is computed by onnx, and torch is wanted here: .*runtime="):
        _ = model.reader


def test_bundled_models_are_small():
    folder = find_model("grid").parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 16e6


def test_without_graphs_or_with_a_precision_it_is_torch(copied: Path):
    pytest.importorskip("torch")
    assert load_model(copied, precision="bfloat16").runtime.name == "torch"
    assert load_model(copied, runtime="torch").runtime.name == "torch"
    (copied / "encoder.onnx").unlink()
    assert load_model(copied).runtime.name == "torch"
    with pytest.raises(CheckpointError, match="has no ONNX graphs: write them with `lipscribe export"):
        load_model(copied, runtime="onnx")


def test_without_onnx_runtime_it_is_torch(copied: Path, without):
    pytest.importorskip("torch")
    without("onnxruntime")
    assert load_model(copied).runtime.name == "torch"


def test_without_torch_the_remedy_is_told(copied: Path, without):
    without("torch")
    assert load_model(copied).runtime.name == "onnx"
    spec = load_spec(copied)
    with pytest.raises(MissingExtraError, match=r"needs torch, since device and precision are of torch: run `pip in"):
        load_runtime(copied, spec, precision="int8")
    with pytest.raises(MissingExtraError, match=r"needs torch, since device and precision are of torch: run `pip in"):
        load_runtime(copied, spec, device="cuda")
    (copied / "ctc.onnx").unlink()
    with pytest.raises(MissingExtraError, match=r"no ONNX graphs: run `pip install 'lipscribe\[train\]'`, or export"):
        load_runtime(copied, spec)


def test_wishes_that_contradict_each_other(copied: Path):
    spec = load_spec(copied)
    with pytest.raises(ConfigError, match="runtime is 'tpu', wanted one of auto, onnx, torch"):
        load_runtime(copied, spec, runtime="tpu")
    with pytest.raises(ConfigError, match="device cuda with precision float32 is not for ONNX Runtime"):
        load_runtime(copied, spec, device="cuda", runtime="onnx")
    weights = (copied / "model.safetensors").read_bytes()
    for damaged in (b"", weights[:1000], weights[:-1], b"\xff" * 100):
        (copied / "model.safetensors").write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged .*: copy or train the model again"):
            load_runtime(copied, spec)
    (copied / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors: copy or train the model again"):
        load_runtime(copied, spec)
    pytest.importorskip("torch")
    with pytest.raises(CheckpointError, match="has ONNX graphs only, which torch does not read"):
        load_runtime(copied, replace(spec), runtime="torch")


def test_new_weights_leave_no_old_graphs(copied: Path):
    pytest.importorskip("torch")
    from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

    spec, reader = load_checkpoint(copied)
    save_checkpoint(copied, spec, reader.state_dict())
    assert load_model(copied).runtime.name == "torch"
