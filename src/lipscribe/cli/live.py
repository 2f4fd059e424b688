"""`lipscribe live`."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags
from lipscribe.cli.results import TEXTS, Format
from lipscribe.cli.searching import Runtime

if TYPE_CHECKING:  # modules that load the networks are imported where they are used
    from lipscribe.cli.live_outputs import Output, Segments
    from lipscribe.streaming import Stream, StreamUpdate
    from lipscribe.video.camera import LiveFrames


class LiveFormat(StrEnum):  # noqa: D101
    txt = "txt"
    json = "json"


def live(
    camera: Annotated[
        str, typer.Option(help="A camera's number, or a video file or URL that is played like a camera.")
    ] = "0",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a video as fast as it was recorded, not as fast as it is read.")
    ] = False,
    model: flags.Model = "grid-live",
    format: Annotated[
        LiveFormat | None,
        typer.Option(
            help="What to print: txt is a line for each utterance, json an object for each change (JSON Lines).",
            show_default="a display in a terminal, else txt",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A file for the transcript at the end, such as talk.srt.", show_default=False
        ),
    ] = None,
    captions_file: Annotated[
        Path | None,
        typer.Option(help="A file that always holds the present line, as OBS's text source reads.", show_default=False),
    ] = None,
    type: Annotated[bool, typer.Option("--type", help="Type the words where the cursor is.")] = False,
    grammar: flags.GrammarFile = None,
    phrases: flags.Phrases = None,
    lm: flags.LanguageModel = None,
    lm_weight: flags.LmWeight = None,
    word_bonus: flags.WordBonus = None,
    beam_size: flags.BeamSize = None,
    alternatives: Annotated[int, typer.Option(help="Alternatives of each word in JSON, at most.", min=0)] = 3,
    mark_unsure: Annotated[
        bool, typer.Option("--mark-unsure", help="Write unsure words as \\[word?] in txt too; the display always does.")
    ] = False,
    unsure_below: Annotated[float, typer.Option(help="Probability below which a word is unsure.", min=0, max=1)] = 0.5,
    device: flags.Device = "auto",
    runtime: flags.Runtime = Runtime.auto,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write results and errors, and nothing else.")] = False,
) -> int:
    """Read the words from a camera while they are said; Ctrl-C ends.

    Examples:
      lipscribe live

      lipscribe live --camera 1 --captions-file captions.txt

      lipscribe live --phrases commands.txt --type

      lipscribe live --model runs/mine -o talk.srt

      lipscribe live --camera clip.mp4 --realtime

      lipscribe live --format json > updates.jsonl
    """
    from lipscribe.cli.live_outputs import Segments
    from lipscribe.cli.notes import show_notes
    from lipscribe.cli.searching import Search, search_options
    from lipscribe.pipeline import load_model
    from lipscribe.streaming import Stream
    from lipscribe.transcript import Transcript, write_transcript

    # This function is long on purpose: most of it is the flags' help.
    show_notes(quiet)
    written = _transcript_format(output)
    writes_json = format is LiveFormat.json or written is Format.json
    reader = load_model(model, device, runtime=runtime.value, threads=1)
    options = search_options(
        reader,
        Search.auto,
        grammar=grammar,
        phrases=phrases,
        lm=lm,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        beam_size=beam_size,
        alternatives=alternatives if writes_json else 0,
    )
    said = Segments(kept=output is not None)
    with ExitStack() as until:
        outputs: list[Output] = [said]

        def add(made: "Output") -> None:
            outputs.append(made)
            until.callback(made.close)

        stream = Stream(reader, options)
        frames = until.enter_context(_open(camera, realtime, reader.spec.input.fps))
        _add_outputs(add, format, captions_file, type, unsure_below, mark_unsure)
        duration = _read(stream, frames, outputs)
    if output is not None and written is not None:
        transcript = Transcript(tuple(said.segments), camera, reader.name, duration)
        write_transcript(transcript, written.value, output)
    if not quiet:
        _sum_up(said, frames, duration)
    return 0


def _transcript_format(output: Path | None) -> Format | None:
    """The format that a file's name ends in; makes its folder."""
    from lipscribe.cli.results import result_folder

    if output is None:
        return None
    suffix = output.suffix.lower().removeprefix(".")
    if suffix not in TEXTS or output.is_dir():
        names = ", ".join(f".{name}" for name in TEXTS)
        raise typer.BadParameter(f"{output}: give a file whose name ends in {names}", param_hint="--output")
    result_folder(output.parent)
    return Format(suffix)


def _open(camera: str, realtime: bool, fps: float) -> "LiveFrames":
    """Opens a camera by its number (or /dev/video0), or plays a video."""
    from lipscribe.video import Video
    from lipscribe.video.camera import open_camera, play_video

    if number := re.fullmatch(r"(?:/dev/video)?(\d{1,3})", camera):
        return open_camera(int(number[1]))
    return play_video(Video(camera, fps), realtime)


def _add_outputs(
    add: "Callable[[Output], None]",
    format: LiveFormat | None,
    captions_file: Path | None,
    types: bool,
    unsure_below: float,
    mark_unsure: bool,
) -> None:
    from lipscribe.cli.live_outputs import CaptionsFile, JsonLines, Lines, Screen, Typing

    if types:
        add(Typing())
    if captions_file is not None:
        add(CaptionsFile(captions_file))
    if format is LiveFormat.json:
        add(JsonLines())
    elif format is None and sys.stdout is not None and sys.stdout.isatty():
        from rich.console import Console

        add(Screen(Console(), unsure_below))
    else:
        add(Lines(unsure_below if mark_unsure else 0))


def _read(stream: "Stream", frames: "LiveFrames", outputs: "list[Output]") -> float:
    """Reads until the frames end, or Ctrl-C; returns the time of the last frame in seconds."""
    from lipscribe.video.opencv import one_thread

    def show(updates: "list[StreamUpdate]") -> None:
        for update in updates:
            for output in outputs:
                output.show(update)

    time = 0.0
    with one_thread(), _ended_by_signals(frames.close):
        for time, frame in frames:
            show(stream.add(frame, time))
            for output in outputs:
                output.tick(time, stream.framing)
        show(stream.finish())
    return time


@contextmanager
def _ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Inside, the first Ctrl-C (or SIGTERM) calls `end`; the second one does what it always does."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    def handle(*_: object) -> None:
        restore()
        end()

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()


def _sum_up(said: "Segments", frames: "LiveFrames", duration: float) -> None:
    from lipscribe.text import count_of

    counts = f"{count_of(said.num_words, 'word')} in {count_of(said.num_segments, 'utterance')}"
    print(f"{counts}, in {duration:.0f} s of video", file=sys.stderr)
    if frames.num_dropped:
        print(
            f"note: {frames.num_dropped} of {frames.num_frames} frames were dropped, since reading could not keep up: "
            "end other programs, or make the camera's picture smaller",
            file=sys.stderr,
        )
