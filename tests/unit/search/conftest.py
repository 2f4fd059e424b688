"""Oracles of the search tests: every path written out."""

from collections.abc import Callable
from itertools import groupby, product

import numpy as np
import pytest

Path = tuple[int, ...]


def collapse(path: Path) -> Path:
    """CTC's rule: repeats become one, then blanks go."""
    return tuple(token for token, _ in groupby(path) if token != 0)


@pytest.fixture
def enumerate_paths() -> Callable[[np.ndarray], list[tuple[Path, Path, float]]]:
    """(T, V) log_probs -> every path: its tokens frame by frame, what it collapses to, its log-probability."""

    def enumerate_all(log_probs: np.ndarray) -> list[tuple[Path, Path, float]]:
        frames = range(len(log_probs))
        paths = product(range(log_probs.shape[1]), repeat=len(log_probs))
        return [(path, collapse(path), float(sum(log_probs[t, path[t]] for t in frames))) for path in paths]

    return enumerate_all


@pytest.fixture
def random_log_probs() -> Callable[..., np.ndarray]:
    """Log-softmaxed normal noise; the greater `sharpness`, the surer each frame."""

    def draw(*shape: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
        logits = sharpness * np.random.default_rng(seed).normal(size=shape)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

    return draw
