"""`lipscribe adapt --phrases`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags


def adapt(
    recordings: Annotated[
        Path, typer.Argument(help="A folder of videos, a phrase in each (see docs/phrases.md).", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="What to call the model.", show_default=False)],
    phrases: Annotated[bool, typer.Option("--phrases", help="Learn phrases of any words, to be told apart.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Add phrases and recordings to the model of that name.")] = False,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="What is said: lines `file<TAB>text`, or one text a line in the order of the videos.",
            show_default="prompts.txt of the folder, texts beside the videos, or their names",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The model whose network looks at the lips.",
            show_default="the default one",
            autocompletion=flags.model_names,
        ),
    ] = None,
) -> int:
    """Make a model of your own: phrases of any words, from one to three recordings of each.

    Examples:
      lipscribe adapt phrases/ --phrases --name mine

      lipscribe transcribe clip.mp4 --model mine

      lipscribe adapt more/ --phrases --name mine --add
    """
    if not phrases:
        raise typer.BadParameter("wanted --phrases", param_hint="--phrases")
    return learn(recordings, name, add, prompts, base)


def learn(recordings: Path, name: str, add: bool, prompts: Path | None, base: str | None) -> int:
    """`lipscribe adapt --phrases`; returns the exit code."""
    from lipscribe.adaptation.phrase_sources import find_recordings
    from lipscribe.adaptation.phrases import learn_phrases
    from lipscribe.cli.bars import bars
    from lipscribe.text import count_of
    from lipscribe.zoo.registry import DEFAULT_MODEL

    found = find_recordings(recordings, prompts)
    base = base or ("" if add else DEFAULT_MODEL)
    with bars() as progress:
        made = learn_phrases(found, name, base, add, progress, lambda line: print(line, file=sys.stderr))
    print(f"{count_of(len(made.texts), 'phrase')} from {count_of(made.num_recordings, 'recording')}", file=sys.stderr)
    if len(found) > made.num_new + len(made.failed):
        print(f"note: {len(found) - made.num_new - len(made.failed)} recordings were there already", file=sys.stderr)
    right, total = made.right
    if total:
        print(f"each compared with the others: {right} of {total} recordings are read right", file=sys.stderr)
    else:
        print("note: a second recording of each phrase makes it surer (--add)", file=sys.stderr)
    print(f"read with: lipscribe transcribe clip.mp4 --model {name}", file=sys.stderr)
    print(made.folder)
    return 1 if made.failed else 0
