"""A temperature for word probabilities, fitted on clips that were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.data.shards import read_shard
from lipscribe.errors import LipscribeError
from lipscribe.evaluation.read import read_prepared, shards_for
from lipscribe.evaluation.result import Reading
from lipscribe.evaluation.scores import measure_calibration, word_outcomes
from lipscribe.progress import Progress, tracked
from lipscribe.search import ResolvedSearch, SearchOptions
from lipscribe.search.familiarity import fit_limit

if TYPE_CHECKING:
    from lipscribe.model import Model

TEMPERATURES = np.geomspace(0.2, 5.0, 322)  # a hundredth apart; beyond them probabilities mean little either way
MIN_WORDS = 50  # with fewer, chance decides
NEAREST = 1e-6  # probabilities are kept this far from 0 and 1: one sure error would outweigh everything else


@dataclass(frozen=True)
class Fit:
    """A temperature, and what it does to the expected calibration error.

    Attributes:
        before: The error without it, 0 to 1.
        after: With temperatures fitted on one half of the clips and measured on the other, both ways: on the clips that
            it was fitted on, a temperature would flatter itself.
        surprise_limit: Beyond it a clip does not look like these (see `search/familiarity.py`); None where there were
            too few clips, or CTC took no part in the search.
    """

    temperature: float
    before: float
    after: float
    num_words: int
    surprise_limit: float | None = None


def calibrate_prepared(
    model: "Model",
    folder: Path | str,
    split: str = "dev",
    options: SearchOptions | ResolvedSearch | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fits the temperature of a search's word probabilities on the prepared clips of a split, and what is familiar.

    Args:
        options: The search; None is the model's own.
        progress: Called after each clip.

    Raises:
        ManifestError: The folder has no such split, or is damaged.
        ConfigError: Its crops are of another kind than the model's.
        LipscribeError: Too few words were read.
    """
    search = model.resolve(options)
    shards = shards_for(model, folder, split)
    uncalibrated = model.uncalibrated()
    clips = (prepared for shard in shards for prepared in read_shard(shard))
    readings = [
        reading
        for prepared in tracked(clips, progress, f"read {split}")
        for _, reading, _ in read_prepared(uncalibrated, prepared, {search.name: search})
    ]
    limit = fit_limit([reading.surprise for reading in readings if reading.surprise is not None])
    return replace(fit_temperature(readings), surprise_limit=limit)


def fit_temperature(readings: Sequence[Reading]) -> Fit:
    """The temperature under which the outcomes of the words are most likely.

    Args:
        readings: With probabilities of temperature 1.

    Raises:
        LipscribeError: There are fewer than `MIN_WORDS` words or two clips, or all words are right, or all wrong.
    """
    probabilities, right = word_outcomes(readings)
    if len(right) < MIN_WORDS:
        raise LipscribeError(f"{len(right)} words were read, too few to fit a temperature: want at least {MIN_WORDS}")
    if right.all() or not right.any():
        which = "right" if right.all() else "wrong"
        raise LipscribeError(
            f"all {len(right)} words are {which}, which fits any temperature: want clips with some of both"
        )
    halves = [word_outcomes(readings[start::2]) for start in (0, 1)]
    if not all(len(half[0]) for half in halves):
        raise LipscribeError("the words are all of one half of the clips: want several clips with words")
    crossed = [(_soften(there[0], _most_likely(*here)), there[1]) for here, there in (halves, halves[::-1])]
    after = measure_calibration(*(np.concatenate(column) for column in zip(*crossed, strict=True)))
    return Fit(
        temperature=_most_likely(probabilities, right),
        before=measure_calibration(probabilities, right).expected_error,
        after=after.expected_error,
        num_words=len(right),
    )


def _most_likely(probabilities: np.ndarray, right: np.ndarray) -> float:
    towards = np.where(right, 1, -1) * _log_odds(probabilities)
    outcomes = -np.logaddexp(0, -towards / TEMPERATURES[:, None]).sum(axis=1)
    return round(float(TEMPERATURES[outcomes.argmax()]), 3)


def _soften(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """What `search.confidence.calibrated` does, for whole arrays."""
    return 1 / (1 + np.exp(-_log_odds(probabilities) / temperature))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    clipped = probabilities.clip(NEAREST, 1 - NEAREST)
    return np.log(clipped) - np.log1p(-clipped)
