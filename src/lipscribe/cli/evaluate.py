"""`lipscribe evaluate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags
from lipscribe.cli.searching import Precision, Runtime, Search

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.evaluation import Evaluation


def evaluate(
    source: Annotated[
        Path, typer.Argument(help="A prepared folder, or a JSONL manifest of clips.", show_default=False)
    ],
    split: Annotated[str, typer.Option(help="Which split to read.")] = "dev",
    model: flags.Model = "grid",
    output: flags.Report = None,
    from_video: Annotated[
        bool,
        typer.Option("--from-video", help="Read the video files themselves, the whole way, not the prepared crops."),
    ] = False,
    search: flags.Search = Search.auto,
    grammar: flags.GrammarFile = None,
    phrases: flags.Phrases = None,
    lm: flags.LanguageModel = None,
    lm_weight: flags.LmWeight = None,
    word_bonus: flags.WordBonus = None,
    length_bonus: flags.LengthBonus = 0.0,
    ctc_weight: flags.CtcWeight = None,
    beam_size: flags.BeamSize = None,
    initials: flags.OwnInitials = False,
    device: flags.Device = "auto",
    precision: flags.Precision = Precision.float32,
    runtime: flags.Runtime = Runtime.auto,
) -> int:
    """Evaluate a model on a split: WER, CER, error statistics, the worst clips.

    Examples:

      lipscribe evaluate prepared/ --split dev --model runs/grid --output report/

      lipscribe evaluate prepared/ --split dev --from-video

      lipscribe evaluate my-clips.jsonl --split test

      lipscribe evaluate prepared/ --split dev --initials
    """
    from lipscribe.cli.bars import bars
    from lipscribe.cli.results import result_folder
    from lipscribe.cli.searching import search_options
    from lipscribe.data.manifest import load_manifest
    from lipscribe.errors import ManifestError
    from lipscribe.evaluation import evaluate_prepared, evaluate_videos, write_evaluation
    from lipscribe.pipeline import load_model
    from lipscribe.search.initials import Initials

    # More than 60 lines on purpose: most of them are flags.
    if output is not None:
        result_folder(output)
    raw = from_video or source.is_file()
    manifest = source if source.is_file() else source / "manifest.jsonl"
    clips = [clip for clip in load_manifest(manifest) if clip.split == split] if raw else []
    if raw and not clips:
        raise ManifestError(f"{manifest} has no clip of split {split!r}: give another --split")
    reader = load_model(model, device, precision.value, runtime=runtime.value)
    files = {"grammar": grammar, "phrases": phrases, "lm": lm}
    weights = {"lm_weight": lm_weight, "word_bonus": word_bonus, "length_bonus": length_bonus, "ctc_weight": ctc_weight}
    options = search_options(reader, search, beam_size=beam_size, **files, **weights)
    with bars() as progress:
        how = {"options": options, "progress": progress, "initials": Initials.of_text if initials else None}
        evaluation = evaluate_videos(reader, clips, **how) if raw else evaluate_prepared(reader, source, split, **how)
    failures = _tell(evaluation)
    for path in write_evaluation(evaluation, output) if output is not None else ():
        typer.echo(str(path), err=True)
    return 1 if failures else 0


def _tell(evaluation: "Evaluation") -> int:
    """Prints the figures and the clips that could not be read; returns how many these are."""
    from lipscribe.evaluation.report import facts, headline

    print("\n".join([headline(evaluation), *facts(evaluation)]))
    failures = [clip for clip in evaluation.clips if clip.failure]
    for clip in failures:
        print(f"could not be read: {clip.id}: {clip.failure}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(evaluation.clips)} clips could not be read: their words count as deletions")
    return len(failures)
