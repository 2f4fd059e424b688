"""`lipscribe transcribe`."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli.searching import (
    BEAM_SIZE_HELP,
    CTC_WEIGHT_HELP,
    GRAMMAR_HELP,
    LENGTH_BONUS_HELP,
    LM_HELP,
    LM_WEIGHT_HELP,
    PHRASES_HELP,
    PRECISION_HELP,
    SEARCH_HELP,
    WORD_BONUS_HELP,
    Precision,
    Search,
)


class Format(StrEnum):  # noqa: D101
    txt = "txt"
    json = "json"
    srt = "srt"
    vtt = "vtt"
    tsv = "tsv"


def transcribe(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    model: Annotated[str, typer.Option(help="A model's name (see `lipscribe models`) or folder.")] = "grid-s1",
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.txt,
    output: Annotated[Path | None, typer.Option(help="Folder for one result per video; without it, stdout.")] = None,
    face: Annotated[str, typer.Option(help="Whom to read: moving, largest, all, or a face's id.")] = "moving",
    search: Annotated[Search, typer.Option(help=SEARCH_HELP)] = Search.auto,
    grammar: Annotated[str | None, typer.Option(help=GRAMMAR_HELP)] = None,
    phrases: Annotated[str | None, typer.Option(help=PHRASES_HELP)] = None,
    lm: Annotated[str | None, typer.Option(help=LM_HELP)] = None,
    lm_weight: Annotated[float | None, typer.Option(help=LM_WEIGHT_HELP, min=0)] = None,
    word_bonus: Annotated[float | None, typer.Option(help=WORD_BONUS_HELP)] = None,
    length_bonus: Annotated[float, typer.Option(help=LENGTH_BONUS_HELP)] = 0.0,
    ctc_weight: Annotated[float | None, typer.Option(help=CTC_WEIGHT_HELP)] = None,
    beam_size: Annotated[int | None, typer.Option(help=BEAM_SIZE_HELP, min=1)] = None,
    nbest: Annotated[int, typer.Option(help="Readings of each stretch in JSON, with their scores.", min=1)] = 1,
    alternatives: Annotated[int, typer.Option(help="Words in JSON that each was chosen over, at most.", min=0)] = 3,
    mark_unsure: Annotated[
        bool, typer.Option("--mark-unsure", help="Write unsure words as \\[word?]; JSON has all probabilities anyway.")
    ] = False,
    unsure_below: Annotated[float, typer.Option(help="Probability below which a word is unsure.", min=0, max=1)] = 0.5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[Precision, typer.Option(help=PRECISION_HELP)] = Precision.float32,
) -> int:
    """Read the words from videos, by the picture alone.

    Examples:
      lipscribe transcribe clip.mpg

      lipscribe transcribe *.mp4 --format srt --output subs/

      lipscribe transcribe two-people.mp4 --face all --format json

      lipscribe transcribe clip.mp4 --model runs/mine --phrases commands.txt

      lipscribe transcribe clip.mp4 --model my-vsr --lm my-lm --lm-weight 0.3 --beam-size 40

      lipscribe transcribe clip.mp4 --mark-unsure --unsure-below 0.7
    """
    from lipscribe.cli.files import result_paths
    from lipscribe.cli.searching import search_options
    from lipscribe.errors import LipscribeError
    from lipscribe.pipeline import load_model
    from lipscribe.transcript import mark_unsure as marked

    if len(videos) > 1 and output is None and format not in (Format.txt, Format.json):
        raise typer.BadParameter(f"several videos as {format} need --output FOLDER", param_hint="--output")
    paths = result_paths(videos, output, format.value)
    reader = load_model(model, device, precision.value)
    options = search_options(
        reader,
        search,
        grammar=grammar,
        phrases=phrases,
        lm=lm,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        length_bonus=length_bonus,
        ctc_weight=ctc_weight,
        beam_size=beam_size,
        nbest=nbest,
        alternatives=alternatives if format is Format.json else 0,
    )
    failed = 0  # this function is long on purpose: most of it is the flags' help
    for video, path in zip(videos, paths, strict=True):
        try:
            transcript = reader.transcribe(video, face=face, options=options, progress=True)
        except LipscribeError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if format is Format.json:
            transcript = _with_homophenes(transcript)
        elif mark_unsure:
            transcript = marked(transcript, unsure_below)
        _write(transcript, video, path, format, several=len(videos) > 1)
    if failed and len(videos) > 1:
        print(f"{failed} of {len(videos)} videos could not be read", file=sys.stderr)
    return 0 if not failed else 2 if failed == len(videos) else 1


def _with_homophenes(transcript):
    if not any(word.alternatives for word in transcript.words):
        return transcript
    from lipscribe.talker.homophenes import mark_homophenes  # reads a dictionary

    return mark_homophenes(transcript)


def _write(transcript, video: Path, path: Path | None, format: Format, several: bool) -> None:
    from lipscribe.transcript import WRITERS, write_transcript

    for warning in transcript.warnings:
        print(f"warning: {video}: {warning}", file=sys.stderr)
    if path is None and format is Format.json and several:
        print(json.dumps(transcript.to_dict(), ensure_ascii=False), flush=True)  # one object a line
    elif path is None and several:
        for line in WRITERS["txt"](transcript).splitlines() or [""]:
            print(f"{video}: {line}", flush=True)  # as grep does with several files
    else:
        write_transcript(transcript, format.value, path)
    if path is not None:
        print(f"{video} -> {path}", file=sys.stderr)
    if not transcript.text:
        print(f"note: {video}: no words were read", file=sys.stderr)
