"""`lipscribe align`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


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
    """Find when each word of known texts is said, and write that into a copy of a manifest.

    The model has to know the words and has to have a CTC head. Each clip's id and confidence (the mean probability of
    its words, 0 to 1) are printed; clips that cannot be aligned are listed, and stay in the manifest without word
    times. A stopped run resumes (from OUTPUT.aligned).

    Examples:
      lipscribe align clips.jsonl --model grid-s1 -o timed.jsonl
    """
    from dataclasses import replace

    from lipscribe.alignment import align_video
    from lipscribe.cli.bars import bars
    from lipscribe.data.journal import ReadingJournal
    from lipscribe.data.manifest import WordTime, load_manifest, save_manifest
    from lipscribe.errors import LipscribeError
    from lipscribe.faces import load_face_detector
    from lipscribe.pipeline import load_model
    from lipscribe.progress import tracked

    if face == "all":
        raise typer.BadParameter("one person says a text: want moving, largest, or a face's id", param_hint="--face")
    clips = [replace(clip, path=str(Path(clip.path).absolute())) for clip in load_manifest(manifest)]
    reader, detector, written, failed = load_model(model, device), load_face_detector(), [], []
    journal = ReadingJournal(output.with_name(output.name + ".aligned"), {"model": model, "face": face})
    num_aligned = num_timed = 0
    with bars() as progress:
        for clip in tracked(clips, progress, "align"):
            written.append(clip)
            if clip.words and not again:
                num_timed += 1
                continue
            key = f"{clip.path}\t{clip.text}"
            try:
                if (words := journal.words.get(key)) is None:
                    words = journal.add(key, align_video(clip.path, clip.text, reader, face, detector))
            except LipscribeError as error:
                failed.append(clip.id)
                print(f"error: {clip.id}: {error}", file=sys.stderr)
                continue
            sure = sum(word.probability for word in words) / len(words)
            print(f"{clip.id}\t{sure:.2f}")
            if sure < sure_above:
                failed.append(clip.id)
                print(f"note: {clip.id} is left as it was: {sure:.2f} sure", file=sys.stderr)
                continue
            num_aligned += 1
            times = tuple(WordTime(word.text, word.start, word.end) for word in words)
            written[-1] = replace(clip, words=times)
    save_manifest(output, written)
    journal.path.unlink()
    there = f"; {num_timed} had word times, which --again replaces" if num_timed else ""
    print(f"{num_aligned} of {len(clips)} clips aligned, {len(failed)} not{there}: {output}", file=sys.stderr)
    return 1 if failed else 0
