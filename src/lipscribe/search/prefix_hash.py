"""Hashes of token sequences, to compare arrays of them at once."""

import numpy as np

EMPTY_HASH = np.uint64(0x9E3779B97F4A7C15)  # of the sequence without tokens
NO_HASH = np.uint64(0)
_FACTOR = np.uint64(0xD1342543DE82EF95)  # odd, so multiplication is invertible modulo 2**64


def extend_hash(hashes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """uint64 hash of each sequence with one token appended; two sequences collide with probability of about 2**-64."""
    mixed = (hashes ^ (hashes >> np.uint64(29))) * _FACTOR
    return mixed + tokens.astype(np.uint64) + np.uint64(1)
