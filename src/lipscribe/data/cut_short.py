"""Clips that end in the middle of a sentence, as everything does that is read while it is said."""

from dataclasses import replace

import numpy as np

from lipscribe.data.shards import PreparedClip
from lipscribe.units import MODEL_FPS, seconds_to_frame


def cut_short(prepared: PreparedClip, chance: float, rng: np.random.Generator) -> PreparedClip:
    """Ends a clip early, between the middle of its first word and the end of its last.

    A word is kept if its first half is seen; else the clip ends where the word begins, so that nothing has to be read
    from less.

    Args:
        prepared: Returned unchanged if it has no word times.
        chance: Probability of doing so.
        rng: Source of all randomness.

    Returns:
        A clip of the same id with the words that are left, and crops (T', 96, 96) uint8.
    """
    words = prepared.clip.words
    if not words or rng.random() >= chance:
        return prepared
    end = rng.uniform((words[0].start + words[0].end) / 2, words[-1].end)
    kept = [word for word in words if (word.start + word.end) / 2 <= end]
    following = words[len(kept)].start if len(kept) < len(words) else end
    num_frames = min(max(seconds_to_frame(min(end, following), MODEL_FPS), 1), len(prepared.crops))
    last = replace(kept[-1], end=min(kept[-1].end, num_frames / MODEL_FPS))
    clip = replace(prepared.clip, text=" ".join(word.text for word in kept), words=(*kept[:-1], last))
    return PreparedClip(clip, prepared.crops[:num_frames])
