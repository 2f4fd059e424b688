"""References and hypotheses of many clips -> every figure of an evaluation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from lipscribe.evaluation.result import (
    Calibration,
    CalibrationBin,
    ClipScore,
    Confusion,
    ErrorRate,
    MethodScore,
    PositionScore,
    Reading,
)
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

NUM_CONFUSIONS = 50  # the most frequent ones are kept
NUM_BINS = 10  # of the word probabilities: tenths


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


def score_positions(
    readings: Sequence[Reading], slots: Sequence[Sequence[str]] = (), slot_names: Sequence[str] | None = None
) -> tuple[PositionScore, ...]:
    """Errors by position in the sentence, where all references have the same number of words.

    Args:
        slots: The words of each slot of the model's grammar; empty where it has none.
        slot_names: What the slots are called. Positions get these names where every reference is one word of each slot,
            and numbers elsewhere.
    """
    sentences = [reading.reference.split() for reading in readings]
    lengths = {len(words) for words in sentences}
    if len(lengths) != 1:
        return ()
    length = lengths.pop()
    in_slots = length == len(slots) and all(word in slots[i] for words in sentences for i, word in enumerate(words))
    names = slot_names if slot_names and in_slots else [f"word {i + 1}" for i in range(length)]
    wrong = Counter(
        edit.reference_idx
        for reading in readings
        for edit in align_words(reading.reference, reading.hypothesis)
        if edit.kind in (SUBSTITUTION, DELETION)
    )
    return tuple(PositionScore(name, wrong[i], len(readings)) for i, name in enumerate(names))


def position_pairs(clips: Sequence[ClipScore], position: int) -> Counter[tuple[str, str | None]]:
    """How often each word at a position was read as which; None where it was deleted."""
    return Counter(
        (edit.reference, edit.hypothesis)
        for clip in clips
        for edit in align_words(clip.reference, clip.hypothesis)
        if edit.reference is not None and edit.reference_idx == position
    )


def count_confusions(readings: Sequence[Reading]) -> tuple[Confusion, ...]:
    """The most frequent substitutions; equally frequent ones in alphabetical order."""
    pairs = Counter(
        (edit.reference, edit.hypothesis)
        for reading in readings
        for edit in align_words(reading.reference, reading.hypothesis)
        if edit.kind == SUBSTITUTION and edit.reference is not None and edit.hypothesis is not None
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
    """The words' probabilities against the share of them that is right."""
    probability, is_right = word_outcomes(readings)
    return measure_calibration(probability, is_right) if len(probability) else None


def measure_calibration(probability: np.ndarray, is_right: np.ndarray) -> Calibration:
    """The same for (N,) probabilities and (N,) outcomes, N at least 1."""
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
