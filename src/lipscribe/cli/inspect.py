"""`lipscribe inspect`."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lipscribe.cli import flags

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.inspection import Inspection


def inspect(
    videos: flags.Videos,
    output: flags.Report = None,
    face: flags.Face = "moving",
    model: flags.Model = "grid",
    stream: flags.Stream = None,
) -> int:
    """Report how readable a video is: frame rate, faces, size and sharpness of the mouth, and a verdict.

    The mouth is cropped as for the model.

    Examples:

      lipscribe inspect clip.mpg

      lipscribe inspect clip.mpg --output report/
    """
    from lipscribe.cli.bars import bars
    from lipscribe.cli.edge import Failures
    from lipscribe.cli.results import all_different, result_folder
    from lipscribe.cli.sources import find_videos
    from lipscribe.inspection import inspect_video, write_inspection
    from lipscribe.models.spec import load_spec
    from lipscribe.zoo.registry import find_model

    size = load_spec(find_model(model)).input
    with ExitStack() as until:
        sources = find_videos(videos, until)
        if output is not None:
            result_folder(output)
        failures = Failures(to_stdout=False)
        for source, name in zip(sources, all_different(source.stem for source in sources), strict=True):
            inspection = None
            with failures.one(source.name, source.path):
                with bars() as progress:
                    inspection = inspect_video(
                        source.path, size.fps, face, crop=size.crop, progress=progress, stream=stream
                    )
                if output is not None:
                    for path in write_inspection(inspection, output / name if len(sources) > 1 else output):
                        print(f"{source.name} -> {path}", file=sys.stderr)
            if inspection is not None:
                print(_summary(source.name, inspection))
        return failures.exit_code(len(sources))


def _summary(video: str, inspection: "Inspection") -> str:
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
