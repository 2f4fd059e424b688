"""Training: a run is decided by its config alone, however often it is interrupted."""

import csv
import math
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lipscribe.data.shards import read_shard, write_shard
from lipscribe.errors import CheckpointError, ConfigError, LipscribeError, ManifestError
from lipscribe.models.spec import Card, load_spec
from lipscribe.resumable import LOCK_FILE, locked
from lipscribe.training import logs, loop
from lipscribe.training.checks import load_data
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.training.run_folder import RESUME_FILE
from lipscribe.transforms import crops_to_video, normalise_fixed
from lipscribe.zoo.checkpoint import load_checkpoint

MakeConfig = Callable[..., TrainConfig]


def weights(run: Path, name: str = "last") -> bytes:
    return (run / name / "model.safetensors").read_bytes()


def log_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [{name: cell for name, cell in row.items() if name != "epoch_seconds"} for row in csv.DictReader(file)]


def state_of(run: Path) -> dict[str, Any]:
    return torch.load(run / RESUME_FILE, weights_only=True)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def straight(toy_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs that nothing interrupted."""
    run = tmp_path_factory.mktemp("runs") / "straight"
    assert train(toy_config(run)) == run / "last"
    return run


class Interruption(Exception):
    """Stands for whatever ends a run."""


def interrupt(monkeypatch: pytest.MonkeyPatch, function: str, call: int) -> None:
    """Lets the run end instead of the n-th call of one of the loop's functions."""
    of, _, name = f"loop.{function}".rpartition(".")
    of = loop if of == "loop" else getattr(loop, of.removeprefix("loop."))
    original, calls = getattr(of, name), 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Interruption
        return original(*args, **kwargs)

    monkeypatch.setattr(of, name, counting)


@pytest.mark.parametrize(("limit", "epochs"), [(11, 3), (4, 7)])
def test_steps_mean_the_same_for_any_number_of_clips(
    limit: int, epochs: int, toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rates = []
    monkeypatch.setattr(loop, "one_cycle", lambda steps, warmup: rates.append(steps) or (lambda step: 1.0))
    train(toy_config(tmp_path / "run", data={"limit": limit}, optim={"steps": 7}))
    assert log_of(tmp_path / "run")[-1]["epoch"] == str(epochs)
    assert rates == [epochs * (3 if limit == 11 else 1)]  # whole epochs: 9 steps of the 7, and 7


def test_what_a_run_leaves_behind(straight: Path, toy_config: MakeConfig):
    names = {path.name for path in straight.iterdir()}
    assert names == {"config.yaml", "metrics.csv", RESUME_FILE, "best", "last", "logs", LOCK_FILE}
    assert list((straight / "logs" / "tensorboard").glob("events.out.tfevents.*"))
    spec, reader = load_checkpoint(straight / "last")
    assert replace(spec, card=Card()) == toy_config(straight).model
    averaged = state_of(straight)["average"]
    for name, tensor in reader.state_dict().items():
        assert torch.equal(tensor, averaged[f"module.{name}"].half().to(tensor.dtype))


def test_the_log_has_every_epoch_and_dev_scores_at_their_turn(straight: Path):
    rows = log_of(straight)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["dev_wer"]) for row in rows] == [False, True, False, True]
    for row in rows:
        assert float(row["train_loss"]) == pytest.approx(float(row["train_ctc"]) + float(row["train_frame"]))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


@pytest.mark.parametrize(
    ("function", "call"),
    [
        pytest.param("ctc_loss", 8, id="in the middle of epoch 3"),
        pytest.param("dev_scores", 2, id="before the dev scores of epoch 4"),
        pytest.param("save_checkpoint", 4, id="before epoch 3 is saved"),
        pytest.param("Checkpoints.save", 2, id="just before epoch 2 is done"),
    ],
)
def test_resumed_equals_uninterrupted_bit_for_bit(
    straight: Path, toy_config: MakeConfig, tmp_path: Path, function: str, call: int
):
    config = toy_config(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interruption):
        interrupt(patch, function, call)
        train(config)
    assert 0 < state_of(tmp_path / "run")["epoch"] < 4
    torch.rand(100)  # another process would have drawn other numbers by now
    train(config, resume=True)
    run = tmp_path / "run"
    assert same(state_of(run), state_of(straight))
    assert weights(run) == weights(straight)
    assert weights(run, "best") == weights(straight, "best")
    assert log_of(run) == log_of(straight)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_any_number_of_workers_trains_the_same_also_when_it_is_resumed_with_another(
    straight: Path, toy_config: MakeConfig, tmp_path: Path, workers: int | None
):
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interruption):
        interrupt(patch, "ctc_loss", 8)  # in the middle of epoch 3
        train(toy_config(run, data={"workers": workers}))
    assert state_of(run)["epoch"] == 2
    train(toy_config(run, data={"workers": 1 if workers == 2 else 2}), resume=True)
    assert same(state_of(run), state_of(straight))
    assert weights(run) == weights(straight)
    assert log_of(run) == log_of(straight)


def test_a_worker_that_is_killed_ends_the_run_in_one_line(toy_config: MakeConfig, tmp_path: Path):
    def kill(task: str, done: int, total: int | None) -> None:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    config = toy_config(tmp_path / "run", data={"workers": 1}, optim={"epochs": 50})
    with pytest.raises(LipscribeError, match=r"^a process that makes batches has ended .* --resume continues after"):
        train(config, progress=kill)
    assert not multiprocessing.active_children()


def test_batches_by_frames(toy_config: MakeConfig, tmp_path: Path):
    config = toy_config(tmp_path / "run", optim={"epochs": 2, "batch_frames": 60})
    steps: list[tuple[str, int, int | None]] = []
    train(config, progress=lambda *step: steps.append(step))
    number = len(load_data(config).train_set.plan(config.batch_sizes))
    assert 11 / 4 < number < 11
    assert steps[-1] == ("epoch 2/2", number, number)


def test_the_seed_decides(straight: Path, toy_config: MakeConfig, tmp_path: Path):
    train(toy_config(tmp_path / "again"))
    assert weights(tmp_path / "again") == weights(straight)
    train(toy_config(tmp_path / "other", seed=2))
    assert weights(tmp_path / "other") != weights(straight)


def test_a_finished_run_resumed_stays_as_it_is(toy_config: MakeConfig, tmp_path: Path):
    config = toy_config(tmp_path / "run", optim={"epochs": 1})
    train(config)
    before = weights(tmp_path / "run")
    said: list[str] = []
    assert train(config, resume=True, say=said.append) == tmp_path / "run" / "last"
    assert weights(tmp_path / "run") == before
    assert said == [
        f"{tmp_path / 'run'} has 1 of 1 epochs, which are all: for more, give larger --epochs or optim.steps"
    ]


def test_a_finished_run_is_resumed_with_more_epochs_and_in_another_place(toy_config: MakeConfig, tmp_path: Path):
    train(toy_config(tmp_path / "run", optim={"epochs": 2}))
    (tmp_path / "run").rename(tmp_path / "moved")
    train(toy_config(tmp_path / "moved", optim={"epochs": 3}), resume=True)
    assert [row["epoch"] for row in log_of(tmp_path / "moved")] == ["1", "2", "3"]
    assert state_of(tmp_path / "moved")["epoch"] == 3
    assert "epochs: 3" in (tmp_path / "moved" / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=r"\(optim.batch_size 4, now 2\): resume with the same settings"):
        train(toy_config(tmp_path / "moved", optim={"epochs": 4, "batch_size": 2}), resume=True)


def test_a_config_of_an_older_version_lacks_what_is_new(toy_config: MakeConfig, tmp_path: Path):
    config = toy_config(tmp_path / "run", optim={"epochs": 1})
    train(config)
    path = tmp_path / "run" / "config.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "sampling" not in line))
    train(config, resume=True)
    settings = yaml.safe_load(path.read_text())  # or has what its kinds of network never had
    settings["model"]["format_version"] = 1
    settings["model"]["encoder"] |= {"kernel": 7, "heads": 2, "ff": 0}
    path.write_text(yaml.safe_dump(settings))
    train(config, resume=True)
    path.write_text("[")
    with pytest.raises(ConfigError, match=r"config.yaml cannot be read \(.*\): set another output"):
        train(config, resume=True)


def test_two_processes_do_not_train_in_one_folder(toy_config: MakeConfig, tmp_path: Path):
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(LipscribeError, match=r"another process is writing to .*run: wait"):
        train(toy_config(tmp_path / "run"))


def test_steps_and_metrics_are_reported_and_nothing_is_printed(
    toy_config: MakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture
):
    steps: list[tuple[str, int, int | None]] = []
    said: list[str] = []
    train(toy_config(tmp_path / "run", optim={"epochs": 2}), False, lambda *step: steps.append(step), said.append)
    assert steps == [(f"epoch {epoch}/2", done, 3) for epoch in (1, 2) for done in range(4)]
    assert [line[:9] for line in said] == ["epoch   1", "epoch   2"]
    assert capsys.readouterr() == ("", "")


def test_the_limit_of_surprise_is_kept_with_the_weights_that_it_was_fitted_for(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    limits = iter([0.4, 0.3])
    scored = loop.dev_scores
    planted = {"dev_wer": 0.5}
    monkeypatch.setattr(loop, "dev_scores", lambda *args: scored(*args) | planted | {"surprise_limit": next(limits)})
    train(toy_config(tmp_path / "run"))
    assert load_spec(tmp_path / "run" / "last").surprise_limit == 0.3
    assert load_spec(tmp_path / "run" / "best").surprise_limit == 0.4


def test_numbers_are_asked_of_the_device_once_an_epoch_and_not_at_each_step(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ours, asked = str(Path(loop.__file__).parent), []

    def counted(name: str) -> Callable[[torch.Tensor], Any]:
        original = getattr(torch.Tensor, name)

        def ask(tensor: torch.Tensor) -> Any:
            file = sys._getframe(1).f_code.co_filename
            if file.startswith(ours) and not file.endswith("scoring.py"):  # dev is read batch by batch
                asked.append(name)
            return original(tensor)

        return ask

    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, counted(name))
    numbers = []
    for batch_size in (4, 1):  # 3 steps, 11 steps
        asked.clear()
        train(toy_config(tmp_path / f"{batch_size}", optim={"epochs": 1, "batch_size": batch_size}, evaluate_every=1))
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] > 0


def test_a_loss_that_is_not_finite_ends_the_run_and_spoils_nothing(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = toy_config(tmp_path / "run")
    with monkeypatch.context() as patch:
        original, calls = loop.ctc_loss, iter(range(100))
        patch.setattr(loop, "ctc_loss", lambda *args: original(*args) * (1 if next(calls) < 4 else math.inf))
        with pytest.raises(ConfigError, match=r"the loss is not finite in step 2 of 3 of epoch 2, with clips s1/clip"):
            train(config)
    assert state_of(tmp_path / "run")["epoch"] == 1
    train(config, resume=True)
    assert state_of(tmp_path / "run")["epoch"] == 4


def test_without_averaging_the_model_itself_is_saved(toy_config: MakeConfig, tmp_path: Path):
    train(toy_config(tmp_path / "run", optim={"epochs": 1, "average": 0}))
    state = state_of(tmp_path / "run")
    assert all(torch.equal(tensor, state["average"][f"module.{name}"]) for name, tensor in state["model"].items())


def test_an_open_vocabulary_without_word_times(toy_config: MakeConfig, prepared: Path, tmp_path: Path):
    for name in ("train-000000.tar", "dev-000000.tar"):
        clips = [replace(p, clip=replace(p.clip, words=())) for p in read_shard(prepared / name)]
        write_shard(tmp_path / name, clips)
    config = toy_config(
        tmp_path / "run",
        data={"folder": str(tmp_path), "limit": 5},
        model={"tokenizer": {"kind": "characters", "characters": " bdeglnru"}},
        optim={"epochs": 1, "frame_weight": 0, "precision": "bf16-mixed"},
    )
    train(config)
    (row,) = log_of(tmp_path / "run")
    assert float(row["train_loss"]) == float(row["train_ctc"])


@pytest.mark.parametrize(("ctc_weight", "precision"), [(0.0, "32-true"), (0.3, "bf16-mixed")])
def test_one_line_trains_a_decoder_alone_or_with_ctc(
    toy_config: MakeConfig, tmp_path: Path, ctc_weight: float, precision: str
):
    config = toy_config(
        tmp_path / "run",
        model={"decoder": {"hidden": 8}},
        optim={"epochs": 1, "ctc_weight": ctc_weight, "sampling": 0.3, "precision": precision},
    )
    spec, reader = load_checkpoint(train(config))
    assert (spec.ctc, reader.ctc is not None, reader.decoder.rnn.hidden_size) == (ctc_weight > 0, ctc_weight > 0, 8)
    (row,) = log_of(tmp_path / "run")
    parts = {name: float(row.get(f"train_{name}", 0)) for name in ("ctc", "frame", "attention")}
    wanted = ctc_weight * (parts["ctc"] + parts["frame"]) + (1 - ctc_weight) * parts["attention"]
    assert float(row["train_loss"]) == pytest.approx(wanted)
    assert ("dev_ctc" in row, "dev_greedy_wer" in row) == (ctc_weight > 0, ctc_weight > 0)
    assert float(row["dev_attention"]) > 0


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_the_precision_asked_for_is_what_is_learned_in(
    toy_config: MakeConfig, tmp_path: Path, precision: str, dtype: torch.dtype
):
    seen = set()

    def look(module: torch.nn.Module, _: Any, out: Any) -> None:
        if isinstance(module, torch.nn.Conv2d) and module.training:
            seen.add(out.dtype)

    with torch.nn.modules.module.register_module_forward_hook(look):
        train(toy_config(tmp_path / "run", optim={"epochs": 1, "precision": precision}))
    assert seen == {dtype}


@pytest.mark.parametrize(
    ("knows", "wanted"), [({"avx512_bf16": True}, "bf16-mixed"), ({"avx512_bf16": False}, "32-true")]
)
def test_what_the_processor_does_not_compute_in_is_not_taken(monkeypatch: pytest.MonkeyPatch, knows: dict, wanted: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    known = {"avx": True, "cpu_name": "bf16", **knows}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)  # torch 2.6 has none
    assert loop.best_precision() == wanted


def test_the_learning_rate_rises_along_a_line_and_falls_along_half_a_cosine():
    factor = loop.one_cycle(100, 0.1)
    rates = [factor(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 0.001
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert [loop.one_cycle(1, 0.5)(step) for step in range(2)] == [1, 1]  # a run of a single step


# Messages


def test_a_folder_that_holds_a_run(straight: Path, toy_config: MakeConfig):
    with pytest.raises(ConfigError, match=r"straight holds a run already: add --resume to resume it, or set another"):
        train(toy_config(straight))
    with pytest.raises(ConfigError, match=r"config.yaml differs from the config given \(seed 1, now 9\): resume"):
        train(toy_config(straight, seed=9), resume=True)


@pytest.mark.parametrize("place", ["folder", "also"])
def test_clips_with_other_crops_than_the_models_are_not_trained_on(
    toy_config: MakeConfig, prepared: Path, tmp_path: Path, place: str
):
    other = tmp_path / "other"
    shutil.copytree(prepared, other)
    (other / "prepare.json").write_text('{"crop": "auto-avsr"}')
    config = toy_config(tmp_path / "run", data={place: str(other) if place == "folder" else [str(other)]})
    with pytest.raises(ConfigError, match=r"other holds auto-avsr crops, but the model reads lipscribe crops"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_a_model_that_reads_other_crops_with_fixed_normalisation_is_trained_on_them(
    toy_config: MakeConfig, prepared: Path, tmp_path: Path
):
    shutil.copytree(prepared, tmp_path / "other")
    (tmp_path / "other" / "prepare.json").write_text('{"crop": "auto-avsr"}')
    model = {"input": {"height": 32, "width": 48, "crop": "auto-avsr", "normalisation": "fixed"}}
    config = toy_config(tmp_path / "run", data={"folder": str(tmp_path / "other")}, model=model)
    data = load_data(config)
    train_set, dev_set = data.train_set, data.dev_set
    assert train_set.augment.normalise is normalise_fixed
    (batch,) = dev_set.batches(4)
    crops = next(read_shard(dev_set.shards[0])).crops
    torch.testing.assert_close(batch.video[0, : len(crops)], crops_to_video(crops, 32, 48, "fixed"))


def test_nothing_to_resume(toy_config: MakeConfig, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"run has no run to resume: leave out --resume"):
        train(toy_config(tmp_path / "run"), resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_that_ended_before_its_first_epoch_can_be_started_again(toy_config: MakeConfig, tmp_path: Path):
    with pytest.raises(ManifestError, match="run `lipscribe prepare` first"):
        train(toy_config(tmp_path / "run", data={"folder": str(tmp_path / "absent")}))
    folders = {"folder": str(tmp_path / "one"), "also": [str(tmp_path), str(tmp_path / "two"), str(tmp_path / "one")]}
    with pytest.raises(ManifestError, match=r"^\S*/one, \S*/two are not folders: run `lipscribe prepare` first"):
        train(toy_config(tmp_path / "run", data=folders))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interruption):
        interrupt(patch, "ctc_loss", 2)
        train(toy_config(tmp_path / "run", optim={"epochs": 1}))
    train(toy_config(tmp_path / "run", optim={"epochs": 1}), resume=True)  # which is then as good as none


def test_an_output_that_cannot_be_written(toy_config: MakeConfig, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/run cannot be written \(.*\): set another output"):
        train(toy_config(tmp_path / "file" / "run"))


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "other"])
def test_a_damaged_state_is_not_resumed_from(toy_config: MakeConfig, tmp_path: Path, damage: str):
    config = toy_config(tmp_path / "run", optim={"epochs": 1})
    train(config)
    path = tmp_path / "run" / RESUME_FILE
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "garbage": b"hello", "other": whole}[damage])
    if damage == "other":
        torch.save([1, 2], path)
    with pytest.raises(
        CheckpointError, match=r"last.ckpt cannot be resumed from \(.+\): start again in another output"
    ):
        train(config, resume=True)


def test_long_epochs_say_how_far_they_are_unless_a_bar_does(
    toy_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logs, "LINE_EVERY", 0.0)
    said: dict[str, list[str]] = {"line": [], "bar": []}
    train(toy_config(tmp_path / "line", optim={"epochs": 1, "batch_size": 1}), say=said["line"].append)
    train(
        toy_config(tmp_path / "bar", optim={"epochs": 1, "batch_size": 1}),
        progress=lambda *_: None,
        say=said["bar"].append,
    )
    within = [line for line in said["line"] if " steps (" in line]
    assert [line.split()[2:5] for line in within] == [
        [str(n), "of", str(len(within) + 1)] for n in range(1, len(within) + 1)
    ]
    assert within
    found = re.search(r"train_loss ([\d.]+)  0.0 min left of the epoch", within[-1])
    assert found and float(found[1]) == pytest.approx(float(log_of(tmp_path / "line")[0]["train_loss"]), rel=0.5)
    assert not any(" steps (" in line for line in said["bar"])
