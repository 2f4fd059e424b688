"""`lipscribe label`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import flags

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from collections.abc import Sequence

    from lipscribe.cli.edge import Failures
    from lipscribe.data.manifest import Clip
    from lipscribe.model import Model
    from lipscribe.transcript import Word


def label(
    manifest: Annotated[Path, typer.Argument(help="A manifest whose videos are read.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The manifest to write.", show_default=False)],
    model: flags.Model = "grid-s1",
    split: Annotated[str, typer.Option(help="Split whose texts are replaced; other clips keep theirs.")] = "train",
    face: Annotated[str, typer.Option(help="Whom to read: moving, largest, or a face's id.")] = "moving",
    sure_above: Annotated[
        float, typer.Option(help="Leave out clips whose words are less probable, on average.", min=0, max=1)
    ] = 0.0,
    device: flags.Device = "auto",
) -> int:
    """Write a model's transcripts into a copy of a manifest (pseudo-labels), to train another model.

    The student may have any tokenizer and any input. The text of each clip is replaced, so untranscribed clips may have
    any text. The same command resumes an interrupted run (from OUTPUT.read).

    Examples:
      lipscribe label clips.jsonl --model runs/large --sure-above 0.7 -o labelled.jsonl
    """
    from dataclasses import replace

    from lipscribe.cli.edge import Failures
    from lipscribe.data.journal import reading_journal
    from lipscribe.data.manifest import load_manifest, save_manifest, word_times
    from lipscribe.errors import LipscribeError
    from lipscribe.pipeline import load_model

    if face == "all":
        raise typer.BadParameter("a clip has one text: wanted moving, largest, or a face's id", param_hint="--face")
    clips = [replace(clip, path=str(Path(clip.path).absolute())) for clip in load_manifest(manifest)]
    if not any(clip.split == split for clip in clips):
        raise LipscribeError(f"{manifest} has no clip of split {split}: give one of its splits with --split")
    reader, kept, num_read, failures = load_model(model, device), [], 0, Failures(to_stdout=False)
    journal_path = output.with_name(output.name + ".read")
    with reading_journal(journal_path, {"model": model, "face": face}) as journal:
        if journal.words:
            print(f"note: {len(journal.words)} clips are already read", file=sys.stderr)
        for clip in clips:
            if clip.split != split:
                kept.append(clip)
                continue
            words = journal.words.get(clip.path)
            if words is None and (read := _read(reader, clip, face, failures)) is not None:
                words = journal.add(clip.path, read)
            if words is None:
                continue
            if why := _left_out(words, sure_above):
                print(f"note: {clip.id} is left out: {why}", file=sys.stderr)
                continue
            num_read += 1
            text = " ".join(word.text for word in words)
            kept.append(replace(clip, text=text, words=word_times(words)))
        if not num_read:
            raise LipscribeError(f"nothing was read in split {split} of {manifest}: see above, or lower --sure-above")
        save_manifest(output, kept)
        journal_path.unlink()
    total = sum(clip.split == split for clip in clips)
    print(f"{num_read} of {total} clips of {split} have the text that {reader.spec.name} reads", file=sys.stderr)
    print(output)
    return failures.exit_code(total, "clips")


def _read(reader: "Model", clip: "Clip", face: str, failures: "Failures") -> "tuple[Word, ...] | None":
    """The words of a clip; None where it failed."""
    from lipscribe.cli.bars import bars

    words = None
    with failures.one(clip.id), bars() as progress:
        words = reader.transcribe(clip.path, face=face, progress=progress).words
    return words


def _left_out(words: "Sequence[Word]", sure_above: float) -> str:
    """Why a clip is left out, or nothing."""
    sure = sum(word.probability for word in words) / len(words) if words else 0.0
    return "no words" if not words else f"{sure:.2f} sure" if sure < sure_above else ""
