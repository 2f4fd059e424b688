"""What the tests of training share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lipscribe.training import loop
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE


@pytest.fixture
def straight_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Path], TrainConfig]], list[dict[str, Any]]]:
    """A run of two epochs, and one that was interrupted at the end of the second and was resumed: what both leave."""

    def run(config: Callable[[Path], TrainConfig]) -> list[dict[str, Any]]:
        folders = [tmp_path / "straight", tmp_path / "run"]
        train(config(folders[0]))
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(loop, "dev_scores", lambda *args: 1 / 0)  # at the end of epoch 2
            train(config(folders[1]))
        train(config(folders[1]), resume=True)
        return [torch.load(folder / RESUME_FILE, weights_only=True) for folder in folders]

    return run
