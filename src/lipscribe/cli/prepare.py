"""`lipscribe prepare`."""

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Corpus(StrEnum):  # noqa: D101
    grid = "grid"
    manifest = "manifest"


class Crop(StrEnum):  # noqa: D101
    lipscribe = "lipscribe"
    auto_avsr = "auto-avsr"


def prepare(
    corpus: Annotated[Corpus, typer.Argument(help="grid, or manifest for clips of your own.", show_default=False)],
    root: Annotated[Path, typer.Option(help="The corpus's folder; for manifest, the JSONL file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the prepared clips.")] = Path("prepared"),
    compact: Annotated[bool, typer.Option("--compact", help="Grey H.264 instead of lossless: far smaller.")] = False,
    crop: Annotated[Crop, typer.Option(help="Lipscribe's own crops, or those that Auto-AVSR models read.")] = (
        Crop.lipscribe
    ),
    workers: Annotated[int | None, typer.Option(help="Number of processes.", show_default="one a core", min=1)] = None,
) -> int:
    """Crop the mouths of a corpus, for training and evaluation. Called again, it resumes, and redoes changed clips.

    Examples:
      lipscribe prepare grid --root GRID/ --output prepared/

      lipscribe prepare manifest --root my-clips.jsonl --output prepared-mine/ --compact
    """
    from lipscribe.cli.bars import bars
    from lipscribe.data.corpora.grid import prepare_grid
    from lipscribe.data.manifest import load_manifest
    from lipscribe.data.prepare import prepare as prepare_clips

    clips, left_out = prepare_grid(root) if corpus is Corpus.grid else (load_manifest(root, parts=True), {})
    with bars() as progress:
        codec = "compact" if compact else "lossless"
        statuses = prepare_clips(clips, output, codec, workers, crop.value, progress)
    skipped = [status for status in statuses if status.status != "ok"]
    for status in statuses:
        if status.reason:
            print(f"{status.status}: {status.id}: {status.reason}", file=sys.stderr)
    for path, reason in left_out.items():
        print(f"left out: {path}: {reason}", file=sys.stderr)
    kept = Counter(status.split for status in statuses if status.status == "ok")
    size_mb = sum(path.stat().st_size for path in output.glob("*.tar")) / 1e6
    splits = ", ".join(f"{number} {split}" for split, number in sorted(kept.items())) or "no clips"
    print(f"{splits} in {output} ({size_mb:.0f} MB); {len(skipped)} skipped, {len(left_out)} left out")
    print(f"the status of each clip: {output / 'status.jsonl'}", file=sys.stderr)
    if not kept:
        print(f"error: no clip of {root} could be prepared: the reasons are above", file=sys.stderr)
        return 2
    if skipped or left_out:
        print(f"note: {output} can be used; to add skipped clips, fix them and run the command again", file=sys.stderr)
        return 1
    return 0
