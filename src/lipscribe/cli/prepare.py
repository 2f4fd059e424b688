"""`lipscribe prepare`."""

import sys
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import engines
from lipscribe.data.corpora.registry import CORPORA, find_corpus

if TYPE_CHECKING:
    from lipscribe.data.prepare import ClipStatus
    from lipscribe.storage import AnyPath

MANIFEST = "manifest"
PROTOCOLS = "; ".join(f"{entry.name}: {' or '.join(entry.protocols)}" for entry in CORPORA if entry.protocols)
SHOWN = 20  # of what is left out, so many are printed; all are in the file


class Crop(StrEnum):  # noqa: D101
    lipscribe = "lipscribe"
    auto_avsr = "auto-avsr"


def prepare(
    corpus: Annotated[
        str,
        typer.Argument(
            help=f"One of {', '.join(entry.name for entry in CORPORA)}; or manifest, for clips of your own.",
            show_default=False,
        ),
    ],
    root: Annotated[str, typer.Option(help="The corpus's folder; for manifest, the JSONL file.", show_default=False)],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for the prepared clips; also one such as s3://bucket/folder.")
    ] = "prepared",
    protocol: Annotated[
        str | None,
        typer.Option(help=f"How to split it. {PROTOCOLS}.", show_default="the first"),
    ] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Grey H.264 instead of lossless: far smaller.")] = False,
    crop: Annotated[Crop, typer.Option(help="Lipscribe's own crops, or those that Auto-AVSR models read.")] = (
        Crop.lipscribe
    ),
    workers: Annotated[int | None, typer.Option(help="Number of processes.", show_default="one a core", min=1)] = None,
    engine: engines.EngineFlag = engines.EngineName.local,
    address: engines.Address = None,
) -> int:
    """Crop the mouths of a corpus, for training and evaluation. Called again, it resumes, and redoes changed clips.

    Examples:
      lipscribe prepare grid --root GRID/ --output prepared/

      lipscribe prepare folder --root my-videos/ --output prepared-mine/

      lipscribe prepare manifest --root my-clips.jsonl --output prepared-mine/ --compact

      lipscribe prepare manifest --root s3://bucket/clips.jsonl -o s3://bucket/prepared --engine ray --address auto
    """
    from lipscribe.cli.bars import bars
    from lipscribe.data.manifest import load_manifest
    from lipscribe.data.prepare import prepare as prepare_clips
    from lipscribe.errors import ManifestError
    from lipscribe.storage import location

    _check_apart(corpus, root, output)
    if corpus == MANIFEST:
        clips, left_out = load_manifest(root, parts=True), {}
    else:
        clips, left_out = find_corpus(corpus).prepare(Path(root), protocol)
    if not clips:
        _print_left_out(left_out, None)
        raise ManifestError(f"no clip of {root} can be used: the reasons are above")
    with engines.opened(engine, address, workers) as opened, bars() as progress:
        codec = "compact" if compact else "lossless"
        statuses = prepare_clips(clips, output, codec, workers, crop.value, progress, opened)
    for status in statuses:
        if status.reason:
            print(f"{status.status}: {status.id}: {status.reason}", file=sys.stderr)
    folder = location(output)
    _print_left_out(left_out, folder / "left_out.jsonl")
    return _summarise(statuses, len(left_out), root, folder)


def _check_apart(corpus: str, given_root: str, given_output: str) -> None:
    """Refuses an output among what is read: it would be taken for a part of the corpus, or replace the manifest."""
    from lipscribe.errors import ManifestError
    from lipscribe.storage import absolute, location

    root, output = (location(absolute(given)) for given in (given_root, given_output))
    if corpus == MANIFEST:
        if root.parent == output:
            raise ManifestError(f"--output {output} is the folder of the manifest: give a folder of its own")
    elif root == output or (isinstance(output, Path) and root in output.parents):
        raise ManifestError(f"--output {output} is in the corpus's folder {root}: give one outside of it")


def _summarise(statuses: "list[ClipStatus]", num_left_out: int, root: str, output: "AnyPath") -> int:
    """Prints what there is now, and returns the exit code."""
    from lipscribe.storage import file_size

    num_skipped = sum(status.status != "ok" for status in statuses)
    kept = Counter(status.split for status in statuses if status.status == "ok")
    size_mb = sum(file_size(path) for path in output.glob("*.tar")) / 1e6
    splits = ", ".join(f"{number} {split}" for split, number in sorted(kept.items())) or "no clips"
    print(f"{splits} in {output} ({size_mb:.0f} MB); {num_skipped} skipped, {num_left_out} left out")
    print(f"the status of each clip: {output / 'status.jsonl'}", file=sys.stderr)
    if not kept:
        print(f"error: no clip of {root} could be prepared: the reasons are above", file=sys.stderr)
        return 2
    if num_skipped or num_left_out:
        print(f"note: {output} can be used; to add skipped clips, fix them and run the command again", file=sys.stderr)
        return 1
    return 0


def _print_left_out(left_out: Mapping[str, str], path: "AnyPath | None") -> None:
    """Prints the first of what is left out, and writes all of it to the file, if one is given."""
    import json

    from lipscribe.storage import write_text

    for name, reason in list(left_out.items())[:SHOWN]:
        print(f"left out: {name}: {reason}", file=sys.stderr)
    if path is not None:
        records = [{"path": name, "reason": reason} for name, reason in left_out.items()]
        write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    if len(left_out) > SHOWN:
        where = "" if path is None else f", all in {path}"
        print(f"left out: {len(left_out) - SHOWN} more{where}", file=sys.stderr)
