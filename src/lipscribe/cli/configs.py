"""`lipscribe configs`, and `copy` under it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags


def configs(ctx: typer.Context) -> None:
    """List the training configs in the package; copy one to edit it.

    Examples:
      lipscribe configs

      lipscribe configs copy characters -o mine.yaml

      lipscribe train few-clips
    """
    from lipscribe.training.config_file import list_configs

    known = list(list_configs())
    width = max(len(name) for name, _ in known)
    for name, summary in known:
        print(f"{name:{width}s}  {summary}")


def copy(
    name: flags.ConfigName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="NAME.yaml")
    ] = None,
) -> None:
    """Write a config to your own file, with the settings of its base merged; the run is named after the file.

    Examples:
      lipscribe configs copy characters

      lipscribe configs copy few-clips -o mine.yaml
    """
    from lipscribe.atomic import write_text
    from lipscribe.errors import LipscribeError
    from lipscribe.training.config_file import whole_config

    path = Path(f"{name}.yaml") if output is None else output
    text = whole_config(name, path)
    if path.exists():
        raise LipscribeError(f"{path} exists: give another file with --output, or delete it first")
    try:
        write_text(path, text)
    except OSError as error:
        raise LipscribeError(f"{path} cannot be written ({error.strerror}): give another file with --output") from None
    print(path)
    print(f"edit it, then: lipscribe train {path}", file=sys.stderr)
