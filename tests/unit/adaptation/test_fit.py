"""The training on a few clips."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lipscribe.adaptation.checking import Recording
from lipscribe.adaptation.fit import fit, held_out_loss
from lipscribe.adaptation.recipe import Recipe
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.zoo.checkpoint import load_checkpoint

RECIPE = Recipe(steps=12, batch_size=4, learning_rate=3e-3, average=0.5, looks=3)


def adapted(base: Path, recordings: list[Recording], recipe: Recipe) -> tuple[ModelSpec, LipReader, list[int]]:
    spec, reader = load_checkpoint(base)
    looked, last = [], reader
    for step, model in fit(reader, spec, [each.prepared for each in recordings], recipe, seed=1):
        if model is not None:
            looked.append(step)
            last = model
    return spec, last, looked


def test_the_loss_falls_and_the_model_is_looked_at_evenly(base: Path, recordings: list[Recording]):
    clips = [each.prepared for each in recordings]
    before = held_out_loss(load_checkpoint(base)[1], load_checkpoint(base)[0], clips)
    spec, model, looked = adapted(base, recordings, RECIPE)
    assert looked == [4, 8, 12]
    assert not model.training
    assert held_out_loss(model, spec, clips) < 0.9 * before


def test_the_same_seed_gives_the_same_weights(base: Path, recordings: list[Recording]):
    one, other = (adapted(base, recordings, RECIPE)[1].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("norms", {"frontend.frames.net.1.weight"}),
        ("encoder", {"encoder.rnn.weight_ih_l0", "ctc.project.weight"}),
        ("all", {"frontend.frames.net.0.weight", "encoder.rnn.weight_ih_l0", "ctc.project.weight"}),
    ],
)
def test_what_is_trained(base: Path, recordings: list[Recording], part: str, changed: set[str]):
    before = load_checkpoint(base)[1].state_dict()
    after = adapted(base, recordings, replace(RECIPE, steps=2, looks=1, trained=part))[1].state_dict()
    watched = {
        "frontend.frames.net.0.weight",
        "frontend.frames.net.1.weight",
        "encoder.rnn.weight_ih_l0",
        "ctc.project.weight",
    }
    moved = {name for name in watched if not torch.equal(before[name], after[name])}
    assert changed <= moved
    assert moved - changed <= ({"frontend.frames.net.1.weight"} if part == "all" else set())
