"""`python -m lipscribe.training`, the command of machines that have no command line of ours."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipscribe.training import __main__ as command


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
        return command.main(), *capsys.readouterr()

    return call


@pytest.fixture
def config(tmp_path: Path, toy_settings: Callable[..., dict[str, Any]]) -> Path:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(toy_settings(tmp_path / "run", optim={"epochs": 1})))
    return tmp_path / "toy.yaml"


def test_the_result_alone_is_on_stdout(run: Callable[..., tuple[int, str, str]], config: Path, tmp_path: Path):
    code, out, err = run(config)
    assert (code, out) == (0, f"{tmp_path / 'run' / 'last'}\n")
    assert "epoch   1" in err
    assert run(config, "--resume")[0] == 0


def test_an_error_is_one_line_and_exit_code_2(run: Callable[..., tuple[int, str, str]], tmp_path: Path):
    code, out, err = run(tmp_path / "none.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_progress_is_a_plain_line_now_and_then():
    said: list[str] = []
    report = command.progress_lines(said.append, every_s=3600)
    for done in range(4):
        report("epoch 1/2", done, 3)
    assert said == []
    report = command.progress_lines(said.append, every_s=0)
    report("epoch 1/2", 2, 3)
    assert said == ["epoch 1/2: 2 of 3 steps"]


def test_an_interruption_tells_how_to_go_on(
    run: Callable[..., tuple[int, str, str]], config: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lipscribe.training.loop.train", interrupted)
    assert run(config) == (1, "", "interrupted: --resume continues after the last state kept\n")
