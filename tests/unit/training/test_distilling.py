"""Learning from another model: the divergence against its definition, and runs that come nearer to their teacher."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lipscribe.data.dataset import Batch, ShardDataset
from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training import loop
from lipscribe.training.config import TrainConfig
from lipscribe.training.distilling import distil_losses, load_teacher, soft_divergence
from lipscribe.training.loop import train
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def teacher(toy_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A larger model with both heads and decided opinions, right or wrong."""
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(7)
    spec = toy_config(
        "unused", model={"encoder": {"hidden": 16, "layers": 1}, "decoder": {"hidden": 9}}, optim={"ctc_weight": 0.5}
    ).trained_model
    reader = build_reader(spec)
    with torch.no_grad():
        for head in (reader.ctc, reader.decoder):
            head.project.weight *= 5
    save_checkpoint(folder, spec, reader.state_dict())
    return folder


def dev_batch(prepared: Path) -> Batch:
    (batch,) = ShardDataset(prepared, "dev", WordTokenizer(["red", "green", "blue"]), 32, 48).batches(4)
    return batch


@torch.no_grad()
def distance(student: LipReader, teacher: Path, batch: Batch) -> dict[str, float]:
    says = [
        reader.eval().forward_train(batch.video, batch.video_lengths, batch.targets)
        for reader in (student, load_checkpoint(teacher)[1])
    ]
    return {name: loss.item() for name, loss in distil_losses(*says, batch, 1.0).items()}


def random_log_probs(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_its_definition(temperature: float):
    teacher, student = random_log_probs(5, 4), random_log_probs(5, 4, seed=1)
    total = 0.0
    for wanted, got in zip(teacher, student, strict=True):
        p, q = ((row.exp() ** (1 / temperature)) / (row.exp() ** (1 / temperature)).sum() for row in (wanted, got))
        total += sum(float(a) * (float(a.log()) - float(b.log())) for a, b in zip(p, q, strict=True))
    assert soft_divergence(teacher, student, temperature).item() == pytest.approx(temperature**2 * total / 5, rel=1e-4)
    assert soft_divergence(teacher, teacher, temperature).item() == pytest.approx(0, abs=1e-6)


def test_padding_has_no_say_and_no_gradient(prepared: Path):
    batch = dev_batch(prepared)
    frames, tokens = batch.video.shape[1], batch.targets.shape[1] + 1
    student = random_log_probs(4, frames, 4).requires_grad_(), random_log_probs(4, tokens, 4).requires_grad_()
    teacher = random_log_probs(4, frames, 4, seed=1), random_log_probs(4, tokens, 4, seed=2)
    losses = distil_losses(student, teacher, batch, 2.0)
    (losses["distil_ctc"] + losses["distil_attention"]).backward()
    for log_probs, lengths in zip(student, (batch.video_lengths, batch.target_lengths + 1), strict=True):
        for row, length in zip(log_probs.grad, lengths, strict=True):
            assert row[:length].abs().sum(-1).all()
            assert not row[length:].any()
    assert distil_losses((student[0], None), teacher, batch, 2.0).keys() == {"distil_ctc"}
    assert distil_losses(student, (None, teacher[1]), batch, 2.0).keys() == {"distil_attention"}


def test_ends_of_different_decoders_are_the_same_thing(prepared: Path):
    batch = dev_batch(prepared)
    log_probs = random_log_probs(4, batch.targets.shape[1] + 1, 6)
    swapped = log_probs[..., [5, 1, 2, 3, 4, 0]]
    losses = distil_losses((None, log_probs), (None, swapped), batch, 1.0, ends=(0, 5))
    assert losses["distil_attention"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_a_student_of_the_teacher_alone_comes_to_agree_with_it(
    toy_config: MakeConfig, tmp_path: Path, teacher: Path, prepared: Path
):
    config = toy_config(
        tmp_path / "run",
        teacher=str(teacher),
        model={"frontend": {"channels": [6, 8], "features": 16}, "decoder": {"hidden": 8}},
        optim={"epochs": 12, "ctc_weight": 0.5, "distil_weight": 1, "learning_rate": 2e-2},
        evaluate_every=12,
    )
    before = (teacher / "model.safetensors").read_bytes()
    torch.manual_seed(config.seed)
    batch, fresh = dev_batch(prepared), build_reader(config.trained_model)
    first = distance(fresh, teacher, batch)
    _, student = load_checkpoint(train(config))
    last = distance(student, teacher, batch)
    assert first.keys() == last.keys() == {"distil_ctc", "distil_attention"}
    assert all(last[name] < 0.5 * first[name] for name in first), (first, last)
    assert (teacher / "model.safetensors").read_bytes() == before


def test_the_teacher_has_its_share_of_the_loss(
    toy_config: MakeConfig, tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[LipReader] = []

    def watched(*args: Any) -> LipReader:
        seen.append(load_teacher(*args))
        return seen[0]

    monkeypatch.setattr(loop, "load_teacher", watched)
    optim = {"epochs": 1, "ctc_weight": 0.4, "frame_weight": 2, "distil_weight": 0.3, "precision": "bf16-mixed"}
    train(toy_config(tmp_path / "run", teacher=str(teacher), optim=optim))
    header, row = ((tmp_path / "run" / "metrics.csv").read_text().splitlines())[:2]
    loss = {name.removeprefix("train_"): float(x) for name, x in zip(header.split(","), row.split(","), strict=True)}
    texts = 0.4 * (loss["ctc"] + 2 * loss["frame"]) + 0.6 * loss["attention"]
    taught = 0.4 * loss["distil_ctc"] + 0.6 * loss["distil_attention"]
    assert loss["loss"] == pytest.approx(0.7 * texts + 0.3 * taught, rel=1e-4)
    (reader,) = seen
    assert not any(module.training for module in reader.modules())
    assert all(weights.grad is None and not weights.requires_grad for weights in reader.parameters())
    for name, tensor in load_checkpoint(teacher)[1].state_dict().items():
        assert torch.equal(tensor, reader.state_dict()[name])


def test_resumed_equals_uninterrupted_with_a_teacher(toy_config: MakeConfig, teacher: Path, straight_and_resumed):
    straight, resumed = straight_and_resumed(
        lambda folder: toy_config(folder, teacher=str(teacher), optim={"epochs": 2})
    )
    for name, tensor in straight["model"].items():
        assert torch.equal(tensor, resumed["model"][name])


# Messages


def test_a_teacher_that_sees_or_says_something_else(toy_spec: ModelSpec, teacher: Path):
    other = replace(
        toy_spec,
        input=replace(toy_spec.input, height=40, normalisation="fixed"),
        tokenizer=WordTokenizer(["red", "green", "yellow"]),
    )
    with pytest.raises(ConfigError) as caught:
        load_teacher(str(teacher), other, 0.5)
    message = str(caught.value)
    assert message.startswith(f"teacher {teacher}: the student's input.height is 40, the teacher's 32, wanted the ")
    assert "the student's input.normalisation is fixed, the teacher's frame, wanted" in message
    assert "the student's tokenizer has other tokens, wanted the teacher's, or no teacher and its readings" in message


def test_a_teacher_without_the_heads(toy_config: MakeConfig, toy_spec: ModelSpec, tmp_path: Path, teacher: Path):
    save_checkpoint(tmp_path, toy_spec, build_reader(toy_spec).state_dict())
    both = load_checkpoint(teacher)[0]
    assert load_teacher(str(tmp_path), both, 0.9).decoder is None
    with pytest.raises(
        ConfigError, match=r"it has no decoder, so with optim.distil_weight 1 the student's learns noth"
    ):
        load_teacher(str(tmp_path), both, 1)
    with pytest.raises(ConfigError, match=r"no head is like one of the student's, wanted CTC in both .* or a decoder"):
        load_teacher(str(tmp_path), replace(both, ctc=False), 0.5)


def test_no_teacher_of_that_name(toy_config: MakeConfig, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no model 'nobody': give one of .*grid"):
        train(toy_config(tmp_path / "run", teacher="nobody"))
    assert not (tmp_path / "run").exists()
