"""Silence around sentences as clips of their own."""

from itertools import pairwise

import numpy as np
import pytest

from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip
from lipscribe.data.unspoken import unspoken

CROPS = np.repeat(np.arange(75, dtype=np.uint8), 96 * 96).reshape(75, 96, 96)


def prepared(*words: WordTime) -> PreparedClip:
    return PreparedClip(Clip("s1/a", "a.mp4", " ".join(word.text for word in words) or "on", words), CROPS)


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [(1.0, 2.9, range(22)), (0.1, 2.0, range(53, 75)), (1.0, 2.0, [*range(22), *range(53, 75)])],
)
def test_only_frames_of_silence_are_left(start: float, end: float, quiet: range):
    clip = prepared(WordTime("on", start, end))
    for seed in range(8):
        found = unspoken(clip, 1.0, np.random.default_rng(seed))
        assert (found.clip.silent, found.clip.text, found.clip.words) == (True, "", ())
        shown = found.crops[:, 0, 0].tolist()
        assert len(shown) == 75
        assert set(shown) <= set(quiet)
        assert max(abs(int(a) - int(b)) for a, b in pairwise(shown)) == 1  # it never jumps


def test_a_clip_without_silence_or_times_stays_as_it_is():
    rng = np.random.default_rng(0)
    for clip in (prepared(), prepared(WordTime("on", 0.2, 2.9))):
        assert unspoken(clip, 1.0, rng) is clip
    spoken = prepared(WordTime("on", 1.0, 2.0))
    assert unspoken(spoken, 0.0, rng) is spoken
