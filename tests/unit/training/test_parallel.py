"""Two processes train as one does: by gloo on this machine."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from training_pair import run_pair

from lipscribe.errors import ConfigError
from lipscribe.schema import to_dict
from lipscribe.training import loop
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.training.parallel import as_launched
from lipscribe.training.run_folder import RESUME_FILE

MakeConfig = Callable[..., TrainConfig]
FIELDS = ("train_loss", "train_ctc", "train_frame", "train_attention", "dev_ctc", "dev_attention", "dev_wer")


def log_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name != "epoch_seconds"} for row in csv.DictReader(file)]


def states(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / RESUME_FILE, weights_only=True)
    return {f"{part}.{name}": tensor for part in ("model", "average") for name, tensor in state[part].items()}


def assert_close(run: Path, other: Path, tolerance: float) -> None:
    for row, wanted in zip(log_of(run), log_of(other), strict=True):
        for name in FIELDS:
            assert bool(row[name]) == bool(wanted[name])
            assert not row[name] or float(row[name]) == pytest.approx(float(wanted[name]), abs=tolerance)


class Pair:
    """Configs of a model with batch norm, dropout, CTC and a decoder on 11 clips, which two do not divide."""

    def __init__(self, make: MakeConfig, folder: Path):
        self.make, self.folder = make, folder

    def config(self, name: str, accumulate: int = 1, **changes: Any) -> TrainConfig:
        optim = {"epochs": 3, "ctc_weight": 0.5, "accumulate": accumulate, **changes.pop("optim", {})}
        model = {"decoder": {"hidden": 8}, **changes.pop("model", {})}
        return self.make(self.folder / name, optim=optim, model=model, **changes)

    def file(self, name: str, **changes: Any) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(to_dict(self.config(name, **changes))))
        return str(path)


@pytest.fixture(scope="module")
def pair(toy_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """What two processes leave, and what they printed."""
    pair = Pair(toy_config, tmp_path_factory.mktemp("pair"))
    scenarios = [
        {"config": pair.file("two")},
        {"config": pair.file("sharded", strategy="fsdp", checkpoint_every=1), "stop_at": 5},
        {"config": pair.file("sharded", strategy="fsdp", checkpoint_every=1), "resume": True},
        {"config": pair.file("stopped", checkpoint_every=1), "stop_at": 5},  # in the second step of epoch 2
        {"config": pair.file("stopped", checkpoint_every=1), "resume": True},
        {"config": pair.file("handed", checkpoint_every=1), "stop_at": 5},
        {"config": pair.file("absent", data={"folder": "nowhere"})},
    ]
    pair.ended = run_pair(pair.folder, scenarios)
    train(pair.config("one", accumulate=2))
    return pair


pytestmark = pytest.mark.slow


def test_two_processes_train_as_one_that_computes_both_shares(pair: Pair):
    assert_close(pair.folder / "two", pair.folder / "one", 1e-4)
    found, wanted = states(pair.folder / "two"), states(pair.folder / "one")
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-4, rtol=1e-3, msg=name)
    assert any("running_var" in name for name in wanted)


def test_weights_that_are_spread_train_as_whole_ones_and_are_exported_whole(pair: Pair):
    assert_close(pair.folder / "sharded", pair.folder / "one", 1e-4)
    sizes = [(pair.folder / run / "last" / "model.safetensors").stat().st_size for run in ("sharded", "one")]
    assert sizes[0] == sizes[1]
    assert [path.name for path in (pair.folder / "sharded" / "sharded").iterdir()] == ["3-0"]  # former ones are removed


def test_stopped_in_the_middle_of_an_epoch_and_resumed_equals_uninterrupted(pair: Pair):
    assert log_of(pair.folder / "stopped") == log_of(pair.folder / "two")
    found, wanted = states(pair.folder / "stopped"), states(pair.folder / "two")
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_one_process_goes_on_with_what_two_began(pair: Pair):
    train(pair.config("handed", accumulate=2), resume=True)
    assert_close(pair.folder / "handed", pair.folder / "one", 1e-4)


def test_only_the_first_process_says_anything(pair: Pair):
    (code, out, err), (other_code, other_out, other_err) = pair.ended
    assert (code, other_code) == (2, 2)  # of the last scenario
    assert out.splitlines() == [str(pair.folder / run / "last") for run in ("two", "sharded", "stopped")]
    assert [line for line in err.splitlines() if line.startswith("error")] == [
        "error: nowhere is not a folder: run `lipscribe prepare` first, or give others in the config"
    ]
    assert other_out == ""
    assert not [line for line in other_err.splitlines() if "error" in line or "epoch" in line]


def test_a_killed_process_ends_the_others_in_one_line_and_the_run_is_resumed(pair: Pair):
    config = pair.file("killed", checkpoint_every=1)
    (code, out, err), (killed, *_) = run_pair(pair.folder, [{"config": config, "kill": [1, 5]}], timeout=120)
    assert (code, out, killed) == (2, "", -9)
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert "another process of this training has ended" in line
    assert "--resume continues after the last state" in line
    train(pair.config("killed", accumulate=2), resume=True)
    assert_close(pair.folder / "killed", pair.folder / "one", 1e-4)


def test_torchrun_starts_a_killed_process_again(pair: Pair, tmp_path: Path):
    script = tmp_path / "killed_once.py"
    script.write_text(
        "import os, signal, sys\n"
        "from lipscribe.training import loop\n"
        "from lipscribe.training.__main__ import main\n"
        "original, computed = loop.ctc_loss, iter(range(1, 1000))\n"
        "def killed(*args):\n"
        "    if next(computed) == 5 and os.environ['RANK'] + os.environ['TORCHELASTIC_RESTART_COUNT'] == '10':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return original(*args)\n"
        "loop.ctc_loss = killed\n"
        "sys.exit(main())\n"
    )
    # The address, since the name of a bare machine may not resolve.
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    options += ["--max-restarts", "1", "--monitor-interval", "0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, str(script)]
    done = subprocess.run(
        [*command, pair.file("again", checkpoint_every=1)], capture_output=True, text=True, timeout=240, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert f"{pair.folder / 'again'} has 1 of 3 epochs and 1 of 3 steps" in done.stderr
    assert log_of(pair.folder / "again") == log_of(pair.folder / "two")


def test_accumulated_shares_equal_the_whole_step(toy_config: MakeConfig, tmp_path: Path):
    """Without batch norm and dropout, whose statistics and draws are those of each share."""
    still = {
        "frontend": {"dropout": 0.0, "instance_norm": 2, "channels": [6, 8]},
        "encoder": {"hidden": 12, "dropout": 0.0},
        "decoder": {"hidden": 8, "dropout": 0.0},
    }
    for name, accumulate in (("whole", 1), ("parts", 4)):
        optim = {"accumulate": accumulate, "epochs": 3, "ctc_weight": 0.5}
        train(toy_config(tmp_path / name, model=still, optim=optim))
    assert_close(tmp_path / "parts", tmp_path / "whole", 2e-4)


def test_an_interrupted_epoch_goes_on_where_it_was(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train(toy_config(tmp_path / "straight", checkpoint_every=2))
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        original, computed = loop.ctc_loss, iter(range(9))
        patch.setattr(loop, "ctc_loss", lambda *args: original(*args) if next(computed) < 8 else 1 / 0)
        train(toy_config(tmp_path / "run", checkpoint_every=2))
    said: list[str] = []
    steps: list[tuple[str, int, int | None]] = []
    train(toy_config(tmp_path / "run"), True, lambda *step: steps.append(step), said.append)
    assert said[0] == f"{tmp_path / 'run'} has 2 of 4 epochs and 2 of 3 steps"
    assert steps[:2] == [("epoch 3/4", 2, 3), ("epoch 3/4", 3, 3)]
    assert log_of(tmp_path / "run") == log_of(tmp_path / "straight")
    found, wanted = states(tmp_path / "run"), states(tmp_path / "straight")
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_sizes_that_do_not_fit_are_refused(toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"optim.batch_size is 4 for 3 parts .*, wanted a multiple"):
        toy_config(tmp_path / "run", optim={"accumulate": 3})
    with pytest.raises(ConfigError, match=r"optim.batch_frames is 5 for 6 parts"):
        toy_config(tmp_path / "run", optim={"accumulate": 3, "batch_frames": 5}, devices=2)
    config = toy_config(tmp_path / "run")
    assert as_launched(config) is config
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    found = as_launched(config)
    assert (found.devices, found.num_nodes, found.shares) == (2, 2, 4)
    with pytest.raises(
        ConfigError, match=r"torchrun has started 2 processes on each of 2 machines, the config wants 4"
    ):
        as_launched(replace(config, devices=4))
    monkeypatch.setenv("WORLD_SIZE", "6")
    with pytest.raises(ConfigError, match=r"batch_size is 4 for 6 parts \(devices 2 x num_nodes 3"):
        as_launched(config)


def test_a_run_is_not_resumed_with_other_parts(toy_config: MakeConfig, tmp_path: Path):
    train(toy_config(tmp_path / "run", optim={"epochs": 1}))
    with pytest.raises(ConfigError, match=r"devices x num_nodes x optim.accumulate 1, now 2"):
        train(toy_config(tmp_path / "run", optim={"epochs": 1, "accumulate": 2}), resume=True)


def test_a_gradient_of_one_process_that_is_not_finite_ends_all_before_it_is_kept(
    toy_config: MakeConfig, tmp_path: Path
):
    pair = Pair(toy_config, tmp_path)
    whole, spread = pair.file("whole", checkpoint_every=1), pair.file("spread", checkpoint_every=1, strategy="fsdp")
    scenarios = [
        *({"config": config, "spoil": [1, 5]} for config in (whole, spread)),
        {"config": spread, "resume": True},
    ]
    (code, out, err), (other_code, _, other_err) = run_pair(tmp_path, scenarios)
    assert (code, other_code) == (0, 0)  # of the run that was resumed
    assert out.splitlines() == [str(tmp_path / "spread" / "last")]
    lines = [line for line in err.splitlines() if line.startswith("error")]
    assert len(lines) == 2
    for line in lines:
        assert "the gradient is not finite in step 2 of 3 of epoch 2, with clips s1/clip" in line
    assert "error" not in other_err
    state = torch.load(tmp_path / "whole" / RESUME_FILE, weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 1)
    assert all(tensor.isfinite().all() for tensor in states(tmp_path / "whole").values())
    assert len(log_of(tmp_path / "spread")) == 3
