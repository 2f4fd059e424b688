"""New sentences out of words of different clips, cut at their word times.

Eight hundred clips can be distinguished by light and pose alone, so a network can memorise clips instead of reading
them. In a spliced clip only the mouth identifies the word. Mouth crops are aligned, so the picture hardly jumps at a
seam.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lipscribe.data.manifest import WordTime
from lipscribe.data.shards import PreparedClip
from lipscribe.units import MODEL_FPS


def splice(
    prepared: PreparedClip, donors: Sequence[PreparedClip], chance: float, rng: np.random.Generator
) -> PreparedClip:
    """Exchanges words of a clip for words of other clips, each for one at about the same position in its sentence.

    Args:
        prepared: Returned unchanged if it has no word times.
        donors: Clips to take words from; those without word times are skipped.
        chance: Probability of exchanging each word.
        rng: Source of all randomness.

    Returns:
        A clip of the same id with its new text, word times to the frame, and crops (T', 96, 96) uint8.
    """
    clip = prepared.clip
    pieces: list[np.ndarray] = []
    words: list[WordTime] = []
    read = written = 0  # frames of this clip that are processed, and of the new one
    for position, own in enumerate(clip.words):
        word, source = own, prepared
        if donors and rng.random() < chance:
            donor = donors[int(rng.integers(len(donors)))]
            if given := donor.clip.words:
                word, source = given[_same_position(position, len(clip.words), len(given))], donor
        start, stop = _frames(own, len(prepared.crops))
        pause = prepared.crops[read:start]
        said = source.crops[slice(*_frames(word, len(source.crops)))]
        begin = written + len(pause)
        written = begin + len(said)
        pieces += [pause, said]
        words.append(WordTime(word.text, begin / MODEL_FPS, written / MODEL_FPS))
        read = max(read, stop)
    crops = np.concatenate([*pieces, prepared.crops[read:]])
    text = " ".join(word.text for word in words) or clip.text
    return PreparedClip(replace(clip, text=text, words=tuple(words)), crops)


def _same_position(position: int, count: int, count_there: int) -> int:
    return round(position * (count_there - 1) / max(1, count - 1))


def _frames(word: WordTime, num_frames: int) -> tuple[int, int]:
    """First frame whose middle lies within a word, and one past the last; at least one where the clip has one."""
    start, stop = (math.ceil(time * MODEL_FPS - 0.5) for time in (word.start, word.end))
    start = min(max(start, 0), num_frames)
    return start, min(max(stop, start + 1), num_frames)
