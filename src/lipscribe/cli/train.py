"""`lipscribe train`."""

import sys
from typing import Annotated, Any, Literal

import typer

from lipscribe.cli import engines, flags
from lipscribe.errors import ConfigError


def _many(help: str, **limits: Any) -> Any:
    return typer.Option(help=help, rich_help_panel="Many processes", **limits)


Devices = Annotated[int | None, _many("Processes (GPUs) of a machine, instead of the config's.", min=1)]
NumNodes = Annotated[int | None, _many("Machines, instead of the config's.", min=1)]
Strategy = Annotated[
    Literal["ddp", "fsdp"] | None, _many("The whole model in each process, or its weights spread over them.")
]
NumWorkers = Annotated[int | None, _many("Processes on the Ray cluster.", min=1)]
MaxRestarts = Annotated[int, _many("How often a lost process on Ray lets all start again.", min=0)]


def train(
    config: flags.Config,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue after the last state that was kept."),
    ] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Run folder, instead of the config's.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Prepared folder, instead of the config's.", show_default=False)
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(help="Model to start from, by name or folder.", show_default=False),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of the config's.", show_default=False)] = None,
    devices: Devices = None,
    num_nodes: NumNodes = None,
    strategy: Strategy = None,
    engine: engines.EngineFlag = engines.EngineName.local,
    num_workers: NumWorkers = None,
    address: engines.Address = None,
    max_restarts: MaxRestarts = 0,
) -> int:
    """Train a lip reader from prepared clips.

    Examples:
      lipscribe train few-clips

      lipscribe train few-clips --resume

      lipscribe train mine.yaml --start-from runs/few-clips --output runs/warm

      lipscribe train mine.yaml --devices 8

      lipscribe train mine.yaml --engine ray --num-workers 16 --address auto --max-restarts 3
    """
    given = {"output": output, "data__folder": data, "optim__epochs": epochs, "start_from": start_from}
    given |= {"devices": devices, "num_nodes": num_nodes, "strategy": strategy}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if epochs is not None:
        changes["optim__steps"] = None  # which would replace the epochs
    if engine is engines.EngineName.ray:
        _refuse("ray", {"--devices": devices, "--num-nodes": num_nodes})
        address = engines.cluster_address(address)
        return _train_on_ray(config, changes, num_workers or 1, address, max_restarts, resume)
    _refuse("local", {"--num-workers": num_workers, "--address": address, "--max-restarts": max_restarts or None})
    return _train_here(config, changes, resume)


def _refuse(engine: str, others: dict[str, Any]) -> None:
    """Refuses the flags of the other engine."""
    for name, value in others.items():
        if value is not None:
            raise ConfigError(f"{name} has no meaning with --engine {engine}: leave it out, or give the other engine")


def _train_here(config: str, changes: dict[str, Any], resume: bool) -> int:
    from lipscribe.cli.bars import bars
    from lipscribe.training.config import load_config
    from lipscribe.training.loop import is_first, train
    from lipscribe.training.parallel import OtherProcessError

    settings = load_config(config, **changes)
    try:
        with bars() as progress:
            folder = train(settings, resume, progress, _say)
    except OtherProcessError:  # which the other process says
        return 2
    if is_first():
        print(folder)
    return 0


def _train_on_ray(
    config: str, changes: dict[str, Any], num_workers: int, address: str | None, max_restarts: int, resume: bool
) -> int:
    from lipscribe.training.config import load_config
    from lipscribe.training.ray_job import train_on_ray

    settings = load_config(config, **changes, devices=1, num_nodes=num_workers)
    print(train_on_ray(settings, num_workers, address, max_restarts, resume, _say))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
