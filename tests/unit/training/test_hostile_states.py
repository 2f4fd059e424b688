"""What the fuzzer found in configs, states of trainings, weights and adaptations (trust/fuzz_files.py)."""

import json
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
yaml = pytest.importorskip("yaml")

from lipscribe.errors import CheckpointError, ConfigError  # noqa: E402
from lipscribe.models.spec import ModelSpec  # noqa: E402
from lipscribe.training.config import load_config  # noqa: E402

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        *(
            ALIASES,
            "[" * 3000,
            "a: &a [*a]",
            f"seed: {'9' * 5000}",
            "a: 2026-99-99",
            "? [a]\n: b",
            "base: " + "x" * 3000,
        ),
        *("a: !!bool maybe", "a: !!int ''", "a: !!timestamp now"),
    ],
    ids=["aliases", "deep", "itself", "huge", "date", "key", "name", "no bool", "no int", "no time"],
)
def test_configs_that_no_one_means_are_one_line(tmp_path: Path, text: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert "\n" not in str(error.value)


def test_an_anchor_is_fine(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: few-clips\nseed: &n 7\noptim:\n  epochs: *n\n")
    assert load_config(path).optim.epochs == 7


@pytest.mark.parametrize(
    "state", [{"epoch": math.nan}, {"epoch": "x"}, {"best": math.nan}, {"epoch": -1}, {"step": [1]}], ids=range(5)
)
def test_states_at_no_place_are_refused(tmp_path: Path, state: dict):
    pytest.importorskip("lightning_fabric")
    from lipscribe.training.checkpoints import Checkpoints
    from lipscribe.training.fabric import Fabric

    layer = torch.nn.Linear(2, 2)
    saved = {"epoch": 1, "step": 0, "best": 0.5, "model": layer.state_dict(), **state}
    torch.save(saved, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        Checkpoints(Fabric(accelerator="cpu", devices=1), tmp_path, {"model": layer}, sharded=False).load()


def test_a_state_that_is_no_pickle_is_refused(tmp_path: Path):
    pytest.importorskip("lightning_fabric")
    from lipscribe.training.checkpoints import Checkpoints
    from lipscribe.training.fabric import Fabric

    (tmp_path / "last.ckpt").write_bytes(b"\x80\x02u.")
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        Checkpoints(Fabric(accelerator="cpu", devices=1), tmp_path, {}, sharded=False).load()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_models_whose_weights_are_no_numbers_are_refused(tmp_path: Path, toy_spec: ModelSpec, bad: float, dtype):
    from lipscribe.models.builders import build_reader
    from lipscribe.models.spec import save_spec
    from lipscribe.zoo.checkpoint import load_checkpoint, save_weights

    save_spec(tmp_path, toy_spec)
    weights = {name: tensor.clone() for name, tensor in build_reader(toy_spec).state_dict().items()}
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point() and tensor.numel() > 10)
    weights[name].view(-1)[-1] = bad
    save_weights(tmp_path / "model.safetensors", weights, dtype)
    with pytest.raises(CheckpointError, match=f"NaN or infinite values in {name}"):
        load_checkpoint(tmp_path)


def test_sizes_that_no_memory_holds_are_faults(tmp_path: Path):
    from lipscribe.zoo.language_model_spec import load_language_model_spec

    record = {"name": "x", "vocab_size": 8, "embedding": 2**31, "hidden": 2**31, "heads": 1}
    (tmp_path / "language_model.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="embedding is 2147483648, wanted 1 to 65536"):
        load_language_model_spec(tmp_path)


@pytest.mark.parametrize(
    "record",
    ['{"looks": [{"step": 1, "loss": NaN, "texts": []}], "cpu_seconds": 1}', "[" * 50_000, "{}"],
    ids=["loss", "deep", "empty"],
)
def test_trials_that_are_damaged_are_run_again(tmp_path: Path, record: str):
    from lipscribe.adaptation import trials

    (tmp_path / "all.json").write_text(record)
    assert trials._load(tmp_path, trials.Trial("all", (0,), ())) is None
