"""Word and character error rates, with their counts and confidence intervals.

The edit distance is our own thirty lines because training scores the dev split on machines with only torch and numpy;
tests compare it with jiwer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lipscribe.errors import LipscribeError

HIT, SUBSTITUTION, DELETION, INSERTION = "hit", "substitution", "deletion", "insertion"


@dataclass(frozen=True)
class ErrorCounts:
    """Edit counts between reference and hypothesis, of one clip or, by `+` or `total`, of several."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Words (or characters) of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per unit of the reference; may exceed 1.

        For an empty reference it is the number of insertions (as in jiwer), so an empty hypothesis scores 0.
        """
        return self.errors / max(self.reference_length, 1)

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @staticmethod
    def total(counts: Iterable["ErrorCounts"]) -> "ErrorCounts":
        """The sum: its `rate` is the micro (corpus-level) rate, in which long clips weigh more than short ones."""
        return sum(counts, start=ErrorCounts())


@dataclass(frozen=True)
class Edit:
    """One step from a reference to a hypothesis.

    Attributes:
        kind: "hit", "substitution", "deletion" or "insertion".
        reference: the reference's word, None for an insertion.
        hypothesis: the hypothesis's word, None for a deletion.
        reference_idx: index of `reference` in its sentence from 0, None for an insertion.
    """

    kind: str
    reference: str | None
    hypothesis: str | None
    reference_idx: int | None


def align_words(reference: str, hypothesis: str) -> list[Edit]:
    """The shortest edit script from the reference's words to the hypothesis's, in order."""
    return _edits(reference.split(), hypothesis.split())


def word_errors(references: str | Sequence[str], hypotheses: str | Sequence[str]) -> list[ErrorCounts]:
    """Counts of words for each clip.

    Args:
        references: the true text of each clip, normalised; a single string is one clip.
        hypotheses: a model's outputs, in the same order.

    Raises:
        LipscribeError: the two differ in length.
    """
    return [_count(_edits(ref.split(), hyp.split())) for ref, hyp in _pairs(references, hypotheses)]


def character_errors(references: str | Sequence[str], hypotheses: str | Sequence[str]) -> list[ErrorCounts]:
    """Counts of characters for each clip, as `word_errors`. A space between words counts as a character."""
    pairs = _pairs(references, hypotheses)
    return [_count(_edits(" ".join(ref.split()), " ".join(hyp.split()))) for ref, hyp in pairs]


def wer(references: str | Sequence[str], hypotheses: str | Sequence[str]) -> float:
    """Word error rate over all clips together (micro)."""
    return ErrorCounts.total(word_errors(references, hypotheses)).rate


def cer(references: str | Sequence[str], hypotheses: str | Sequence[str]) -> float:
    """Character error rate over all clips together (micro)."""
    return ErrorCounts.total(character_errors(references, hypotheses)).rate


def bootstrap_interval(
    counts: Sequence[ErrorCounts], seed: int = 0, level: float = 0.95, num_samples: int = 1000
) -> tuple[float, float]:
    """A confidence interval of the micro rate: clips are resampled with replacement (percentile bootstrap).

    Args:
        counts: one per clip.
        seed: of the resampling.
        level: confidence level.
        num_samples: number of resamples.

    Raises:
        LipscribeError: there are no clips.
    """
    if not counts:
        raise LipscribeError("an interval over 0 clips was asked for: give the counts of at least one clip")
    errors = np.array([count.errors for count in counts])
    lengths = np.array([count.reference_length for count in counts])
    draw = np.random.default_rng(seed).integers
    draws = (draw(len(counts), size=len(counts)) for _ in range(num_samples))
    rates = [errors[clips].sum() / max(lengths[clips].sum(), 1) for clips in draws]
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _pairs(references: str | Sequence[str], hypotheses: str | Sequence[str]) -> list[tuple[str, str]]:
    references = [references] if isinstance(references, str) else references
    hypotheses = [hypotheses] if isinstance(hypotheses, str) else hypotheses
    if len(references) != len(hypotheses):
        raise LipscribeError(f"{len(references)} references but {len(hypotheses)} hypotheses: give one for each clip")
    return list(zip(references, hypotheses, strict=True))


def _count(edits: list[Edit]) -> ErrorCounts:
    kinds = [edit.kind for edit in edits]
    return ErrorCounts(*(kinds.count(kind) for kind in (HIT, SUBSTITUTION, DELETION, INSERTION)))


def _edits(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """Trace back through the table of distances, preferring hits and substitutions on ties."""
    distance = _distances(reference, hypothesis)
    edits, i, j = [], len(reference), len(hypothesis)
    while i or j:
        if i and j and distance[i, j] == distance[i - 1, j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            kind = HIT if reference[i] == hypothesis[j] else SUBSTITUTION
            edits.append(Edit(kind, reference[i], hypothesis[j], i))
        elif i and distance[i, j] == distance[i - 1, j] + 1:
            i -= 1
            edits.append(Edit(DELETION, reference[i], None, i))
        else:
            j -= 1
            edits.append(Edit(INSERTION, None, hypothesis[j], None))
    return edits[::-1]


def _distances(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray:
    """(N + 1, M + 1) int64: Levenshtein distance between the first i and the first j items."""
    ids: dict[str, int] = {}
    hyp = np.array([ids.setdefault(item, len(ids)) for item in hypothesis], dtype=np.int64)
    steps = np.arange(len(hypothesis) + 1)
    rows = [steps]
    for i, item in enumerate(reference, start=1):
        row = np.empty_like(steps)
        row[0] = i
        row[1:] = np.minimum(rows[-1][:-1] + (hyp != ids.get(item, -1)), rows[-1][1:] + 1)
        # A run of insertions costs one each: the minimum over all columns to the left, for all columns at once.
        rows.append(np.minimum.accumulate(row - steps) + steps)
    return np.stack(rows)
