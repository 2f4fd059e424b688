"""Flags shared by several commands; `typer` reads them from the commands' signatures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lipscribe.cli import searching
from lipscribe.cli.sources import VIDEOS_HELP

_SEARCH = "How to search"  # a panel of the help


def _search(help: str, **limits: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=_SEARCH, **limits)


def model_names(incomplete: str) -> list[str]:
    """Shell completion of --model."""
    from lipscribe.zoo.registry import list_models

    return [name for name, _ in list_models() if name.startswith(incomplete)]


def _configs(incomplete: str) -> list[str]:
    """Shell completion of configs, besides files."""
    from lipscribe.training.config_file import list_configs

    return [name for name, _ in list_configs() if name.startswith(incomplete)]


Videos = Annotated[list[str], typer.Argument(help=VIDEOS_HELP, show_default=False)]
Model = Annotated[
    str, typer.Option(help="A model's name (see `lipscribe models`) or folder.", autocompletion=model_names)
]
Config = Annotated[
    str,
    typer.Argument(
        help="A YAML file, or one of the names that `lipscribe configs` lists.",
        show_default=False,
        autocompletion=_configs,
    ),
]
ConfigName = Annotated[
    str,
    typer.Argument(help="One of those that `lipscribe configs` lists.", show_default=False, autocompletion=_configs),
]
Face = Annotated[str, typer.Option(help="Whom to read: moving (whose mouth moves most), largest, all, or a face's id.")]
Stream = Annotated[
    int | None,
    typer.Option(
        help="Number of the video stream, as ffprobe counts them.",
        min=0,
        show_default="the default one of those that move",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps; with torch, auto is a GPU where there is one.")]
Runtime = Annotated[
    searching.Runtime, typer.Option(help="What computes the network: auto is onnx where a model has it, else torch.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Videos to read at the same time, each in a process of its own; 1 starts none.",
        min=1,
        show_default="the CPUs, or 1 for a few short videos",
    ),
]
Precision = Annotated[searching.Precision, typer.Option(help=searching.PRECISION_HELP)]
Report = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for a report: pictures and JSON.", show_default=False),
]

Search = Annotated[searching.Search, _search(searching.SEARCH_HELP)]
GrammarFile = Annotated[str | None, _search(searching.GRAMMAR_HELP)]
Phrases = Annotated[str | None, _search(searching.PHRASES_HELP)]
LanguageModel = Annotated[str | None, _search(searching.LM_HELP)]
LmWeight = Annotated[float | None, _search(searching.LM_WEIGHT_HELP, min=0)]
WordBonus = Annotated[float | None, _search(searching.WORD_BONUS_HELP)]
LengthBonus = Annotated[float, _search(searching.LENGTH_BONUS_HELP)]
CtcWeight = Annotated[float | None, _search(searching.CTC_WEIGHT_HELP)]
BeamSize = Annotated[int | None, _search(searching.BEAM_SIZE_HELP, min=1)]
Initials = Annotated[str | None, _search(searching.INITIALS_HELP)]
OwnInitials = Annotated[
    bool,
    typer.Option(
        "--initials", help="Search with the initials of each clip's text, and without.", rich_help_panel=_SEARCH
    ),
]
