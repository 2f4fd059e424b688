"""`lipscribe export`."""

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags
from lipscribe.errors import LipscribeError

if TYPE_CHECKING:
    import numpy as np

    from lipscribe.models.spec import ModelSpec

WIDEST = 1e-4  # difference of a log-probability that rounding alone makes


class ExportFormat(StrEnum):  # noqa: D101
    onnx = "onnx"


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's name or folder.", autocompletion=flags.model_names)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A new folder for the model with its graphs.", show_default="the model's own"
        ),
    ] = None,
    format: Annotated[ExportFormat, typer.Option(help="What to write.")] = ExportFormat.onnx,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise matrix products and LSTMs: smaller, and may change words.")
    ] = False,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="A prepared folder whose dev clips are read by both, instead of talkers.", show_default=False
        ),
    ] = None,
) -> int:
    """Write a model as ONNX graphs: it is then read without torch, here and by other programs.

    In float32 the graphs refer to the weights in model.safetensors, so both stay in one folder.

    At the end clips are read by torch and by ONNX Runtime; if any word differs in float32, the exit code is 1.

    Examples:
      lipscribe export runs/mine

      lipscribe export runs/mine -o mine-onnx --clips prepared/

      lipscribe export my-vsr --int8 -o my-vsr-int8
    """
    from lipscribe.export import compare, export_model
    from lipscribe.models.spec import load_spec
    from lipscribe.zoo.registry import find_model

    folder = find_model(model)
    spec = load_spec(folder)
    crops = _prepared_crops(clips) if clips else _talkers_crops(spec)
    made = export_model(folder, output, int8)
    try:
        parity = compare(folder, made, crops)
    except LipscribeError:  # such as of a network whose numbers are not finite, which ONNX's Relu would hide
        if output is not None:
            shutil.rmtree(made)
        for path in made.glob("*.onnx"):
            path.unlink()
        raise
    for path in sorted(made.glob("*.onnx")):
        print(f"{path.name:24s} {path.stat().st_size / 1e6:7.2f} MB")
    print(f"largest difference of a log-probability: {parity.difference:.1g}")
    print(f"same words in {parity.same_words} of {parity.num_clips} clips")
    print(f"written to {made}", file=sys.stderr)
    if int8 or (parity.same_words == parity.num_clips and parity.difference <= WIDEST):
        return 0
    print(f"error: the exported model differs from torch's by more than {WIDEST:g}: do not use it", file=sys.stderr)
    return 1


def _prepared_crops(folder: Path) -> "list[np.ndarray]":
    from lipscribe.data.shards import find_shards, read_shard

    return [clip.crops for shard in find_shards(folder, "dev") for clip in read_shard(shard)]


def _talkers_crops(spec: "ModelSpec") -> "list[np.ndarray]":
    """Mouths of three synthetic talkers."""
    from lipscribe.faces import choose_faces, track_faces
    from lipscribe.mouth import crop_mouth
    from lipscribe.talker import Talker

    found = []
    for seed in (1, 2, 3):
        clip = Talker(seed).say("place red at c seven please")
        frames = clip.frames
        run = choose_faces(track_faces(frames, clip.fps))[0].runs()[0]
        found.append(crop_mouth(frames, run, spec.input.crop))
    return found
