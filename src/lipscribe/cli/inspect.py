"""`lipscribe inspect`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def inspect(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for a contact sheet, a video of the mouth crops, and the figures as JSON."),
    ] = None,
    face: Annotated[str, typer.Option(help="Whom to look at: moving, largest, all, or a face's id.")] = "moving",
) -> int:
    """Say why a video will or will not be read: frame rate, faces, size and sharpness of the mouth, and a verdict.

    Examples:

      lipscribe inspect clip.mpg

      lipscribe inspect clip.mpg --output report/
    """
    from lipscribe.cli.files import result_folder, result_paths
    from lipscribe.errors import LipscribeError
    from lipscribe.inspection import inspect_video, write_inspection

    folders = result_paths(videos, output, "") if len(videos) > 1 else [output]
    if output is not None:
        result_folder(output)
    failed = 0
    for video, folder in zip(videos, folders, strict=True):
        try:
            inspection = inspect_video(video, face=face)
        except LipscribeError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        print(_summary(video, inspection))
        if folder is not None:
            for path in write_inspection(inspection, folder):
                print(f"{video} -> {path}", file=sys.stderr)
    return 0 if not failed else 2 if failed == len(videos) else 1


def _summary(video: Path, inspection) -> str:
    info, quality = inspection.info, inspection.quality
    rate = f"{info.fps:.4g} fps{' (variable)' if info.variable_fps else ''}"
    lines = [
        f"{video}: {inspection.verdict}",
        f"  video   {info.width}x{info.height}, {rate}, {inspection.duration:.2f} s, {info.codec}",
        f"  faces   {len(inspection.faces)} found, at most {inspection.most_at_once} at once",
    ]
    if quality is not None:
        measures = (
            ("in {:.0%} of the frames", quality.coverage),
            ("mouth {:.0f} px wide", quality.mouth_px),
            ("sharpness {:.2f}", quality.sharpness),
            ("turned {:.0f} degrees", quality.yaw_deg),
        )
        lines.append("  read    " + ", ".join(form.format(value) for form, value in measures if value is not None))
    return "\n".join(lines + [f"  {finding.severity}: {finding.text}" for finding in inspection.findings])
