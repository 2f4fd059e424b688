"""`lipscribe train`."""

import sys
from typing import Annotated

import typer

from lipscribe.cli import flags


def train(
    config: flags.Config,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue after the last finished epoch."),
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
) -> None:
    """Train a lip reader from prepared clips.

    Examples:
      lipscribe train few-clips

      lipscribe train few-clips --resume

      lipscribe train mine.yaml --start-from runs/few-clips --output runs/warm
    """
    from lipscribe.cli.bars import bars
    from lipscribe.training.config import load_config
    from lipscribe.training.loop import train as run

    given = {"output": output, "data__folder": data, "optim__epochs": epochs, "start_from": start_from}
    changes = {name: value for name, value in given.items() if value is not None}
    if epochs is not None:
        changes["optim__steps"] = None  # which would replace the epochs
    settings = load_config(config, **changes)
    with bars() as progress:
        folder = run(settings, resume, progress, lambda line: print(line, file=sys.stderr))
    print(folder)
