"""`lipscribe explain`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.explain import Explanation


def explain(
    video: Annotated[
        str, typer.Argument(help="A video file, an address (https://...), or - for standard input.", show_default=False)
    ],
    model: flags.Model = "grid",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("explain"),
    face: flags.Face = "moving",
    start: Annotated[float, typer.Option(help="Where in the video to begin, in seconds.", min=0)] = 0.0,
    seconds: Annotated[float, typer.Option(help="How much of a long video to explain, in seconds.", min=0.1)] = 15.0,
    device: flags.Device = "auto",
) -> int:
    """Show the evidence for each word, by pixel and frame: a picture, a video and the numbers as JSON.

    Examples:
      lipscribe explain clip.mpg

      lipscribe explain long.mp4 --start 60 --seconds 10 --output explain/
    """
    from lipscribe.cli.bars import bars
    from lipscribe.cli.results import result_folder
    from lipscribe.cli.sources import find_videos
    from lipscribe.explain import explain_video, write_explanation
    from lipscribe.pipeline import load_model

    result_folder(output)
    with ExitStack() as until:
        sources = find_videos([video], until)
        if len(sources) > 1:
            raise typer.BadParameter(f"{video} holds {len(sources)} videos: name one of them", param_hint="video")
        reader = load_model(model, device, runtime="torch")
        with bars() as progress:
            explanation = explain_video(
                sources[0].path, reader, face=face, start=start, seconds=seconds, progress=progress
            )
    for warning in explanation.warnings:
        print(f"warning: {video}: {warning}", file=sys.stderr)
    print(_summary(explanation))
    paths = write_explanation(explanation, output)
    if explanation.until is not None:
        print(f"note: the video is longer: --start {explanation.until:g} explains what follows", file=sys.stderr)
    kinds = {".png": "picture", ".mp4": "video", ".json": "figures"}
    print()
    for path in paths:
        print(f"{kinds[path.suffix]:8s}  {path}")
    return 0


def _summary(explanation: "Explanation") -> str:
    longest = max(len("word"), *(len(word.word.text) for word in explanation.words))
    lines = [
        f"read: {' '.join(word.word.text for word in explanation.words)}",
        "",
        f"{'word':{longest}s}   {'said':17s}  prob.   {'half of its evidence':26s}  on the lips",
    ]
    for word in explanation.words:
        said = f"{word.word.start:5.2f} to {word.word.end:5.2f} s"
        half = f"{word.half[0]:5.2f} to {word.half[1]:5.2f} s"
        num_frames = round((word.half[1] - word.half[0]) * explanation.fps)
        frames = f"({num_frames} frame{'' if num_frames == 1 else 's'})"
        lines.append(
            f"{word.word.text:{longest}s}  {said:18s} {word.word.probability:5.0%}   {half:16s} {frames:11s} "
            f"{word.lips_share:9.0%}"
        )
    area = sum(stretch.lips_area for stretch in explanation.stretches) / len(explanation.stretches)
    lines.append(f"\nThe lips and what is between them take {area:.0%} of what the model sees.")
    return "\n".join(lines)
