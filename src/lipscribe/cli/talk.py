"""`lipscribe talk`."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lipscribe.cli.results import check_video_name

VARIED = "varied"  # options that are not given are drawn from the seed


def talk(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The MP4 file; with --corpus, a new folder.", show_default=False),
    ],
    text: Annotated[str | None, typer.Argument(help="What is said, in English.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Decides who speaks, and all that is random.", min=0)] = 0,
    take: Annotated[int, typer.Option(help="The same person saying it another time.", min=0)] = 0,
    rate: Annotated[
        float | None, typer.Option(help="Speaking rate: 2 is twice as fast.", min=0.25, max=4, show_default="1 or so")
    ] = None,
    manner: Annotated[
        str,
        typer.Option(
            help="clear; natural, as people move whose lips were measured; or careful, the same larger and slower.",
            metavar="KIND",
        ),
    ] = "clear",
    srt: Annotated[bool, typer.Option("--srt", help="Write captions beside each video too.")] = False,
    align: Annotated[
        bool, typer.Option("--align", help="Write word times as GRID does; a corpus always has them.")
    ] = False,
    beside: Annotated[
        str | None, typer.Option(help="What a second person says beside the first.", metavar="TEXT", show_default=False)
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Make a corpus in GRID's layout: of grid sentences, of idle faces that say nothing, or of the "
            "sentences of a text file, one a line."
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(help="Clips in the corpus.", show_default="2000, or one a line of the file", min=1),
    ] = None,
    speakers: Annotated[int | None, typer.Option(help="Speakers in the corpus.", show_default="50", min=1)] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes.", show_default="one a core", min=1)] = None,
    size: Annotated[str | None, typer.Option(help="Width and height, such as 640x480.", show_default="360x288")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default="25")] = None,
    head_motion: Annotated[
        float | None, typer.Option(help="Movement of the head; 0 is none.", show_default="1")
    ] = None,
    roll: Annotated[float | None, typer.Option(help="Tilt of the head in degrees.", show_default=VARIED)] = None,
    background: Annotated[
        str | None, typer.Option(help="plain, gradient or room.", metavar="KIND", show_default=VARIED)
    ] = None,
    noise: Annotated[float | None, typer.Option(help="Camera noise, in grey levels.", show_default=VARIED)] = None,
    blur: Annotated[float | None, typer.Option(help="Camera blur, in pixels.", show_default=VARIED)] = None,
    crf: Annotated[int | None, typer.Option(help="Compression, from 0 (best) to 51.", show_default=VARIED)] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(help="Any other field of lipscribe.talker.Scene, such as light=0.5.", metavar="NAME=VALUE"),
    ] = None,
) -> int:
    """Make a video of a synthetic person saying a sentence, or a whole corpus; the same command resumes one.

    Examples:
      lipscribe talk "place red at c seven please" -o clip.mp4 --seed 7

      lipscribe talk "Any English sentence, 25 times." -o clip.mp4 --rate 0.8 --size 720x576 --srt

      lipscribe talk "Good morning." --beside "Hello there." --size 720x400 -o two.mp4 --scene light=0.6

      lipscribe talk --corpus grid --clips 2000 --speakers 50 -o corpus/

      lipscribe talk --corpus grid --clips 900 --manner natural -o natural/

      lipscribe talk --corpus sentences.txt --speakers 10 -o corpus/

      lipscribe talk --corpus idle --clips 200 --speakers 50 -o silence/
    """
    # More than 60 lines on purpose: nearly all of them declare the options.
    if (text is None) == (corpus is None):
        raise typer.BadParameter("give either a text or --corpus", param_hint="TEXT")
    fields = {"fps": fps, "head_motion": head_motion, "roll_deg": roll, "background": background, "noise": noise}
    fields |= {"blur_px": blur, "crf": crf, **_pixels(size)}
    fixed = {field: value for field, value in fields.items() if value is not None} | _fields(scene or [])
    if text is not None:
        check_video_name(output)
        if beside is not None:
            _refuse("is for one person: leave out --beside", align=align or None)
        _refuse("is for a --corpus", clips=clips, speakers=speakers, workers=workers)
        return _clip([text] if beside is None else [text, beside], output, seed, take, rate, manner, fixed, srt, align)
    assert corpus is not None  # one of both is given
    _refuse("is for a single text", take=take or None, beside=beside)
    chosen = {"seed": seed, "rate": rate, "manner": manner, "scene": fixed, "srt": srt}
    return _corpus(output, corpus, clips=clips, speakers=speakers, workers=workers, **chosen)


def _fields(given: list[str]) -> dict[str, Any]:
    """`light=0.5` -> {"light": 0.5}; what is out of range `Scene` says itself."""
    fields: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r}, wanted NAME=VALUE such as light=0.5", param_hint="--scene")
        try:
            fields[name] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            fields[name] = value
    return fields


def _pixels(size: str | None) -> dict[str, int]:
    if size is None:
        return {}
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", size)
    if not match:
        raise typer.BadParameter(f"{size!r}, wanted WIDTHxHEIGHT such as 640x480", param_hint="--size")
    return {"width": int(match[1]), "height": int(match[2])}


def _refuse(reason: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(reason, param_hint=f"--{name}")


def _clip(
    texts: list[str],
    output: Path,
    seed: int,
    take: int,
    rate: float | None,
    manner: str,
    scene: dict[str, Any],
    srt: bool,
    align: bool,
) -> int:
    from lipscribe.cli.bars import bars
    from lipscribe.data.corpora.grid import write_align
    from lipscribe.talker import Talker, together
    from lipscribe.talker.captions import captions_together, to_captions
    from lipscribe.transcript import write_transcript

    places = [{}] if len(texts) == 1 else [{"x": 0.27, "face": 0.2}, {"x": 0.73, "face": 0.2}]
    # The second person stands in the first one's scene.
    clips = [
        Talker(seed + i, manner=manner).say(
            text, take=take, rate=1.0 if rate is None else rate, scene={**place, **scene}
        )
        for i, (text, place) in enumerate(zip(texts, places, strict=True))
    ]
    clip = together(clips) if len(clips) > 1 else clips[0]
    with bars() as progress:
        clip.save(output, progress)
    if srt:
        captions = output.with_suffix(".srt")
        parts = [to_captions(spoken.words, str(output), spoken.duration) for spoken in clips]
        write_transcript(parts[0] if len(parts) == 1 else captions_together(parts), "srt", captions)
        print(f"captions: {captions}", file=sys.stderr)
    if align:
        write_align(output.with_suffix(".align"), clip.words, clip.duration)
        print(f"word times: {output.with_suffix('.align')}", file=sys.stderr)
    print(output)
    return 0


def _corpus(output: Path, corpus: str, **options: Any) -> int:
    from lipscribe.cli.bars import bars
    from lipscribe.talker.corpus import make_corpus

    with bars() as progress:
        report = make_corpus(output, corpus, **options, progress=progress)
    for clip_id, reason in report.failed.items():
        print(f"failed: {clip_id}: {reason}", file=sys.stderr)
    splits = ", ".join(f"{number} {split}" for split, number in sorted(report.splits.items())) or "no clips"
    kept = f", {report.kept} were there" if report.kept else ""
    print(f"{splits}; {report.rendered} rendered{kept}, {len(report.failed)} failed", file=sys.stderr)
    print(output)
    if report.failed:
        return 1 if report.splits else 2
    return 0
