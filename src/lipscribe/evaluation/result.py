"""What an evaluation holds: plain records, computed once by `scores.py` and shown by `report.py` and `plots.py`."""

from dataclasses import asdict, dataclass
from typing import Any

from lipscribe.metrics import ErrorCounts
from lipscribe.units import Seconds


@dataclass(frozen=True)
class Reading:
    """What a model reads of one clip, both texts normalised.

    Attributes:
        probabilities: Of each word of the hypothesis, 0 to 1; None where the model gives none.
        failure: Why the clip could not be read; empty otherwise.
        surprise: Nats a frame from the first word to the last (see `search/familiarity.py`); None where it is unknown.
    """

    id: str
    reference: str
    hypothesis: str
    probabilities: tuple[float, ...] | None = None
    failure: str = ""
    surprise: float | None = None


@dataclass(frozen=True)
class ErrorRate:
    """Errors over all clips together (micro), and between which rates it lies by a 95 % bootstrap over the clips."""

    rate: float
    low: float
    high: float
    hits: int
    substitutions: int
    deletions: int
    insertions: int


@dataclass(frozen=True)
class MethodScore:
    """One way of searching the same log-probabilities.

    Attributes:
        sentence_accuracy: Share of the clips without any error.
        seconds: Time that the network and this search took over all clips.
    """

    method: str
    wer: ErrorRate
    cer: ErrorRate
    sentence_accuracy: float
    seconds: Seconds


@dataclass(frozen=True)
class ClipScore:
    """One clip: its texts and its words' errors.

    Attributes:
        confidence: Mean probability of its words; None where there are none.
        failure: Why it could not be read; all its words then count as deletions.
    """

    id: str
    reference: str
    hypothesis: str
    hits: int
    substitutions: int
    deletions: int
    insertions: int
    confidence: float | None
    failure: str

    @property
    def errors(self) -> int:
        """Wrong words of all three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """The clip's own word error rate."""
        return ErrorCounts(self.hits, self.substitutions, self.deletions, self.insertions).rate


@dataclass(frozen=True)
class PositionScore:
    """The words at one position of sentences of the same number of words; insertions are not counted."""

    name: str
    errors: int
    total: int

    @property
    def rate(self) -> float:
        """Share of the words that are wrong."""
        return self.errors / max(self.total, 1)


@dataclass(frozen=True)
class Confusion:
    """A substitution, and how often it occurs."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class CalibrationBin:
    """Words with a probability from `low` to `high`: their mean probability, and the share of them that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Whether words of probability 0.8 are right 8 times out of 10.

    Attributes:
        bins: Those that hold a word, in order.
        expected_error: Mean distance of probability and share right, over all words by their bins (the expected
            calibration error of Naeini et al., 2015); 0 is perfect.
        num_words: Words with a probability.
    """

    bins: tuple[CalibrationBin, ...]
    expected_error: float
    num_words: int


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not in the score, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """How well a model reads a set of clips.

    Attributes:
        model: Its name.
        split: Which clips.
        method: The search that the figures are of.
        normalisation: What was done to both texts before they were compared; see `text.normalise`.
        wer, cer: Word and character error rate; characters include the spaces between words.
        sentence_accuracy: Share of the clips without any error.
        methods: The same for each search that was tried on the same log-probabilities, `method` among them.
        positions: Errors by position in the sentence; empty where sentences differ in length.
        confusions: The most frequent substitutions, worst first.
        calibration: Of the words' probabilities; None without these.
        clips: One row each.
        left_out: Clips that could not be prepared, so that they are not in the score.
        seconds: How long reading took, and `video_seconds` how long the clips last.
    """

    model: str
    split: str
    method: str
    normalisation: str
    wer: ErrorRate
    cer: ErrorRate
    sentence_accuracy: float
    methods: tuple[MethodScore, ...]
    positions: tuple[PositionScore, ...]
    confusions: tuple[Confusion, ...]
    calibration: Calibration | None
    clips: tuple[ClipScore, ...]
    left_out: tuple[LeftOut, ...]
    seconds: Seconds
    video_seconds: Seconds

    @property
    def failures(self) -> tuple[ClipScore, ...]:
        """The clips that could not be read; their words count as deletions."""
        return tuple(clip for clip in self.clips if clip.failure)

    @property
    def speed(self) -> float:
        """Seconds of video read in a second."""
        return self.video_seconds / max(self.seconds, 1e-9)

    def worst_clips(self, number: int = 10) -> list[ClipScore]:
        """Clips with errors, most errors for their length first; those that could not be read are not among them."""
        wrong = [clip for clip in self.clips if clip.errors and not clip.failure]
        return sorted(wrong, key=lambda clip: (-clip.rate, clip.id))[:number]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)
