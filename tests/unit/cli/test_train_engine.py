"""`lipscribe train --engine ray`: which cluster it asks for."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app

pytest.importorskip("torch")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The workers and the address of each training that is started on Ray."""
    calls: list[tuple[Any, ...]] = []

    def train_on_ray(config: Any, num_workers: int, address: str | None, *rest: object) -> Path:
        calls.append((num_workers, address))
        return Path("runs/last")

    monkeypatch.setattr("lipscribe.training.ray_job.train_on_ray", train_on_ray)
    monkeypatch.setattr("lipscribe.training.config.load_config", lambda *_, **__: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return calls


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", "few-clips", *arguments])
    return result.exit_code, result.stderr


def test_the_address_is_that_of_the_flag_else_of_the_environment(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
):
    assert run("--engine", "ray")[0] == 0
    monkeypatch.setenv("RAY_ADDRESS", "there:6379")
    assert run("--engine", "ray", "--num-workers", "3")[0] == 0
    assert run("--engine", "ray", "--address", "auto")[0] == 0
    assert asked == [(1, None), (3, "there:6379"), (1, "auto")]


def test_flags_of_the_other_engine_are_refused(asked: list[tuple[Any, ...]]):
    assert run("--address", "auto") == (
        2,
        "error: --address has no meaning with --engine local: leave it out, or give the other engine\n",
    )
    assert run("--engine", "ray", "--devices", "2")[0] == 2
    assert not asked
