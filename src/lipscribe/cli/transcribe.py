"""`lipscribe transcribe`."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):  # noqa: D101
    txt = "txt"
    json = "json"
    srt = "srt"
    vtt = "vtt"
    tsv = "tsv"


class Search(StrEnum):  # noqa: D101
    auto = "auto"
    greedy = "greedy"
    beam = "beam"
    grammar = "grammar"
    attention = "attention"
    joint = "joint"


def transcribe(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    model: Annotated[str, typer.Option(help="A model's name (see `lipscribe models`) or folder.")] = "grid-s1",
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.txt,
    output: Annotated[Path | None, typer.Option(help="Folder for one result per video; without it, stdout.")] = None,
    face: Annotated[str, typer.Option(help="Whom to read: moving, largest, all, or a face's id.")] = "moving",
    search: Annotated[
        Search, typer.Option(help="auto is the model's decoder or grammar if it has one, else beam.")
    ] = Search.auto,
    beam_size: Annotated[int, typer.Option(help="Hypotheses kept by the beam.", min=1)] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> int:
    """Read the words from videos, by the picture alone.

    Examples:
      lipscribe transcribe clip.mpg

      lipscribe transcribe *.mp4 --format srt --output subs/

      lipscribe transcribe two-people.mp4 --face all --format json
    """
    from lipscribe.cli.files import result_paths
    from lipscribe.errors import LipscribeError
    from lipscribe.pipeline import load_model
    from lipscribe.transcript import WRITERS, write_transcript

    if len(videos) > 1 and output is None and format not in (Format.txt, Format.json):
        raise typer.BadParameter(f"several videos as {format} need --output FOLDER", param_hint="--output")
    paths = result_paths(videos, output, format.value)
    reader = load_model(model, device)
    options = search_options(reader, search, beam_size)
    failed = 0
    for video, path in zip(videos, paths, strict=True):
        try:
            transcript = reader.transcribe(video, face=face, options=options, progress=True)
        except LipscribeError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        for warning in transcript.warnings:
            print(f"warning: {video}: {warning}", file=sys.stderr)
        if path is None and format is Format.json and len(videos) > 1:
            print(json.dumps(transcript.to_dict(), ensure_ascii=False), flush=True)  # one object a line
        elif path is None and len(videos) > 1:
            for line in WRITERS["txt"](transcript).splitlines() or [""]:
                print(f"{video}: {line}", flush=True)  # as grep does with several files
        else:
            write_transcript(transcript, format.value, path)
        if path is not None:
            print(f"{video} -> {path}", file=sys.stderr)
        if not transcript.text:
            print(f"note: {video}: no words were read", file=sys.stderr)
    if failed and len(videos) > 1:
        print(f"{failed} of {len(videos)} videos could not be read", file=sys.stderr)
    return 0 if not failed else 2 if failed == len(videos) else 1


def search_options(reader, search: str, beam_size: int):
    """The `SearchOptions` that the flags ask of a `Model`; None is the model's own."""
    from lipscribe.errors import ConfigError
    from lipscribe.search import SearchOptions

    if search == "auto":
        return None
    if search == "grammar":
        if reader.default_search.grammar is None:
            raise ConfigError(f"model {reader.name} has no grammar: give --search beam or greedy")
        return reader.default_search
    options = SearchOptions(method=str(search), beam_size=beam_size)
    reader.check_search(options)
    return options
