"""What training does with numbers that are none: the step and its clips are named, and nothing of it is kept."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.errors import ConfigError
from lipscribe.models.builders import build_reader
from lipscribe.models.spec import ModelSpec
from lipscribe.training import loop
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint
from lipscribe.zoo.safetensors_header import read_header

MakeConfig = Callable[..., TrainConfig]


def all_finite(state: Any) -> bool:
    if isinstance(state, torch.Tensor):
        return bool(state.isfinite().all())
    if isinstance(state, dict):
        return all(map(all_finite, state.values()))
    return not isinstance(state, list | tuple) or all(map(all_finite, state))


class _FiniteWithAnEndlessGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: torch.Tensor) -> torch.Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0] * math.nan


def test_a_gradient_that_is_not_finite_in_the_last_step_is_noticed_before_anything_is_saved(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    original, calls = loop.ctc_loss, iter(range(1, 100))
    monkeypatch.setattr(
        loop,
        "ctc_loss",
        lambda *args: _FiniteWithAnEndlessGradient.apply(original(*args)) if next(calls) == 6 else original(*args),
    )
    with pytest.raises(ConfigError, match=r"the gradient is not finite in step 3 of 3 of epoch 2, with clips s1/clip"):
        train(toy_config(tmp_path / "run"))
    state = torch.load(tmp_path / "run" / RESUME_FILE, weights_only=True)
    assert state["epoch"] == 1
    assert all_finite(state)
    assert all_finite(load_checkpoint(tmp_path / "run" / "last")[1].state_dict())


@pytest.mark.parametrize(("accumulate", "named"), [(1, 4), (2, 2)])
def test_a_state_within_an_epoch_is_kept_only_while_all_is_finite(
    accumulate: int, named: int, toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = toy_config(tmp_path / "run", optim={"epochs": 1, "accumulate": accumulate}, checkpoint_every=1)
    original, calls, broken = loop.ctc_loss, iter(range(100)), accumulate  # the first share of the second step

    def overflowing(log_probs: torch.Tensor, batch: Any) -> torch.Tensor:
        loss = original(log_probs, batch)
        if next(calls) != broken:
            return loss
        clips.extend(clip.id for clip in batch.clips)
        return loss * math.inf

    clips: list[str] = []
    monkeypatch.setattr(loop, "ctc_loss", overflowing)
    with pytest.raises(ConfigError, match=r"the loss is not finite in step 2 of 3 of epoch 1") as caught:
        train(config)
    assert len(clips) == named
    assert f"with clips {', '.join(clips)}: look" in str(caught.value)
    state = torch.load(tmp_path / "run" / RESUME_FILE, weights_only=True)
    assert (state["epoch"], state["step"]) == (0, 1)
    assert all_finite(state)


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_a_frame_or_two_are_trained_on_beside_others(
    frames: int, toy_config: MakeConfig, toy_clip: Callable[..., PreparedClip], tmp_path: Path
):
    short = toy_clip("s1/short", "red")
    short = PreparedClip(replace(short.clip, words=()), short.crops[:frames])
    folder = tmp_path / "prepared"
    folder.mkdir()
    write_shard(folder / "train-000000.tar", [short, toy_clip("s1/long", "red green", seed=1)])
    write_shard(folder / "dev-000000.tar", [replace(short, clip=replace(short.clip, split="dev"))])
    augment = {"shift": 2, "time_mask_frames": 2, "time_warp": 0.2}
    train(toy_config(tmp_path / "run", data={"folder": str(folder)}, optim={"epochs": 2}, augment=augment))
    assert all_finite(torch.load(tmp_path / "run" / RESUME_FILE, weights_only=True))


def test_weights_beyond_float16_are_kept_in_float32(toy_spec: ModelSpec, tmp_path: Path):
    reader = build_reader(toy_spec)
    state = reader.state_dict()
    large = next(name for name, tensor in state.items() if tensor.is_floating_point() and tensor.ndim == 1)
    state[large][0] = 1e6
    save_checkpoint(tmp_path, toy_spec, state)
    kinds = {name: tensor.dtype for name, tensor in read_header(tmp_path / "model.safetensors").items()}
    assert kinds.pop(large) == "F32"
    assert "F32" not in kinds.values()
    assert torch.equal(load_checkpoint(tmp_path)[1].state_dict()[large], state[large])


def test_states_beyond_float16_stay_finite():
    from lipscribe.encoded import halved

    assert halved(np.array([1e6, -np.inf, 1.5], np.float32)).tolist() == [65504, -65504, 1.5]
