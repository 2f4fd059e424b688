"""`lipscribe calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli.searching import BEAM_SIZE_HELP, GRAMMAR_HELP, PHRASES_HELP, SEARCH_HELP, Search


def calibrate(
    source: Annotated[Path, typer.Argument(help="A prepared folder.", show_default=False)],
    model: Annotated[str, typer.Option(help="A model's folder, whose spec.json is rewritten, or its name.")],
    split: Annotated[str, typer.Option(help="Which split: not the one that the model was trained on.")] = "dev",
    search: Annotated[Search, typer.Option(help=SEARCH_HELP)] = Search.auto,
    grammar: Annotated[str | None, typer.Option(help=GRAMMAR_HELP)] = None,
    phrases: Annotated[str | None, typer.Option(help=PHRASES_HELP)] = None,
    beam_size: Annotated[int | None, typer.Option(help=BEAM_SIZE_HELP, min=1)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Fit how sure the words of a model are to how often they are right, and keep it in the model's spec.

    Each search has its own number: run it again with --search beam where you use that too. No word is read differently.

    Examples:
      lipscribe calibrate prepared/ --model runs/mine

      lipscribe calibrate prepared/ --model runs/mine --search beam
    """
    from dataclasses import replace

    from lipscribe.cli.bars import bars
    from lipscribe.cli.searching import search_options
    from lipscribe.errors import LipscribeError
    from lipscribe.evaluation import calibrate_prepared
    from lipscribe.pipeline import load_model
    from lipscribe.zoo.checkpoint import save_spec
    from lipscribe.zoo.registry import find_model

    reader = load_model(model, device)
    options = search_options(reader, search, grammar=grammar, phrases=phrases, beam_size=beam_size)
    with bars() as progress:
        fit = calibrate_prepared(reader, source, split, options, progress)
    folder = find_model(model)
    temperatures = {**reader.spec.temperatures, options.method: fit.temperature}
    try:
        save_spec(folder, replace(reader.spec, temperatures=temperatures))
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): copy the model first") from None
    print(f"temperature {fit.temperature} for search {options.method}, from {fit.num_words} words of {split}")
    print(f"expected calibration error {fit.before:.1%} before, {fit.after:.1%} after (fitted and measured on halves)")
