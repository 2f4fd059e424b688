"""Clips in which nobody speaks, out of the silence around the sentence of others."""

from dataclasses import replace

import numpy as np

from lipscribe.data.shards import PreparedClip
from lipscribe.units import MODEL_FPS

MIN_FRAMES = 6  # a shorter silence is no more than the lips' way to the next sound
EDGE = 3  # frames beside speech in which the lips move for it already


def unspoken(prepared: PreparedClip, chance: float, rng: np.random.Generator) -> PreparedClip:
    """The silence before or after a sentence alone, played forwards and backwards until it lasts as long as the clip.

    Args:
        prepared: Returned unchanged if it has no word times, or no silence of some length.
        chance: Probability of doing so.
        rng: Source of all randomness.

    Returns:
        A silent clip of the same id, without words, and as many crops.
    """
    words = prepared.clip.words
    if not words or rng.random() >= chance:
        return prepared
    first, last = int(words[0].start * MODEL_FPS) - EDGE, int(np.ceil(words[-1].end * MODEL_FPS)) + EDGE
    margins = [part for part in (prepared.crops[: max(first, 0)], prepared.crops[last:]) if len(part) >= MIN_FRAMES]
    if not margins:
        return prepared
    quiet = margins[int(rng.integers(len(margins)))]
    there_and_back = np.concatenate([quiet, quiet[-2:0:-1]])
    count = len(prepared.crops)
    crops = np.tile(there_and_back, (count // len(there_and_back) + 1, 1, 1))[:count]
    return PreparedClip(replace(prepared.clip, text="", words=(), silent=True), crops)
