"""Forced alignment of a video with its text."""

from pathlib import Path

from lipscribe.errors import ConfigError, NoFaceError
from lipscribe.faces import FaceDetector, track_faces
from lipscribe.faces.track import longest_run
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.pipeline import to_word
from lipscribe.search.align import align_text
from lipscribe.transcript import Word
from lipscribe.video import Video
from lipscribe.video.passes import Passes

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
    passes = Passes(video)
    run, _ = longest_run(track_faces(passes.read("faces"), fps, detector), face)
    coverage = (run.stop - run.start) / passes.num_frames
    if coverage < MIN_COVERAGE:
        raise NoFaceError(
            f"one face is there for {coverage:.0%} of the frames without a break, wanted {MIN_COVERAGE:.0%}: "
            "cut the clip to where its text is said"
        )
    log_probs = model.stream_log_probs(crop_mouth(video, run, model.spec.input.crop))
    begin = video.first_frame + run.start
    return tuple(to_word(word, fps, begin) for word in align_text(log_probs, text, model.tokenizer))
