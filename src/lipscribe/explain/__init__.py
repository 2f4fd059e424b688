"""Where in the face and when a model looked for each word: saliency (see `saliency.py`), alignment, pictures of both.

The video is read as `Model.transcribe` reads it, and once more for the crops of the words that are explained, in
bounded memory. `write_explanation` reads it a third time for its film.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipscribe.errors import ConfigError, LipscribeError, NoFaceError
from lipscribe.explain.saliency import find_evidence
from lipscribe.explain.stretches import Stretch, collect_crops, read_stretches
from lipscribe.faces import choose_faces, track_faces
from lipscribe.faces import landmarks as lm
from lipscribe.mouth import crop_transforms
from lipscribe.pipeline import Model
from lipscribe.transcript import Word
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video, save_video
from lipscribe.windows import PIECE

MAX_SECONDS: Seconds = 15.0  # explained at once: a gradient for each word takes far longer than reading it
HALF = 0.5  # of a word's saliency: what the shortest frames that hold so much are called


@dataclass(frozen=True)
class ExplainedWord:
    """A word and what spoke for it.

    Attributes:
        word: As in the transcript.
        saliency: (T, H, W) float32, at least 0: the share of what spoke for the word, in the frames of its stretch. It
            sums to 1, less what lies before or after the stretch.
        ctc: (T,) probability of the word by the CTC head where the alignments have it; None without such a head.
        attention: (T,) how much the decoder looked at each frame for the word; None without a decoder.
        half: The shortest time that holds half of the saliency, in seconds of the video.
        strongest: Frame of the stretch with most of it.
        lips_share: Of the saliency, how much lies on the lips and what they enclose, 0 to 1.
    """

    word: Word
    saliency: np.ndarray
    ctc: np.ndarray | None
    attention: np.ndarray | None
    half: tuple[Seconds, Seconds]
    strongest: int
    lips_share: float

    @property
    def profile(self) -> np.ndarray:
        """(T,) how much of the saliency lies in each frame."""
        return self.saliency.sum((1, 2))


@dataclass(frozen=True)
class ExplainedStretch:
    """Words that were explained together.

    Attributes:
        words: In order.
        first_frame: Frame of the video in which it begins.
        pictures: (T, H, W) uint8: the part of the mouth crops that the model sees.
        frame: (H, W, 3) uint8 RGB: the video in the stretch's middle, frame `frame_idx` of the stretch.
        frame_idx: See there.
        transforms: (T, 2, 3): pixels of the video -> pixels of `pictures`.
        oval: (T, 36, 2): the outline of the face in pixels of the video.
        lips_area: Share of `pictures` that lips and what they enclose take on average, 0 to 1.
    """

    words: tuple[ExplainedWord, ...]
    first_frame: int
    pictures: np.ndarray
    frame: np.ndarray
    frame_idx: int
    transforms: np.ndarray
    oval: np.ndarray
    lips_area: float

    @property
    def num_frames(self) -> int:
        """How long it is."""
        return len(self.pictures)


@dataclass(frozen=True)
class Explanation:
    """What a model read in a video, and why.

    Attributes:
        video: The file.
        model: The model's name.
        fps: Rate at which it was read.
        stretches: By time.
        until: Where the explanation ends although the video goes on, in seconds; None where it does not.
        warnings: What was odd about reading the video, a line each.
    """

    video: Video
    model: str
    fps: float
    stretches: tuple[ExplainedStretch, ...]
    until: Seconds | None
    warnings: tuple[str, ...]

    @property
    def words(self) -> list[ExplainedWord]:
        """Those of all stretches."""
        return [word for stretch in self.stretches for word in stretch.words]

    def to_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON: of each word its curves over the frames, from `first_frame` on."""
        return {
            "video": str(self.video.info.path),
            "model": self.model,
            "text": " ".join(word.word.text for word in self.words),
            "fps": self.fps,
            "method": "integrated gradients from a still mouth (Sundararajan, Taly and Yan, 2017)",
            "stretches": [
                {
                    "first_frame": stretch.first_frame,
                    "num_frames": stretch.num_frames,
                    "lips_area": round(stretch.lips_area, 4),
                    "words": [_word_to_dict(word, stretch, self.fps) for word in stretch.words],
                }
                for stretch in self.stretches
            ],
        }


def explain_video(
    path: str | Path,
    model: Model,
    face: str | int = "moving",
    start: Seconds = 0.0,
    seconds: Seconds = MAX_SECONDS,
    progress: bool = False,
) -> Explanation:
    """Reads a video and finds what spoke for each word.

    Args:
        face: Whom to read; see `choose_faces`.
        start: Words that end before are left out.
        seconds: Words that begin later than so much after `start` are left out.
        progress: Show bars on stderr, where that is a terminal.

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
    goes_on = later or (video.info.duration is not None and video.info.duration > end + PIECE / fps)
    return Explanation(
        video,
        model.name,
        fps,
        tuple(sorted(explained, key=lambda stretch: stretch.first_frame)),
        max(word.end for stretch in chosen for word in stretch.words) if goes_on else None,
        tuple(video.warnings),
    )


def write_explanation(explanation: Explanation, folder: str | Path) -> list[Path]:
    """Writes `explain.png` (`explain-2.png` and so on for further stretches), `explain.mp4` and `explain.json`.

    Returns:
        The files written.

    Raises:
        LipscribeError: The folder cannot be written, or the video cannot be read any more.
    """
    from lipscribe.explain.pictures import draw_page
    from lipscribe.explain.video import draw_video

    folder = Path(folder)
    film, report = folder / "explain.mp4", folder / "explain.json"
    pages = [folder / f"explain{f'-{n}' if n > 1 else ''}.png" for n in range(1, len(explanation.stretches) + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stretch, page in zip(explanation.stretches, pages, strict=True):
            draw_page(explanation, stretch, page)
        text = json.dumps(explanation.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        report.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise LipscribeError(f"{folder} cannot be written ({error.strerror}): give another folder") from None
    save_video(film, draw_video(explanation), explanation.fps)
    return [*pages, film, report]


def shortest_holding(profile: np.ndarray, share: float) -> tuple[int, int]:
    """The shortest stretch of frames, start and end, that holds `share` of a profile (T,) of numbers of at least 0."""
    sums = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    ends = np.searchsorted(sums, sums[:-1] + share * sums[-1] - 1e-9)
    lengths = np.where(ends < len(sums), np.maximum(ends - np.arange(len(profile)), 1), len(profile) + 1)
    start = int(np.argmin(lengths))
    return start, start + int(lengths[start])


def _is_within(stretch: Stretch, start: Seconds, end: Seconds) -> bool:
    return stretch.words[-1].end > start and stretch.words[0].start < end


def _explain(model: Model, stretch: Stretch, crops: np.ndarray, frame: np.ndarray, progress: bool) -> ExplainedStretch:
    fps, size = model.spec.input.fps, model.spec.input
    evidence = find_evidence(model, crops, stretch.part, stretch.tokens, stretch.spans, stretch.places, progress)
    top, left = (crops.shape[1] - size.height) // 2, (crops.shape[2] - size.width) // 2
    pictures = crops[stretch.part, top : top + size.height, left : left + size.width]
    shown = slice(stretch.shown.start, stretch.shown.end)
    transforms = crop_transforms(stretch.run.landmarks, size.crop)[shown] - [[0, 0, left], [0, 0, top]]
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


def _word_to_dict(word: ExplainedWord, stretch: ExplainedStretch, fps: float) -> dict[str, Any]:
    def rounded(curve: np.ndarray | None) -> list[float] | None:
        return None if curve is None else np.round(curve.astype(np.float64), 4).tolist()

    return {
        "text": word.word.text,
        "start": word.word.start,
        "end": word.word.end,
        "probability": word.word.probability,
        "half_of_saliency": list(word.half),
        "strongest": frame_to_seconds(stretch.first_frame + word.strongest, fps),
        "lips_share": round(word.lips_share, 4),
        "saliency": rounded(word.profile),
        "ctc": rounded(word.ctc),
        "attention": rounded(word.attention),
    }
