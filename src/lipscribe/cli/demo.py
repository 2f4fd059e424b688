"""`lipscribe demo`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags

SENTENCE = "place red at c seven please"


def demo(
    text: Annotated[str, typer.Argument(help="What is said: a GRID command, for the bundled model.")] = SENTENCE,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another number is another person.", min=0)] = 7,
    model: flags.Model = "talkers",
) -> int:
    """Synthesise a talker, read its lips, and show both: needs no data.

    Examples:
      lipscribe demo

      lipscribe demo "lay white with z zero again" --seed 3
    """
    from lipscribe.cli.results import result_folder
    from lipscribe.errors import LipscribeError
    from lipscribe.faces import choose_faces, track_faces
    from lipscribe.metrics import word_errors
    from lipscribe.mouth import crop_mouth
    from lipscribe.pipeline import load_model
    from lipscribe.storyboard import caption_frames, draw_storyboard
    from lipscribe.talker import Talker
    from lipscribe.text import normalise
    from lipscribe.video import Video, save_video

    video, captioned, storyboard = (output / name for name in ("talker.mp4", "captioned.mp4", "words-and-mouths.png"))
    clip = Talker(seed).say(text)
    result_folder(output)
    print(f"a synthetic person (seed {seed}) says it: {video}", file=sys.stderr)
    clip.save(video)
    reader = load_model(model)
    transcript = reader.transcribe(video)
    print(f"said: {clip.text}")
    print(f"read: {transcript.text}")
    print("\nword          start     end   probability")
    for word in transcript.words:
        print(f"{word.text:12s} {word.start:5.2f} s {word.end:5.2f} s   {word.probability:5.0%}")

    frames = Video(video, reader.spec.input.fps)
    run = choose_faces(track_faces(frames))[0].runs()[0]
    save_video(captioned, caption_frames(frames, transcript.words, frames.fps), frames.fps)
    try:
        crops = crop_mouth(frames, run, reader.spec.input.crop)
        draw_storyboard(crops, transcript, frames.fps, storyboard, run.start, clip.text)
    except OSError as error:
        raise LipscribeError(f"{storyboard} cannot be written ({error.strerror}): give another --output") from None
    (counts,) = word_errors(normalise(clip.text), normalise(transcript.text))
    print("\nevery word right" if not counts.errors else f"\n{counts.hits} of {len(clip.words)} words right")
    print(f"the talking face     {video}")
    print(f"with what was read   {captioned}")
    print(f"mouths and words     {storyboard}")
    return 0
