"""`lipscribe align`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags


def align(
    manifest: Annotated[Path, typer.Argument(help="A manifest of videos and their texts.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The manifest to write.", show_default=False)],
    model: flags.Model = "grid",
    face: Annotated[str, typer.Option(help="Who says the text: moving, largest, or a face's id.")] = "moving",
    sure_above: Annotated[
        float, typer.Option(help="Leave clips as they are whose words are less probable, on average.", min=0, max=1)
    ] = 0.0,
    again: Annotated[bool, typer.Option("--again", help="Replace word times that are there already.")] = False,
    device: flags.Device = "auto",
) -> int:
    """Align known texts with their videos, and write the word times into a copy of a manifest.

    The model needs a CTC head and the words in its vocabulary. Each clip's id and confidence (the mean probability of
    its words, 0 to 1) are printed; clips that cannot be aligned are listed, and stay in the manifest without word
    times. A stopped run resumes (from OUTPUT.aligned).

    Examples:
      lipscribe align clips.jsonl --model grid -o timed.jsonl
    """
    from dataclasses import replace

    from lipscribe.alignment import align_video
    from lipscribe.cli.bars import bars
    from lipscribe.cli.edge import Failures
    from lipscribe.data.journal import ReadingJournal, open_journal
    from lipscribe.data.manifest import load_manifest, save_manifest, word_times
    from lipscribe.faces import load_face_detector
    from lipscribe.pipeline import load_model
    from lipscribe.progress import tracked

    if face == "all":
        raise typer.BadParameter("one person says a text: want moving, largest, or a face's id", param_hint="--face")
    clips = [replace(clip, path=str(Path(clip.path).absolute())) for clip in load_manifest(manifest)]
    reader, detector, written, num_unsure = load_model(model, device), load_face_detector(), [], 0
    failures = Failures(to_stdout=False)
    journal_path = output.with_name(output.name + ".aligned")
    with open_journal(ReadingJournal, journal_path, {"model": model, "face": face}) as journal, bars() as progress:
        for clip in tracked(clips, progress, "align"):
            written.append(clip)
            if clip.words and not again:
                continue
            key = f"{clip.path}\t{clip.text}"
            words = journal.words.get(key)
            if words is None:
                with failures.one(clip.id):
                    words = journal.add(key, align_video(clip.path, clip.text, reader, face, detector))
            if words is None:
                continue
            confidence = sum(word.probability for word in words) / len(words)
            print(f"{clip.id}\t{confidence:.2f}")
            if confidence < sure_above:
                num_unsure += 1
                print(f"note: {clip.id} is unchanged: confidence {confidence:.2f}", file=sys.stderr)
                continue
            written[-1] = replace(clip, words=word_times(words))
        save_manifest(output, written)
        journal_path.unlink()
    failed = len(failures.names) + num_unsure
    return _summarise(output, len(clips), 0 if again else sum(bool(clip.words) for clip in clips), failed)


def _summarise(output: Path, total: int, before: int, failed: int) -> int:
    """Prints a summary and returns the exit code."""
    print(f"{total - before - failed} of {total} clips aligned, {failed} not: {output}", file=sys.stderr)
    if before:
        print(f"note: {before} had word times, which --again replaces", file=sys.stderr)
    return (1 if failed < total else 2) if failed else 0
