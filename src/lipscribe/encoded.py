"""The network's output for a run of mouth crops, which all searches take."""

from dataclasses import dataclass, replace

import numpy as np

from lipscribe.units import MODEL_FPS


@dataclass(frozen=True, eq=False)
class Encoded:
    """Encoder states and CTC log-probabilities, one row per frame; `encoded[start:stop]` slices frames.

    Attributes:
        states: (T, views, D) float32, the encoder output for the crops and for each further view of test-time
            augmentation (mirrored, shifted); float16 (see `halved`) for a run longer than a minute. None if no decoder
            needs them.
        log_probs: (T, V) float32 of the CTC head, log-softmaxed, blank = 0. None without a CTC head, or if they are
            computed from the states during the search (a vocabulary of thousands would take gigabytes).
        fps: Frames per second.
    """

    states: np.ndarray | None
    log_probs: np.ndarray | None
    fps: float = MODEL_FPS

    def __len__(self) -> int:
        """T, the number of frames."""
        rows = self.log_probs if self.states is None else self.states
        return 0 if rows is None else len(rows)

    def by_view(self) -> np.ndarray:
        """The states as runtimes take them: (views, T, D) float32 in C order."""
        assert self.states is not None
        return np.ascontiguousarray(self.states.swapaxes(0, 1), np.float32)

    def __getitem__(self, part: slice) -> "Encoded":
        states, log_probs = (None if rows is None else rows[part] for rows in (self.states, self.log_probs))
        return replace(self, states=states, log_probs=log_probs)


def joined(first: Encoded, second: Encoded) -> Encoded:
    """Concatenates the frames of both."""
    pairs = ((first.states, second.states), (first.log_probs, second.log_probs))
    states, log_probs = (None if a is None or b is None else np.concatenate([a, b]) for a, b in pairs)
    return replace(first, states=states, log_probs=log_probs)


def halved(rows: np.ndarray) -> np.ndarray:
    """Float numbers as float16 of the same shape; those beyond its range become its largest, and not infinite."""
    largest = np.finfo(np.float16).max
    return rows.clip(-largest, largest).astype(np.float16)
