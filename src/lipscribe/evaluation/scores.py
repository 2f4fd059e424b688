"""References and hypotheses of many clips -> every figure of an evaluation, computed once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lipscribe.data.corpora.grid import SLOT_NAMES, SLOTS
from lipscribe.metrics import (
    DELETION,
    HIT,
    INSERTION,
    SUBSTITUTION,
    ErrorCounts,
    align_words,
    bootstrap_interval,
    character_errors,
    word_errors,
)
from lipscribe.units import Seconds

NUM_CONFUSIONS = 50  # kept of the most frequent ones
NUM_BINS = 10  # of the word probabilities: tenths


@dataclass(frozen=True)
class Reading:
    """What a model made of one clip, both texts normalised.

    Attributes:
        probabilities: Of each word of the hypothesis, 0 to 1; None where the model gives none.
        failure: Why nothing could be read; empty if it could.
    """

    id: str
    reference: str
    hypothesis: str
    probabilities: tuple[float, ...] | None = None
    failure: str = ""


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
    """The words at one place of sentences that all have the same number of words; words put in are not counted."""

    name: str
    errors: int
    total: int

    @property
    def rate(self) -> float:
        """Share of the words that are wrong."""
        return self.errors / max(self.total, 1)


@dataclass(frozen=True)
class Confusion:
    """A word that was read as another, and how often."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class CalibrationBin:
    """Words with a probability from `low` to `high`: their mean probability, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Whether words of probability 0.8 are right 8 times in 10.

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
        positions: Errors by place in the sentence; empty where sentences differ in length.
        confusions: The most frequent substitutions, worst first.
        calibration: Of the words' probabilities; None where there are none.
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


def score_method(method: str, readings: Sequence[Reading], seconds: Seconds) -> MethodScore:
    """The rates of one search; there is at least one reading."""
    references = [reading.reference for reading in readings]
    hypotheses = [reading.hypothesis for reading in readings]
    words = word_errors(references, hypotheses)
    right = sum(count.errors == 0 for count in words) / len(words)
    return MethodScore(method, _rate(words), _rate(character_errors(references, hypotheses)), right, seconds)


def score_clips(readings: Sequence[Reading]) -> tuple[ClipScore, ...]:
    """One row a clip."""
    counts = word_errors([r.reference for r in readings], [r.hypothesis for r in readings])
    return tuple(
        ClipScore(
            id=reading.id,
            reference=reading.reference,
            hypothesis=reading.hypothesis,
            **asdict(count),
            confidence=float(np.mean(reading.probabilities)) if reading.probabilities else None,
            failure=reading.failure,
        )
        for reading, count in zip(readings, counts, strict=True)
    )


def score_positions(readings: Sequence[Reading]) -> tuple[PositionScore, ...]:
    """Errors by place in the sentence, where all references have the same number of words."""
    sentences = [reading.reference.split() for reading in readings]
    lengths = {len(words) for words in sentences}
    if len(lengths) != 1:
        return ()
    is_grid = lengths == {len(SLOTS)} and all(word in SLOTS[i] for words in sentences for i, word in enumerate(words))
    names = SLOT_NAMES if is_grid else [f"word {i + 1}" for i in range(lengths.pop())]
    wrong = Counter(
        edit.reference_idx
        for reading in readings
        for edit in align_words(reading.reference, reading.hypothesis)
        if edit.kind in (SUBSTITUTION, DELETION)
    )
    return tuple(PositionScore(name, wrong[i], len(readings)) for i, name in enumerate(names))


def position_pairs(clips: Sequence[ClipScore], position: int) -> Counter[tuple[str, str | None]]:
    """How often each word at a place of the sentence was read as which; None where it was left out."""
    return Counter(
        (edit.reference, edit.hypothesis)
        for clip in clips
        for edit in align_words(clip.reference, clip.hypothesis)
        if edit.reference_idx == position
    )


def count_confusions(readings: Sequence[Reading]) -> tuple[Confusion, ...]:
    """The most frequent substitutions; those that are equally frequent by alphabet."""
    pairs = Counter(
        (edit.reference, edit.hypothesis)
        for reading in readings
        for edit in align_words(reading.reference, reading.hypothesis)
        if edit.kind == SUBSTITUTION
    )
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(*pair, count) for pair, count in ordered[:NUM_CONFUSIONS])


def word_outcomes(readings: Sequence[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Of all words read that have a probability: (N,) float64 probabilities and (N,) bool whether each is right."""
    probabilities: list[float] = []
    right: list[bool] = []
    for reading in readings:
        if reading.probabilities is None:
            continue
        edits = align_words(reading.reference, reading.hypothesis)
        right += [edit.kind == HIT for edit in edits if edit.kind in (HIT, SUBSTITUTION, INSERTION)]
        probabilities += reading.probabilities
    return np.array(probabilities), np.array(right, dtype=bool)


def calibrate(readings: Sequence[Reading]) -> Calibration | None:
    """Probabilities of the words that were read against how many of them were right."""
    probability, is_right = word_outcomes(readings)
    return measure_calibration(probability, is_right) if len(probability) else None


def measure_calibration(probability: np.ndarray, is_right: np.ndarray) -> Calibration:
    """The same of (N,) probabilities and (N,) outcomes, N at least 1."""
    bin_of = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = tuple(
        CalibrationBin(
            low=number / NUM_BINS,
            high=(number + 1) / NUM_BINS,
            count=int((bin_of == number).sum()),
            confidence=float(probability[bin_of == number].mean()),
            accuracy=float(is_right[bin_of == number].mean()),
        )
        for number in sorted(set(bin_of.tolist()))
    )
    expected_error = sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / len(probability)
    return Calibration(bins, float(expected_error), len(probability))


def _rate(counts: Sequence[ErrorCounts]) -> ErrorRate:
    total = ErrorCounts.total(counts)
    low, high = bootstrap_interval(counts)
    return ErrorRate(total.rate, low, high, **asdict(total))
