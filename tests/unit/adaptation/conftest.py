"""A tiny base model and recordings of drawn mouths."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipscribe.adaptation.checking import Recording
from lipscribe.data.shards import PreparedClip
from lipscribe.models.spec import ModelSpec

TEXTS = ("red green", "blue", "green blue red", "red", "blue green", "red blue", "green", "blue red green")


@pytest.fixture
def base(toy_spec: ModelSpec, tmp_path: Path) -> Path:
    """The folder of a model that has learned nothing."""
    import torch

    from lipscribe.models.builders import build_reader
    from lipscribe.zoo.checkpoint import save_checkpoint

    torch.manual_seed(0)
    save_checkpoint(tmp_path / "base", toy_spec, build_reader(toy_spec).state_dict(), torch.float32)
    return tmp_path / "base"


@pytest.fixture
def recordings(toy_clip: Callable[..., PreparedClip]) -> list[Recording]:
    """Eight of one person, with texts and without word times."""
    look = np.ones((1, 4), np.float32) / 2
    clips = [toy_clip(f"clip{n}", text, seed=n) for n, text in enumerate(TEXTS)]
    return [Recording(replace(each.clip, words=()), each.crops, look) for each in clips]
