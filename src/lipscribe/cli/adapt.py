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
        typer.Argument(
            help="Videos, folders of them, or manifests (JSONL) of one person. With --phrases one folder.",
            show_default=False,
        ),
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
        str | None,
        typer.Option(
            "--from",
            help="The model to adapt. With --phrases the one whose network looks at the lips.",
            show_default=DEFAULT_MODEL,
            autocompletion=flags.model_names,
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time to use at most, about.", min=0.1, show_default="what is needed")
    ] = None,
    phrases: Annotated[
        bool, typer.Option("--phrases", help="Learn phrases of any words, to tell them apart (see docs/phrases.md).")
    ] = False,
    add: Annotated[
        bool, typer.Option("--add", help="With --phrases: add to the model of that name, which exists.")
    ] = False,
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

      lipscribe adapt phrases/ --phrases --name mine

      lipscribe adapt more/ --phrases --name mine --add
    """
    # More than 60 lines on purpose: most of them declare the options.
    if phrases:
        return _phrases(recordings, name, add, prompts, base, {"--minutes": minutes, "--untranscribed": untranscribed})
    if add:
        raise typer.BadParameter("goes with --phrases; without it a model learns anew", param_hint="--add")
    import json

    from lipscribe.adaptation.adapt import adapt as run
    from lipscribe.cli.bars import bars

    with bars() as progress:
        result = run(
            recordings,
            name,
            prompts,
            base or DEFAULT_MODEL,
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


def _phrases(
    recordings: list[str], name: str, add: bool, prompts: Path | None, base: str | None, others: dict[str, object]
) -> int:
    """`lipscribe adapt --phrases`."""
    from lipscribe.cli.phrases import learn

    for option, value in others.items():
        if value:
            raise typer.BadParameter("does not go with --phrases", param_hint=option)
    if len(recordings) != 1:
        raise typer.BadParameter("wanted one folder with --phrases", param_hint="RECORDINGS")
    return learn(Path(recordings[0]), name, add, prompts, base)
