"""What a model read in a video, and why: the words with their evidence."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lipscribe.transcript import Word
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video


@dataclass(frozen=True)
class ExplainedWord:
    """A word and its evidence.

    Attributes:
        word: As in the transcript.
        saliency: (T, H, W) float32, at least 0: each pixel's share of the word's evidence, in the frames of its
            stretch. It sums to 1, less what lies before or after the stretch.
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
