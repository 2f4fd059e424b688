"""What a network makes of a run of mouth crops: what every search reads, whatever the model."""

from dataclasses import dataclass, replace

import numpy as np

from lipscribe.units import MODEL_FPS


@dataclass(frozen=True, eq=False)
class Encoded:
    """A row for each frame. `encoded[start:stop]` are some of the frames.

    Attributes:
        states: (T, views, D) float32, the encoder's output for the crops as they are and for each further view that the
            model averages (mirrored, moved); float16 of a run longer than a minute. None where no decoder reads them.
        log_probs: (T, V) float32 of the CTC head, log-softmaxed, blank = 0. None where there is no head, or where they
            are made of the states when these are searched (a vocabulary of thousands would take gigabytes).
        fps: Frames a second.
    """

    states: np.ndarray | None
    log_probs: np.ndarray | None
    fps: float = MODEL_FPS

    def __len__(self) -> int:
        """T, the number of frames."""
        rows = self.log_probs if self.states is None else self.states
        return 0 if rows is None else len(rows)

    def __getitem__(self, part: slice) -> "Encoded":
        states, log_probs = (None if rows is None else rows[part] for rows in (self.states, self.log_probs))
        return replace(self, states=states, log_probs=log_probs)


def joined(first: Encoded, second: Encoded) -> Encoded:
    """The frames of both, one after the other."""
    pairs = ((first.states, second.states), (first.log_probs, second.log_probs))
    states, log_probs = (None if a is None or b is None else np.concatenate([a, b]) for a, b in pairs)
    return replace(first, states=states, log_probs=log_probs)
