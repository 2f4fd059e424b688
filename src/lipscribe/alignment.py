"""Forced alignment of a video with its text."""

from itertools import count
from pathlib import Path

from lipscribe.errors import ConfigError, NoFaceError
from lipscribe.faces import FaceDetector, choose_faces, track_faces
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.search.align import align_text
from lipscribe.transcript import Word
from lipscribe.units import frame_to_seconds
from lipscribe.video import Video

MIN_COVERAGE = 0.9  # share of the clip's frames that need the same face


def align_video(
    path: Path | str, text: str, model: Model, face: str | int = "moving", detector: FaceDetector | None = None
) -> tuple[Word, ...]:
    """Times of the words of a known text, by a model with a CTC head.

    Args:
        path: The video, in which one person says the text once.
        text: In the model's vocabulary.
        face: Who says it; see `choose_faces`.
        detector: Reused for several videos; None loads one.

    Returns:
        The words of the text in order, each with the model's probability of it there.

    Raises:
        LipscribeError: The video cannot be read, the face is not in view throughout, or the text cannot be aligned.
    """
    if not model.spec.ctc:
        raise ConfigError(f"model {model.name} has no CTC head to align with: want one with optim.ctc_weight above 0")
    fps = model.spec.input.fps
    video = Video(path, fps)
    numbers = count()
    tracks = track_faces((frame for frame, _ in zip(video, numbers, strict=False)), fps, detector)
    num_frames = next(numbers)  # as many as were read
    runs = [run for track in choose_faces(tracks, face, across_pauses=True) for run in track.runs()]
    if not runs:
        raise NoFaceError("a face is there for a moment only")
    run = max(runs, key=lambda run: run.stop - run.start)
    coverage = (run.stop - run.start) / num_frames
    if coverage < MIN_COVERAGE:
        raise NoFaceError(
            f"one face is there for {coverage:.0%} of the frames without a break, wanted {MIN_COVERAGE:.0%}: "
            "cut the clip to where its text is said"
        )
    log_probs = model.stream_log_probs(crop_mouth(video, run, model.spec.input.crop))
    begin = video.first_frame + run.start
    return tuple(
        Word(
            word.text,
            frame_to_seconds(begin + word.start, fps),
            frame_to_seconds(begin + word.end, fps),
            round(word.probability, 4),
        )
        for word in align_text(log_probs, text, model.tokenizer)
    )
