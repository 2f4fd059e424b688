"""Best path decoding: the most likely token of each frame, with repeats and blanks removed."""

import numpy as np

from lipscribe.search.hypothesis import Candidate
from lipscribe.tokenizer import BLANK


def greedy_search(log_probs: np.ndarray, lengths: np.ndarray) -> list[Candidate]:
    """The tokens of each clip's best path; the score is that path's.

    Args:
        log_probs: (B, T, V) float64, checked by `check_inputs`.
        lengths: (B,) int64 valid frames.
    """
    best = log_probs.argmax(axis=2)  # (B, T)
    changes = np.diff(best, axis=1, prepend=BLANK) != 0
    keep = changes & (best != BLANK)
    return [
        Candidate(
            tuple(best[clip, :length][keep[clip, :length]].tolist()), float(log_probs[clip, :length].max(1).sum())
        )
        for clip, length in enumerate(lengths)
    ]
