"""`lipscribe align`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from collections.abc import Iterable

    from lipscribe.data.manifest import Clip
    from lipscribe.transcript import Word


def align(
    manifest: Annotated[Path, typer.Argument(help="A manifest of videos and their texts.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The manifest to write.", show_default=False)],
    model: Annotated[str, typer.Option(help="A model's name (see `lipscribe models`) or folder.")] = "grid-s1",
    face: Annotated[str, typer.Option(help="Who says the text: moving, largest, or a face's id.")] = "moving",
    sure_above: Annotated[
        float, typer.Option(help="Leave clips as they are whose words are less probable, on average.", min=0, max=1)
    ] = 0.0,
    again: Annotated[bool, typer.Option("--again", help="Replace word times that are there already.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> int:
    """Align known texts with their videos, and write the word times into a copy of a manifest.

    The model needs a CTC head and the words in its vocabulary. Each clip's id and confidence (the mean probability of
    its words, 0 to 1) are printed; clips that cannot be aligned are listed, and stay in the manifest without word
    times. A stopped run resumes (from OUTPUT.aligned).

    Examples:
      lipscribe align clips.jsonl --model grid-s1 -o timed.jsonl
    """
    from dataclasses import replace

    from lipscribe.alignment import align_video
    from lipscribe.cli.bars import bars
    from lipscribe.data.journal import reading_journal
    from lipscribe.data.manifest import load_manifest, save_manifest
    from lipscribe.errors import LipscribeError
    from lipscribe.faces import load_face_detector
    from lipscribe.pipeline import load_model
    from lipscribe.progress import tracked

    if face == "all":
        raise typer.BadParameter("one person says a text: want moving, largest, or a face's id", param_hint="--face")
    clips = [replace(clip, path=str(Path(clip.path).absolute())) for clip in load_manifest(manifest)]
    reader, detector, written, failed = load_model(model, device), load_face_detector(), [], 0
    journal_path = output.with_name(output.name + ".aligned")
    with reading_journal(journal_path, {"model": model, "face": face}) as journal, bars() as progress:
        for clip in tracked(clips, progress, "align"):
            written.append(clip)
            if clip.words and not again:
                continue
            key = f"{clip.path}\t{clip.text}"
            try:
                if (words := journal.words.get(key)) is None:
                    words = journal.add(key, align_video(clip.path, clip.text, reader, face, detector))
            except LipscribeError as error:
                failed += 1
                print(f"error: {clip.id}: {error}", file=sys.stderr)
                continue
            confidence = sum(word.probability for word in words) / len(words)
            print(f"{clip.id}\t{confidence:.2f}")
            if confidence < sure_above:
                failed += 1
                print(f"note: {clip.id} is unchanged: confidence {confidence:.2f}", file=sys.stderr)
                continue
            written[-1] = _with_times(clip, words)
        save_manifest(output, written)
        journal_path.unlink()
    return _summarise(output, len(clips), 0 if again else sum(bool(clip.words) for clip in clips), failed)


def _summarise(output: Path, total: int, before: int, failed: int) -> int:
    """Prints a summary and returns the exit code."""
    print(f"{total - before - failed} of {total} clips aligned, {failed} not: {output}", file=sys.stderr)
    if before:
        print(f"note: {before} had word times, which --again replaces", file=sys.stderr)
    return (1 if failed < total else 2) if failed else 0


def _with_times(clip: "Clip", words: "Iterable[Word]") -> "Clip":
    from dataclasses import replace

    from lipscribe.data.manifest import WordTime

    return replace(clip, words=tuple(WordTime(word.text, word.start, word.end) for word in words))
