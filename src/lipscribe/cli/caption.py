"""`lipscribe caption`."""

from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags


def caption(
    videos: flags.Videos,
    output: Annotated[
        str, typer.Option("--output", "-o", help="An MP4 for one video, or a folder for NAME.captioned.mp4 of each.")
    ] = ".",
    model: flags.Model = "grid",
    face: flags.Face = "moving",
    grammar: flags.GrammarFile = None,
    phrases: flags.Phrases = None,
    mark_unsure: Annotated[bool, typer.Option("--mark-unsure", help="Write unsure words as \\[word?].")] = False,
    unsure_below: Annotated[float, typer.Option(help="Probability below which a word is unsure.", min=0, max=1)] = 0.5,
    jobs: flags.Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write errors, and nothing else.")] = False,
) -> int:
    """Make captioned videos: `transcribe --format mp4`, which has more options.

    Examples:
      lipscribe caption clip.mp4 -o captioned.mp4

      lipscribe caption recordings/ -o captioned/
    """
    from lipscribe.cli.results import Format, check_video_name
    from lipscribe.cli.transcribe import transcribe

    if not Path(output).is_dir():
        check_video_name(Path(output))
    return transcribe(
        videos,
        model,
        Format.mp4,
        output,
        face=face,
        grammar=grammar,
        phrases=phrases,
        mark_unsure=mark_unsure,
        unsure_below=unsure_below,
        jobs=jobs,
        quiet=quiet,
    )
