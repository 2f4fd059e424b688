"""`lipscribe download`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.data.corpora.registry import CORPORA, find_corpus


def download(
    corpus: Annotated[
        str, typer.Argument(help=f"One of {', '.join(entry.name for entry in CORPORA)}.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Its folder.", show_default="the corpus's name")
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence of the corpus, and accept it.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only archives of this name, such as s1.zip or 's[1-4].zip'; repeatable.")
    ] = None,
) -> int:
    """Download a corpus, or print how to get it where its authors give it on request. Resumes where it was interrupted.

    The exit code is 0 where nothing is left to be fetched, 2 where the corpus has to be asked for.

    Examples:
      lipscribe download grid -o GRID/

      lipscribe download grid -o GRID/ --only 's[1-4].zip' --only alignments.zip --accept-licence

      lipscribe download lrs2
    """
    from lipscribe.cli.bars import bars
    from lipscribe.data.corpora.fetching import Download, OnRequestError
    from lipscribe.errors import LipscribeError

    entry = find_corpus(corpus)
    folder = output or Path(entry.name)
    _say(f"{entry.name}: {entry.about}" + (f"; {entry.gigabytes:g} GB" if entry.gigabytes else ""))
    if entry.licence_url:
        _say(f"licence: {entry.licence} ({entry.licence_url})")
    if entry.gigabytes and not accept_licence:
        raise LipscribeError(
            f"{entry.name} was not fetched, since its licence is not accepted: if you accept it, run "
            f"`lipscribe download {entry.name} -o {folder} --accept-licence`"
        )
    try:
        with bars() as progress:
            entry.download(Download(folder, tuple(only or ()), _say, progress))
    except OnRequestError as error:
        print(error.instructions)
        if entry.is_own:  # nothing is missing
            return 0
        raise
    _say(f"next: lipscribe prepare {entry.name} --root {folder} --output prepared-{entry.name}/")
    print(folder)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
