"""`lipscribe evaluate`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli.searching import (
    GRAMMAR_HELP,
    LM_HELP,
    LM_WEIGHT_HELP,
    PHRASES_HELP,
    SEARCH_HELP,
    WORD_BONUS_HELP,
    Search,
)


def evaluate(
    source: Annotated[
        Path, typer.Argument(help="A prepared folder, or a JSONL manifest of clips.", show_default=False)
    ],
    split: Annotated[str, typer.Option(help="Which split to read.")] = "dev",
    model: Annotated[str, typer.Option(help="A model's name (see `lipscribe models`) or folder.")] = "grid-s1",
    output: Annotated[Path | None, typer.Option(help="Folder for the report: JSON, text and a page of plots.")] = None,
    from_video: Annotated[
        bool,
        typer.Option("--from-video", help="Read the video files themselves, the whole way, not the prepared crops."),
    ] = False,
    search: Annotated[Search, typer.Option(help=SEARCH_HELP)] = Search.auto,
    grammar: Annotated[str | None, typer.Option(help=GRAMMAR_HELP)] = None,
    phrases: Annotated[str | None, typer.Option(help=PHRASES_HELP)] = None,
    lm: Annotated[str | None, typer.Option(help=LM_HELP)] = None,
    lm_weight: Annotated[float, typer.Option(help=LM_WEIGHT_HELP, min=0)] = 0.5,
    word_bonus: Annotated[float, typer.Option(help=WORD_BONUS_HELP)] = 0.0,
    beam_size: Annotated[int, typer.Option(help="Hypotheses kept by the beam.", min=1)] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> int:
    """Measure how well a model reads a split: WER, CER, where the errors are, the worst clips.

    Examples:

      lipscribe evaluate prepared/ --split dev --model runs/grid-s1 --output report/

      lipscribe evaluate prepared/ --split dev --from-video

      lipscribe evaluate my-clips.jsonl --split test
    """
    from lipscribe.cli.files import result_folder
    from lipscribe.cli.searching import search_options
    from lipscribe.data.manifest import load_manifest
    from lipscribe.errors import ManifestError
    from lipscribe.evaluation import evaluate_prepared, evaluate_videos, write_evaluation
    from lipscribe.evaluation.report import facts, headline
    from lipscribe.pipeline import load_model

    if output is not None:
        result_folder(output)
    raw = from_video or source.is_file()
    manifest = source if source.is_file() else source / "manifest.jsonl"
    clips = [clip for clip in load_manifest(manifest) if clip.split == split] if raw else []
    if raw and not clips:
        raise ManifestError(f"{manifest} has no clip of split {split!r}: give another --split")
    reader = load_model(model, device)
    files = {"grammar": grammar, "phrases": phrases, "lm": lm}
    options = search_options(reader, search, beam_size, **files, lm_weight=lm_weight, word_bonus=word_bonus)
    evaluation = evaluate_videos(reader, clips, options) if raw else evaluate_prepared(reader, source, split, options)
    print("\n".join([headline(evaluation), *facts(evaluation)]))
    failures = _tell_failures(evaluation)
    for path in write_evaluation(evaluation, output) if output is not None else ():
        typer.echo(str(path), err=True)
    return 1 if failures else 0


def _tell_failures(evaluation) -> int:
    failures = [clip for clip in evaluation.clips if clip.failure]
    for clip in failures:
        print(f"could not be read: {clip.id}: {clip.failure}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(evaluation.clips)} clips could not be read: their words count as left out")
    return len(failures)
