"""`lipscribe calibrate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags
from lipscribe.cli.searching import Search

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.models.spec import ModelSpec


def calibrate(
    source: Annotated[Path, typer.Argument(help="A prepared folder.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="A model's folder, whose spec.json is rewritten, or its name.", show_default=False)
    ],
    split: Annotated[str, typer.Option(help="Which split: one that the model was not trained on.")] = "dev",
    search: flags.Search = Search.auto,
    grammar: flags.GrammarFile = None,
    phrases: flags.Phrases = None,
    beam_size: flags.BeamSize = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A new folder for a calibrated copy; the model itself stays as it is. Bundled models need one.",
            show_default=False,
        ),
    ] = None,
    device: flags.Device = "auto",
) -> None:
    """Calibrate a model's word probabilities by temperature scaling, and save the temperature with the model.

    Each search has its own temperature: repeat it with --search beam if you use that too. The words stay the same. It
    also fits the limit of familiarity: segments unlike these clips are marked.

    Examples:
      lipscribe calibrate prepared/ --model runs/mine

      lipscribe calibrate prepared/ --model runs/mine --search beam

      lipscribe calibrate prepared/ --model grid -o calibrated/
    """
    from dataclasses import replace

    from lipscribe.cli.bars import bars
    from lipscribe.cli.searching import search_options
    from lipscribe.errors import LipscribeError
    from lipscribe.evaluation import calibrate_prepared
    from lipscribe.pipeline import load_model
    from lipscribe.zoo.registry import BUNDLED, find_model

    folder = find_model(model)
    if output is None and folder.resolve().is_relative_to(BUNDLED.resolve()):
        raise LipscribeError(f"{model} is part of the package and stays as it is: give --output FOLDER for a copy")
    if output is not None and output.exists():
        raise LipscribeError(f"{output} exists: give another --output for the calibrated copy, or delete it first")
    reader = load_model(model, device)
    options = search_options(reader, search, grammar=grammar, phrases=phrases, beam_size=beam_size)
    with bars() as progress:
        fit = calibrate_prepared(reader, source, split, options, progress)
    temperatures = {**reader.spec.temperatures, options.method: fit.temperature}
    limit = fit.surprise_limit if fit.surprise_limit is not None else reader.spec.surprise_limit
    _save(folder, output, replace(reader.spec, temperatures=temperatures, surprise_limit=limit))
    print(f"temperature {fit.temperature} for search {options.method}, from {fit.num_words} words of {split}")
    print(f"expected calibration error {fit.before:.1%} before, {fit.after:.1%} after (fitted and measured on halves)")
    if fit.surprise_limit is not None:
        print(f"surprise limit {fit.surprise_limit}: segments above it are marked as unfamiliar")
    print(f"written to {output or folder}", file=sys.stderr)


def _save(folder: Path, output: Path | None, spec: "ModelSpec") -> None:
    """Writes a model's spec in place, or with a copy of the model, atomically."""
    import shutil

    from lipscribe.errors import LipscribeError
    from lipscribe.models.spec import save_spec
    from lipscribe.resumable import staged

    try:
        if output is None:
            save_spec(folder, spec)
            return
        with staged(output) as copied:
            shutil.copytree(folder, copied)
            save_spec(copied, spec)
    except OSError as error:
        target = output or folder
        raise LipscribeError(f"{target} cannot be written ({error.strerror}): give another --output FOLDER") from None
