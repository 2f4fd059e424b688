"""`lipscribe train`."""

import sys
from typing import Annotated, Literal

import typer

from lipscribe.cli import flags
from lipscribe.errors import ConfigError

_MANY = "Many processes"  # a panel of the help


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
    devices: Annotated[
        int | None,
        typer.Option(help="Processes (GPUs) of a machine, instead of the config's.", rich_help_panel=_MANY),
    ] = None,
    num_nodes: Annotated[
        int | None, typer.Option(help="Machines, instead of the config's.", rich_help_panel=_MANY)
    ] = None,
    strategy: Annotated[
        Literal["ddp", "fsdp"] | None,
        typer.Option(help="The whole model in each process, or its weights spread over them.", rich_help_panel=_MANY),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where the processes run.", rich_help_panel=_MANY)
    ] = "local",
    num_workers: Annotated[
        int | None, typer.Option(help="Processes on the Ray cluster.", rich_help_panel=_MANY, min=1)
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="The Ray cluster: auto, ray://host:10001; without it one on this machine.", rich_help_panel=_MANY
        ),
    ] = None,
    max_restarts: Annotated[
        int, typer.Option(help="How often a lost process on Ray lets all start again.", rich_help_panel=_MANY, min=0)
    ] = 0,
) -> int:
    """Train a lip reader from prepared clips.

    Examples:
      lipscribe train few-clips

      lipscribe train few-clips --resume

      lipscribe train mine.yaml --start-from runs/few-clips --output runs/warm

      lipscribe train mine.yaml --devices 8

      lipscribe train mine.yaml --engine ray --num-workers 16 --address auto --max-restarts 3
    """
    from lipscribe.cli.bars import bars
    from lipscribe.training.config import load_config

    of_ray = {"--num-workers": num_workers, "--address": address, "--max-restarts": max_restarts or None}
    of_here = {"--devices": devices, "--num-nodes": num_nodes}
    for name, value in (of_here if engine == "ray" else of_ray).items():
        if value is not None:
            other = "local" if engine == "ray" else "ray"
            raise ConfigError(f"{name} is of --engine {other}, and the engine is {engine}: leave one of them out")
    given = {"output": output, "data__folder": data, "optim__epochs": epochs, "start_from": start_from}
    given |= {"devices": devices, "num_nodes": num_nodes, "strategy": strategy}
    changes = {name: value for name, value in given.items() if value is not None}
    if epochs is not None:
        changes["optim__steps"] = None  # which would replace the epochs
    if engine == "ray":  # the number is that of the workers
        changes |= {"devices": 1, "num_nodes": num_workers or 1}
    settings = load_config(config, **changes)
    if engine == "ray":
        from lipscribe.training.ray_job import train_on_ray

        print(train_on_ray(settings, num_workers or 1, address, max_restarts, resume, _say))
        return 0
    from lipscribe.training.loop import OtherProcessError, is_first
    from lipscribe.training.loop import train as run

    try:
        with bars() as progress:
            folder = run(settings, resume, progress, _say)
    except OtherProcessError:  # which the other process says
        return 2
    if is_first():
        print(folder)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
