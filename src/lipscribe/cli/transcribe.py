"""`lipscribe transcribe`."""

from contextlib import ExitStack
from typing import Annotated

import typer

from lipscribe.cli import engines, flags
from lipscribe.cli.results import Format
from lipscribe.cli.searching import Precision, Runtime, Search

FORMAT_HELP = "What to write: txt, json, srt, vtt or tsv; mp4 is the captioned video, all is the first five."


def transcribe(
    videos: flags.Videos,
    model: flags.Model = "grid",
    format: Annotated[
        Format | None, typer.Option(help=FORMAT_HELP, show_default="txt, or what the name of --output ends in")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file for one video, such as clip.srt, or a folder for one result a video; without it, stdout.",
            show_default=False,
        ),
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="In srt and vtt, mark each word while it is spoken.")] = False,
    start: Annotated[
        float | None, typer.Option(help="Where in the video to begin, in seconds.", min=0, show_default=False)
    ] = None,
    end: Annotated[
        float | None, typer.Option(help="Where in the video to stop, in seconds.", min=0, show_default=False)
    ] = None,
    face: flags.Face = "moving",
    stream: flags.Stream = None,
    search: flags.Search = Search.auto,
    grammar: flags.GrammarFile = None,
    phrases: flags.Phrases = None,
    lm: flags.LanguageModel = None,
    lm_weight: flags.LmWeight = None,
    word_bonus: flags.WordBonus = None,
    length_bonus: flags.LengthBonus = 0.0,
    ctc_weight: flags.CtcWeight = None,
    beam_size: flags.BeamSize = None,
    initials: flags.Initials = None,
    nbest: Annotated[int, typer.Option(help="Hypotheses of each stretch in JSON, best first, with scores.", min=1)] = 1,
    alternatives: Annotated[int, typer.Option(help="Alternatives of each word in JSON, at most.", min=0)] = 3,
    mark_unsure: Annotated[
        bool, typer.Option("--mark-unsure", help="Write unsure words as \\[word?]; JSON has all probabilities anyway.")
    ] = False,
    unsure_below: Annotated[float, typer.Option(help="Probability below which a word is unsure.", min=0, max=1)] = 0.5,
    device: flags.Device = "auto",
    precision: flags.Precision = Precision.float32,
    runtime: flags.Runtime = Runtime.auto,
    jobs: flags.Jobs = None,
    engine: engines.EngineFlag = engines.EngineName.local,
    address: engines.Address = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write results and errors, and nothing else.")] = False,
) -> int:
    """Read the words from videos, by the picture alone.

    On stdout, lines appear as soon as they are read, in the order of the videos. Several videos are read at the same
    time, in one process per CPU.

    Examples:
      lipscribe transcribe clip.mpg

      lipscribe transcribe clip.mpg -o clip.srt --words

      lipscribe transcribe *.mp4 --format srt --output subs/

      lipscribe transcribe recordings/ --format all --output results/

      lipscribe transcribe recordings/ --format json --jobs 4 > results.jsonl

      lipscribe transcribe clip.mpg -o captioned.mp4

      lipscribe transcribe long.mp4 --start 60 --end 90 --format srt

      lipscribe transcribe two-people.mp4 --face all --format json

      lipscribe transcribe clip.mp4 --model runs/mine --phrases commands.txt

      lipscribe transcribe clip.mp4 --model my-vsr --lm my-lm --lm-weight 0.3 --beam-size 40

      lipscribe transcribe clip.mp4 --initials "p r a c s p"

      lipscribe transcribe clip.mp4 --mark-unsure --unsure-below 0.7

      curl https://example.org/clip.mp4 | lipscribe transcribe -
    """
    from lipscribe.batch import choose_jobs
    from lipscribe.cli.notes import show_notes
    from lipscribe.cli.reading import Job, Task, read_here, read_in_workers
    from lipscribe.cli.results import all_different, find_results
    from lipscribe.cli.sources import find_videos
    from lipscribe.transcript import CAPTIONS

    # This function is long on purpose: most of it is the flags' help.
    show_notes(quiet)
    with ExitStack() as until:
        sources = find_videos(videos, until)
        results = find_results(output, format, sources)
        if words and not set(results.formats) & set(CAPTIONS):
            raise typer.BadParameter("--words marks words in srt and vtt: want one of these", param_hint="--words")
        if nbest > 1 and Format.json not in results.formats:
            raise typer.BadParameter("other hypotheses are in json only: want --format json", param_hint="--nbest")
        job = Job(
            model=model,
            device=device,
            precision=precision.value,
            runtime=runtime.value,
            search={
                "search": search,
                "grammar": grammar,
                "phrases": phrases,
                "lm": lm,
                "lm_weight": lm_weight,
                "word_bonus": word_bonus,
                "length_bonus": length_bonus,
                "ctc_weight": ctc_weight,
                "beam_size": beam_size,
                "initials": initials,
                "nbest": nbest,
                "alternatives": alternatives if Format.json in results.formats else 0,
            },
            face=face,
            range={"stream": stream, "start": start, "end": end},
            results=results,
            several=len(sources) > 1,
            words=words,
            unsure_below=unsure_below if mark_unsure else 0,
            quiet=quiet,
        )
        stems = all_different(source.stem for source in sources)
        tasks = [Task(source, stem) for source, stem in zip(sources, stems, strict=True)]
        opened = until.enter_context(engines.opened(engine, address, jobs))
        number = choose_jobs(jobs, [source.path for source in sources], opened)
        in_workers = opened is not None or number > 1
        failures = read_in_workers(job, tasks, number, opened) if in_workers else read_here(job, tasks)
        return failures.exit_code(len(sources))
