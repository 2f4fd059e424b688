"""`lipscribe label`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipscribe.cli import engines, flags

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from collections.abc import Iterator, Mapping, Sequence

    from lipscribe.cli.edge import Failures
    from lipscribe.data.manifest import Clip
    from lipscribe.engines import Engine
    from lipscribe.model import Model
    from lipscribe.transcript import Word


def label(
    manifest: Annotated[Path, typer.Argument(help="A manifest whose videos are read.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The manifest to write.", show_default=False)],
    model: flags.Model = "grid",
    split: Annotated[str, typer.Option(help="Split whose texts are replaced; other clips keep theirs.")] = "train",
    face: Annotated[str, typer.Option(help="Whom to read: moving, largest, or a face's id.")] = "moving",
    sure_above: Annotated[
        float, typer.Option(help="Leave out clips whose words are less probable, on average.", min=0, max=1)
    ] = 0.0,
    device: flags.Device = "auto",
    jobs: flags.Jobs = None,
    engine: engines.EngineFlag = engines.EngineName.local,
    address: engines.Address = None,
) -> int:
    """Write a model's transcripts into a copy of a manifest (pseudo-labels), to train another model.

    The student may have any tokenizer and any input. The text of each clip is replaced, so untranscribed clips may have
    any text. The same command resumes an interrupted run (from OUTPUT.read).

    Examples:
      lipscribe label clips.jsonl --model runs/large --sure-above 0.7 -o labelled.jsonl

      lipscribe label clips.jsonl --jobs 4 -o labelled.jsonl
    """
    from lipscribe.cli.edge import Failures
    from lipscribe.cli.results import is_among
    from lipscribe.data.journal import ReadingJournal, open_journal
    from lipscribe.data.manifest import save_manifest
    from lipscribe.errors import LipscribeError
    from lipscribe.zoo.registry import find_model

    if face == "all":
        raise typer.BadParameter("a clip has one text: wanted moving, largest, or a face's id", param_hint="--face")
    clips = _load(manifest, split)
    if is_among(output, {str(manifest), *(clip.path for clip in clips)}):
        raise LipscribeError(f"{output} is read by this command: give another --output")
    find_model(model)  # before a journal is begun for it
    failures = Failures(to_stdout=False)
    journal_path = output.with_name(output.name + ".read")
    with (
        open_journal(ReadingJournal, journal_path, {"model": model, "face": face}) as journal,
        engines.opened(engine, address, jobs) as opened,
    ):
        if journal.words:
            print(f"note: {len(journal.words)} clips are already read", file=sys.stderr)
        unread = [clip for clip in clips if clip.split == split and clip.path not in journal.words]
        name, readings = _read_all(unread, model, face, device, jobs, opened, failures)
        for clip, read in readings:
            if read is not None:
                journal.add(clip.path, read)
        kept, num_read = _labelled(clips, split, journal.words, sure_above)
        if not num_read:
            raise LipscribeError(f"nothing was read in split {split} of {manifest}: see above, or lower --sure-above")
        save_manifest(output, kept)
        journal_path.unlink()
    total = sum(clip.split == split for clip in clips)
    print(f"{num_read} of {total} clips of {split} have the text that {name} reads", file=sys.stderr)
    print(output)
    return failures.exit_code(total, "clips")


def _load(manifest: Path, split: str) -> "list[Clip]":
    """The clips of a manifest, by their whole paths: the journal may be resumed from another folder."""
    from dataclasses import replace

    from lipscribe.data.manifest import load_manifest
    from lipscribe.errors import LipscribeError
    from lipscribe.storage import is_url

    clips = load_manifest(manifest)
    if not any(clip.split == split for clip in clips):
        raise LipscribeError(f"{manifest} has no clip of split {split}: give one of its splits with --split")
    return [c if is_url(c.path) else replace(c, path=str(Path(c.path).absolute())) for c in clips]


def _read_all(
    clips: "Sequence[Clip]",
    model: str,
    face: str,
    device: str,
    jobs: int | None,
    engine: "Engine | None",
    failures: "Failures",
) -> "tuple[str, Iterator[tuple[Clip, tuple[Word, ...] | None]]]":
    """The model's name, and each clip with its words; None where it failed."""
    from lipscribe.batch import choose_jobs

    number = choose_jobs(jobs, [clip.path for clip in clips], engine)
    if engine is not None or number > 1:
        from lipscribe.models.spec import load_spec
        from lipscribe.zoo.registry import find_model

        return load_spec(find_model(model)).name, _in_workers(clips, model, face, device, number, engine, failures)
    from lipscribe.pipeline import load_model

    reader = load_model(model, device)
    return reader.spec.name, ((clip, _read(reader, clip, face, failures)) for clip in clips)


def _in_workers(
    clips: "Sequence[Clip]",
    model: str,
    face: str,
    device: str,
    number: int,
    engine: "Engine | None",
    failures: "Failures",
) -> "Iterator[tuple[Clip, tuple[Word, ...] | None]]":
    from lipscribe.batch import transcribe_all
    from lipscribe.cli.bars import bars

    with bars() as progress:
        paths = [clip.path for clip in clips]
        results = transcribe_all(paths, model, face, progress=progress, device=device, jobs=number, engine=engine)
        for clip, (_, result) in zip(clips, results, strict=True):
            words = None
            with failures.one(clip.id):
                if isinstance(result, Exception):
                    raise result
                words = result.words
            yield clip, words


def _read(reader: "Model", clip: "Clip", face: str, failures: "Failures") -> "tuple[Word, ...] | None":
    """The words of a clip; None where it failed."""
    from lipscribe.cli.bars import bars

    words = None
    with failures.one(clip.id), bars() as progress:
        words = reader.transcribe(clip.path, face=face, progress=progress).words
    return words


def _labelled(
    clips: "Sequence[Clip]", split: str, read: "Mapping[str, tuple[Word, ...]]", sure_above: float
) -> "tuple[list[Clip], int]":
    """The clips to keep, those of the split with what was read in them, and the number of these."""
    from dataclasses import replace

    from lipscribe.data.manifest import word_times

    kept, num_read = [], 0
    for clip in clips:
        words = read.get(clip.path)
        if clip.split != split:
            kept.append(clip)
        elif words is None:  # it failed
            continue
        elif why := _left_out(words, sure_above):
            print(f"note: {clip.id} is left out: {why}", file=sys.stderr)
        else:
            num_read += 1
            kept.append(replace(clip, text=" ".join(word.text for word in words), words=word_times(words)))
    return kept, num_read


def _left_out(words: "Sequence[Word]", sure_above: float) -> str:
    """Why a clip is left out, or nothing."""
    sure = sum(word.probability for word in words) / len(words) if words else 0.0
    return "no words" if not words else f"{sure:.2f} sure" if sure < sure_above else ""
