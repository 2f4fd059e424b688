"""Training that begins with another model, and leaves parts of it as they are."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.training.config import TrainConfig
from lipscribe.training.freezing import freeze, set_training
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def start(toy_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in half precision, as training writes it."""
    folder = tmp_path_factory.mktemp("start")
    torch.manual_seed(3)
    spec = toy_config("unused").model
    save_checkpoint(folder, spec, build_reader(spec).state_dict())
    return folder


def moved(reader: LipReader, start: Path, half: bool = False) -> set[str]:
    before = load_checkpoint(start)[1].state_dict()
    if half:  # as what is trained is saved
        before = {name: t.half().float() if t.is_floating_point() else t for name, t in before.items()}
    return {name for name, tensor in reader.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("average", [0.0, 0.5])
@pytest.mark.parametrize("frozen", [["frontend"], ["encoder"], ["frontend", "encoder"]])
def test_what_is_frozen_comes_out_bit_for_bit_and_all_else_moves(
    toy_config: MakeConfig, tmp_path: Path, start: Path, frozen: list[str], average: float
):
    config = toy_config(tmp_path / "run", start_from=str(start), freeze=frozen, optim={"epochs": 1, "average": average})
    _, reader = load_checkpoint(train(config))
    state = torch.load(tmp_path / "run" / RESUME_FILE, weights_only=True)
    wanted = {name for name in reader.state_dict() if not name.startswith(tuple(f"{part}." for part in frozen))}
    assert moved(reader, start) == wanted
    reader.load_state_dict(state["model"])  # and not only in half precision
    assert moved(reader, start) == wanted
    trained = sum(not name.startswith(tuple(frozen)) for name, _ in reader.named_parameters())
    assert len(state["optimizer"]["state"]) == trained


def test_frozen_parts_are_in_eval_mode_and_get_no_gradient(toy_spec: ModelSpec):
    reader = build_reader(toy_spec)
    freeze(reader, ["frontend"])
    set_training(reader, ["frontend"])
    assert not any(module.training for module in reader.frontend.modules())
    assert all(module.training for module in reader.encoder.modules())
    features = reader.frontend(torch.randn(1, 4, 1, 32, 48), torch.tensor([4]))
    assert not features.requires_grad
    set_training(reader, [])
    assert all(module.training for module in reader.modules())


def test_a_frozen_lstm_drops_nothing_but_passes_gradients_on(toy_spec: ModelSpec):
    reader = build_reader(toy_spec)
    features, lengths = torch.randn(1, 4, 16, requires_grad=True), torch.tensor([4])
    wanted = reader.encoder.eval()(features, lengths)
    freeze(reader, ["encoder"])
    set_training(reader, ["encoder"])
    out = reader.encoder(features, lengths)
    assert torch.equal(out, wanted)
    assert any(module.training for module in reader.encoder.modules() if isinstance(module, nn.RNNBase))
    out.sum().backward()
    assert features.grad.any()
    assert all(weights.grad is None for weights in reader.encoder.parameters())


def test_resumed_equals_uninterrupted_with_frozen_parts(toy_config: MakeConfig, start: Path, straight_and_resumed):
    straight, resumed = straight_and_resumed(
        lambda folder: toy_config(folder, start_from=str(start), freeze=["frontend"], optim={"epochs": 2})
    )
    for name, tensor in straight["average"].items():
        assert torch.equal(tensor, resumed["average"][name])


def test_a_part_that_would_begin_fresh_is_not_frozen(toy_config: MakeConfig, tmp_path: Path, start: Path):
    config = toy_config(
        tmp_path / "run", start_from=str(start), freeze=["encoder"], model={"encoder": {"hidden": 13, "layers": 2}}
    )
    with pytest.raises(CheckpointError, match=r"has not all of this encoder .* leave it out of freeze"):
        train(config)


# Models of the Auto-AVSR kind, as small as they go


def letters(path: Path, units: str) -> dict[str, str | None]:
    """The record of a tokenizer of these letters, in the files' format of the published models."""
    lines = [f"{unit} {idx}\n" for idx, unit in enumerate(["<unk>", "<space>", *units], start=1)]
    path.write_text("".join(lines), encoding="utf-8")
    return {"kind": "units", "units": str(path), "model": None}


@pytest.fixture
def published(toy_config: MakeConfig, tmp_path: Path) -> Callable[..., TrainConfig]:
    def config(name: str, units: str = "BDEGLNRU", **sections: Any) -> TrainConfig:
        model = {
            "tokenizer": letters(tmp_path / f"{name}.txt", units),
            "frontend": {
                "kind": "auto-avsr",
                "channels": [4, 4, 6, 8],
                "stem_frames": 5,
                "pooling": "average",
                "activation": "swish",
            },
            "encoder": {"cell": "rel-conformer", "hidden": 16, "layers": 1, "heads": 2, "ff": 16},
            "decoder": {"kind": "transformer", "hidden": 16, "layers": 1, "heads": 2, "ff": 16},
        }
        optim = {"ctc_weight": 0.1, "frame_weight": 0, "learning_rate": 1e-2, "average": 0} | sections.pop("optim", {})
        return toy_config(tmp_path / name, model=model, optim=optim, **sections)

    return config


@pytest.mark.slow
def test_a_model_of_the_published_kind_learns_on_is_saved_and_read(
    published: Callable[..., TrainConfig], tmp_path: Path
):
    imported = published("imported")
    torch.manual_seed(4)
    spec = imported.trained_model
    save_checkpoint(tmp_path / "imported", spec, build_reader(spec).state_dict(), torch.float32)

    config = published("tuned", start_from=str(tmp_path / "imported"), freeze=["frontend"], optim={"epochs": 6})
    said: list[str] = []
    folder = train(config, say=said.append)
    assert "; fresh" not in "".join(said)
    with (tmp_path / "tuned" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train_loss"]) < 0.8 * float(rows[0]["train_loss"])
    assert float(rows[-1]["dev_attention"]) < float(rows[1]["dev_attention"])
    assert {"dev_wer", "dev_greedy_wer"} <= rows[-1].keys()  # by the joint search, CTC's greedy one beside it
    tuned, reader = load_checkpoint(folder)
    assert (tuned.decoder.kind, Path(tuned.tokenizer.units).parent) == ("transformer", folder)
    assert not [name for name in moved(reader, tmp_path / "imported", half=True) if name.startswith("frontend.")]


def test_another_vocabulary_has_fresh_heads_and_says_so(published: Callable[..., TrainConfig], tmp_path: Path):
    spec = published("imported", "ABCDEFGH").trained_model  # as many letters, and other ones
    save_checkpoint(tmp_path / "imported", spec, build_reader(spec).state_dict())
    said: list[str] = []
    train(published("tuned", start_from=str(tmp_path / "imported"), optim={"epochs": 1}), say=said.append)
    names = "ctc.project.weight, ctc.project.bias, decoder.embedding.weight, decoder.project.weight, "
    assert said[0].endswith(f"tensors; fresh: {names}decoder.project.bias")
