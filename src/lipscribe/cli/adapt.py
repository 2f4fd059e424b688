"""`lipscribe adapt`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags
from lipscribe.zoo.registry import DEFAULT_MODEL


def adapt(
    recordings: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of them, or manifests (JSONL) of one person.", show_default=False),
    ],
    name: Annotated[str, typer.Option(help="Name of the new model.", show_default=False)],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="What is said: lines `FILE TEXT`, or texts in the order of the files.",
            show_default="a text beside each video, such as clip1.txt",
        ),
    ] = None,
    base: Annotated[
        str, typer.Option("--from", help="The model to adapt.", autocompletion=flags.model_names)
    ] = DEFAULT_MODEL,
    minutes: Annotated[
        float | None, typer.Option(help="Time to use at most, about.", min=0.1, show_default="what is needed")
    ] = None,
    untranscribed: Annotated[
        bool, typer.Option("--untranscribed", help="Learn from the videos alone, without texts.")
    ] = False,
    trust_texts: Annotated[
        bool, typer.Option("--trust-texts", help="Learn even if the texts do not seem to be what is said.")
    ] = False,
    same_person: Annotated[
        bool, typer.Option("--same-person", help="Learn even if the recordings seem to be of several people.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes.", min=1, show_default="one for each CPU, up to 4")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> int:
    """Adapt a lip reader to one person, from 5 short recordings with their texts on.

    Recordings are checked first: face, size, light, speech, one person, texts that fit. At the end comes an honest
    estimate of how well the new model reads that person. The same command resumes an interrupted run.

    Examples:
      lipscribe adapt recordings/ --prompts prompts.txt --name me

      lipscribe adapt clips.jsonl --name me --minutes 2

      lipscribe transcribe me.mp4 --model me
    """
    # More than 60 lines on purpose: most of them are the options.
    import json

    from lipscribe.adaptation.adapt import adapt as run
    from lipscribe.cli.bars import bars

    # Other kinds of adaptation, each with a function of its own, branch off here.
    with bars() as progress:
        result = run(
            recordings,
            name,
            prompts,
            base,
            minutes=minutes,
            untranscribed=untranscribed,
            trust_texts=trust_texts,
            same_person=same_person,
            jobs=jobs,
            progress=progress,
            say=lambda line: print(line, file=sys.stderr),
        )
    print(json.dumps(result.to_dict(), indent=2) if as_json else "\n".join(result.lines()))
    if not result.exported:
        print("note: without the package onnx there are no ONNX graphs: reading needs torch", file=sys.stderr)
    print(f"read with it: lipscribe transcribe VIDEO --model {result.name}   ({result.folder})", file=sys.stderr)
    return 1 if result.left_out else 0
