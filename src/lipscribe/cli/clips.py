"""`lipscribe clips`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lipscribe.footage.films import ClipsReport
    from lipscribe.footage.report import FootageReport


def clips(
    films: Annotated[
        list[str], typer.Argument(help="Video files, or folders, also of folders of them.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The manifest to write; with --report, its JSON.", show_default=False),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Look at a sample only: what share is readable, and how long a run takes.")
    ] = False,
    subtitles: Annotated[
        str, typer.Option(help="auto (beside each film: .srt or .vtt of its name), none, or a file.")
    ] = "auto",
    recogniser: Annotated[
        str | None,
        typer.Option(
            help="Tells what is said where there are no subtitles: faster-whisper, faster-whisper:MODEL, or "
            "module:function of your own.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Aligns the texts that it can spell: a model's name or folder, or none.")
    ] = "grid",
    split: Annotated[str, typer.Option(help="Split of all clips.")] = "train",
    jobs: Annotated[int | None, typer.Option(help="Number of processes.", show_default="one a CPU", min=1)] = None,
) -> int:
    """Find clips for training in films: one person who speaks, seen all the time, and what is said.

    Beside the manifest, .status.jsonl says of everything that is said which clip it became, or why none. A stopped run
    resumes. `lipscribe prepare manifest --root clips.jsonl` crops the mouths.

    Examples:
      lipscribe clips films/ --report

      lipscribe clips films/ -o clips.jsonl

      lipscribe clips talk.mkv --subtitles talk.en.vtt -o clips.jsonl

      lipscribe clips talks/ --recogniser faster-whisper:small -o clips.jsonl
    """
    from lipscribe.cli.bars import bars
    from lipscribe.cli.results import is_among
    from lipscribe.cli.sources import find_videos
    from lipscribe.data.manifest import split_faults

    # More than 60 lines on purpose: most of them declare the options.
    if any("://" in film or film == "-" for film in films):
        raise typer.BadParameter("films are looked at in several places: give files", param_hint="FILMS")
    if faults := split_faults(split):
        raise typer.BadParameter(faults[0], param_hint="--split")
    with ExitStack() as until:
        sources = find_videos(films, until, below=True)
    paths = [Path(source.path) for source in sources]
    if output is not None and is_among(output, (*paths, subtitles)):
        raise typer.BadParameter(f"{output} is read by this command: give another file", param_hint="--output")
    if report:
        return _report(paths, output, jobs, subtitles)
    if output is None:
        raise typer.BadParameter("name the manifest to write, or give --report", param_hint="--output")
    if output.suffix != ".jsonl":
        raise typer.BadParameter(f"{output} is a manifest: give a name that ends in .jsonl", param_hint="--output")
    from lipscribe.footage.films import ClipOptions, make_clips

    with bars() as progress:
        options = ClipOptions(subtitles, recogniser, model, split)
        made = make_clips(paths, output, options, jobs, progress, [source.stem for source in sources])
    return _summarise(made, output, len(paths))


def _summarise(made: "ClipsReport", output: Path, num_films: int) -> int:
    """Prints what became of the films, and returns the exit code."""
    from lipscribe.text import count_of

    for film, errors in made.failed.items():
        print(f"error: {film}: {'; '.join(errors)}", file=sys.stderr)
    if len(made.failed) == num_films:
        return 2
    for reason, number in made.dropped.most_common():
        print(f"not used: {number:6} {reason}", file=sys.stderr)
    people, minutes = count_of(made.num_speakers, "speaker"), made.seconds / 60
    print(f"{count_of(made.num_clips, 'clip')} of {people}, {minutes:.1f} minutes", file=sys.stderr)
    print(f"what became of everything said: {output.with_name(f'{output.stem}.status.jsonl')}", file=sys.stderr)
    if not made.num_clips:
        print("error: nothing that is said became a clip: the reasons are above", file=sys.stderr)
        return 2
    print(output)
    return 1 if made.failed else 0


def _report(paths: list[Path], output: Path | None, jobs: int | None, subtitles: str) -> int:
    """Prints a table of what a sample shows; with an output, writes it as JSON, and its pictures beside it."""
    from lipscribe.atomic import write_text
    from lipscribe.cli.bars import bars
    from lipscribe.footage.report import sample_films

    if output is not None and output.suffix != ".json":
        raise typer.BadParameter(f"a report is JSON: give {output.stem}.json", param_hint="--output")
    with bars() as progress:
        report = sample_films(paths, subtitles, jobs, progress)
    for film, error in report.failed.items():
        print(f"error: {error if error.startswith(film) else f'{film}: {error}'}", file=sys.stderr)
    if report.films:
        print(_table(report, jobs))
        if output is not None:
            write_text(output, report.to_json())
            print(output)
            for path in _draw(report, output):
                print(path)
    return 0 if not report.failed else 1 if report.films else 2


def _table(report: "FootageReport", jobs: int | None) -> str:
    from lipscribe.processes import available_cpus
    from lipscribe.text import count_of

    number = jobs or available_cpus()
    seconds = sum(len(film.places) for film in report.films)
    lines = [f"{count_of(len(report.films), 'film')}, {_hours(report.duration)}, by a sample of {seconds} s"]
    lines += [f"{share:6.1%}  {what}" for what, share in report.shares.items()]
    if report.clips is not None:
        least, most = report.clips
        cues = sum(film.num_utterances or 0 for film in report.films)
        lines.append(
            f"clips: {least} to {most}, of {cues} subtitles with the words of one person"
            if cues
            else "clips: none, since no subtitles within the film have the words of one person"
        )
    if report.untold is not None:
        untold = count_of(sum(film.clips is None for film in report.films), "film")
        shortest, longest = map(_hours, report.untold)
        lines.append(
            f"{untold} without subtitles: {shortest} to {longest} of speech that is readable; a run needs subtitles "
            "(--subtitles FILE) or a --recogniser"
        )
    lines.append(f"time of a run: about {_hours(report.cpu_seconds / number)} with {number} processes")
    return "\n".join(lines)


def _hours(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _draw(report: "FootageReport", output: Path) -> list[Path]:
    """Writes a picture of each film's sample."""
    import cv2

    from lipscribe.atomic import write_bytes
    from lipscribe.cli.results import all_different
    from lipscribe.footage.report import draw_sample

    names = all_different(f"{output.stem}-{Path(film.film).stem}" for film in report.films)
    paths = [output.with_name(f"{name}.jpg") for name in names]
    for film, path in zip(report.films, paths, strict=True):
        _, data = cv2.imencode(".jpg", draw_sample(film)[..., ::-1])
        write_bytes(path, data.tobytes())
    return paths
