"""`lipscribe inspect`."""

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    output: Annotated[Path | None, typer.Option(help="Folder for the pictures and the JSON.")] = None,
) -> int:
    """Say why a video will or will not be read: frame rate, faces, size and sharpness of the mouth.

    Examples:
      lipscribe inspect clip.mpg

      lipscribe inspect clip.mpg --output report/
    """
    return 0
