"""A training whose processes are Ray actors, of which one is really killed."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lipscribe.errors import ConfigError
from lipscribe.training import ray_job
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.training.ray_job import train_on_ray
from lipscribe.training.run_folder import RESUME_FILE

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
MakeConfig = Callable[..., TrainConfig]


def actors() -> list[int]:
    """The processes that train, by their titles."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_Process.run"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_killed_process_lets_all_start_again_from_the_last_state(toy_config: MakeConfig, tmp_path: Path):
    config = toy_config(tmp_path / "run", checkpoint_every=1, optim={"epochs": 12})
    killed: list[int] = []

    def kill_one() -> None:
        for _ in range(3000):
            own = actors()
            if (tmp_path / "run" / RESUME_FILE).exists() and own:
                os.kill(own[-1], signal.SIGKILL)
                killed.append(own[-1])
                return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    said: list[str] = []
    assert train_on_ray(config, 2, max_restarts=1, say=said.append) == tmp_path / "run" / "last"
    thread.join()
    assert killed
    (line,) = [line for line in said if "attempt 2 of 2 continues after the last state kept" in line]
    after = said[said.index(line) + 1 :]
    assert after[0].startswith(f"{tmp_path / 'run'} has ")
    assert after[-1].startswith("epoch  12")
    train(toy_config(tmp_path / "one", optim={"epochs": 12, "accumulate": 2}))
    states = [torch.load(tmp_path / run / RESUME_FILE, weights_only=True)["average"] for run in ("run", "one")]
    for name, tensor in states[1].items():
        torch.testing.assert_close(states[0][name], tensor, atol=1e-3, rtol=1e-2, msg=name)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_cannot_begin_is_said_at_once(toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"optim.batch_size is 4 for 3 parts"):
        train_on_ray(toy_config(tmp_path / "run"), 3)
    monkeypatch.setattr(ray_job, "PLACING", 1.0)
    with pytest.raises(ConfigError, match=r"no room for 2 processes of 31 processors: give a smaller --num-workers"):
        train_on_ray(toy_config(tmp_path / "run", data={"workers": 30}), 2)
