"""A video and a model -> where in the face and when the model looked for each word.

The video is read as `Model.transcribe` reads it, and once more for the crops of the words that are explained, in
bounded memory.
"""

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from lipscribe.errors import ConfigError, LipscribeError, NoFaceError
from lipscribe.explain.explanation import ExplainedStretch, ExplainedWord, Explanation
from lipscribe.explain.saliency import find_evidence
from lipscribe.explain.stretches import Stretch, collect_crops, read_stretches
from lipscribe.faces import choose_faces, track_faces
from lipscribe.faces import landmarks as lm
from lipscribe.model import Model
from lipscribe.mouth import crop_transforms
from lipscribe.progress import Progress
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video
from lipscribe.windows import PIECE

MAX_SECONDS: Seconds = 15.0  # explained at once: a gradient for each word takes far longer than reading it
HALF = 0.5  # of a word's saliency: what the shortest frames that hold so much are called


def explain_video(
    path: str | Path,
    model: Model,
    face: str | int = "moving",
    start: Seconds = 0.0,
    seconds: Seconds = MAX_SECONDS,
    progress: Progress | None = None,
) -> Explanation:
    """Reads a video and finds the evidence for each word.

    Args:
        face: Whom to read; see `choose_faces`.
        start: Words that end before are left out.
        seconds: Words that begin later than so much after `start` are left out.
        progress: Called after each step of a stretch.

    Raises:
        VideoError: It is no video, or none of its pictures can be decoded.
        NoFaceError: There is no face, or not the one that is asked for.
        ConfigError: `start` or `seconds` is out of range.
        LipscribeError: No word was read.
    """
    if not 0 <= start < math.inf or not 0 < seconds < math.inf:
        raise ConfigError(
            f"start is {start} and seconds {seconds}: want a start of at least 0, and more than 0 seconds"
        )
    fps, end = model.spec.input.fps, start + seconds
    video = Video(path, fps)
    # What comes later than a piece after the end changes nothing in the words before it.
    limit = math.ceil(end * fps) + PIECE
    tracks = track_faces(islice(video, limit), fps)
    try:
        runs = [run for track in choose_faces(tracks, face) for run in track.runs()]
    except NoFaceError as error:
        raise NoFaceError(f"{path}: {error}") from None
    stretches = list(read_stretches(model, islice(video, limit), runs))
    chosen = [stretch for stretch in stretches if _is_within(stretch, start, end)]
    if not chosen:
        where = f" between {start:g} and {end:g} s" if stretches else ""
        remedy = "give another --start" if stretches else "see lipscribe inspect"
        raise LipscribeError(f"{path}: no word was read{where}, so there is nothing to explain: {remedy}")
    explained = [
        _explain(model, stretch, crops, frame, progress)
        for stretch, crops, frame in collect_crops(islice(video, limit), chosen, model.spec.input.crop)
    ]
    later = any(stretch.words[0].start >= end for stretch in stretches)
    goes_on = later or video.info.duration > end + PIECE / fps
    return Explanation(
        video,
        model.name,
        fps,
        tuple(sorted(explained, key=lambda stretch: stretch.first_frame)),
        max(word.end for stretch in chosen for word in stretch.words) if goes_on else None,
        tuple(video.warnings),
    )


def shortest_holding(profile: np.ndarray, share: float) -> tuple[int, int]:
    """The shortest stretch of frames, start and end, that holds `share` of a profile (T,) of numbers of at least 0."""
    sums = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    ends = np.searchsorted(sums, sums[:-1] + share * sums[-1] - 1e-9)
    lengths = np.where(ends < len(sums), np.maximum(ends - np.arange(len(profile)), 1), len(profile) + 1)
    start = int(np.argmin(lengths))
    return start, start + int(lengths[start])


def _is_within(stretch: Stretch, start: Seconds, end: Seconds) -> bool:
    return stretch.words[-1].end > start and stretch.words[0].start < end


def _explain(
    model: Model, stretch: Stretch, crops: np.ndarray, frame: np.ndarray, progress: Progress | None
) -> ExplainedStretch:
    fps, size = model.spec.input.fps, model.spec.input
    evidence = find_evidence(model, crops, stretch.part, stretch.tokens, stretch.spans, stretch.parts, progress)
    top, left = (crops.shape[1] - size.height) // 2, (crops.shape[2] - size.width) // 2
    pictures = crops[stretch.part, top : top + size.height, left : left + size.width]
    shown = slice(stretch.shown.start, stretch.shown.end)
    run = stretch.run
    transforms = crop_transforms(run.landmarks, size.crop, run.cuts)[shown] - [[0, 0, left], [0, 0, top]]
    lips = _lips(stretch.run.landmarks[shown], transforms, pictures.shape[1:])
    words = []
    for i, word in enumerate(stretch.words):
        saliency = evidence.saliency[i, stretch.part]
        profile = saliency.sum((1, 2))
        half = [frame_to_seconds(stretch.first_frame + at, fps) for at in shortest_holding(profile, HALF)]
        words.append(
            ExplainedWord(
                word,
                saliency,
                None if evidence.ctc is None else evidence.ctc[i],
                None if evidence.attention is None else evidence.attention[i],
                (half[0], half[1]),
                int(profile.argmax()),
                float(saliency[lips].sum() / max(profile.sum(), 1e-12)),
            )
        )
    oval = stretch.run.landmarks[shown, lm.OVAL]
    middle = stretch.num_frames // 2
    return ExplainedStretch(
        tuple(words), stretch.first_frame, pictures, frame, middle, transforms, oval, float(lips.mean())
    )


def _lips(landmarks: np.ndarray, transforms: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Where the lips and what they enclose lie in the pictures: (T, H, W) bool."""
    points = np.einsum("tij,tlj->tli", transforms[:, :, :2], landmarks[:, lm.LIPS_OUTER]) + transforms[:, None, :, 2]
    masks = np.zeros((len(landmarks), *size), np.uint8)
    for mask, ring in zip(masks, points, strict=True):
        cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], 1)
    return masks.astype(bool)
