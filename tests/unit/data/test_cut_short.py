"""Clips that end in the middle of a sentence."""

import numpy as np
import pytest

from lipscribe.data.cut_short import cut_short
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip

WORDS = (("bin", 5, 12), ("blue", 12, 20), ("at", 26, 30))  # a pause of 6 frames before the last


def make(num_frames: int = 40, words=WORDS) -> PreparedClip:
    """A clip whose frames are numbered by their grey."""
    crops = np.arange(num_frames, dtype=np.uint8)[:, None, None].repeat(96, 1).repeat(96, 2)
    times = tuple(WordTime(text, start / 25, stop / 25) for text, start, stop in words)
    return PreparedClip(Clip("one", "one.mpg", " ".join(text for text, *_ in words), times), crops)


def cuts(seed: int) -> PreparedClip:
    return cut_short(make(), 1.0, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(60))
def test_what_is_left_has_the_words_of_which_half_is_seen_and_no_others(seed: int):
    made = cuts(seed)
    num_frames = len(made.crops)
    assert made.crops[:, 0, 0].tolist() == list(range(num_frames))
    middles = [(start + stop) / 2 for _, start, stop in WORDS]
    kept = [text for text, *_ in WORDS[: len(made.clip.words)]]
    assert made.clip.text.split() == [word.text for word in made.clip.words] == kept
    assert kept
    assert middles[len(kept) - 1] <= num_frames + 0.5  # halves of frames are rounded
    if len(kept) < len(WORDS):
        assert num_frames <= WORDS[len(kept)][1]  # nothing of the next word is seen
    assert made.clip.words[-1].end <= num_frames / 25
    assert made.clip.id == "one"
    assert not made.clip.faults()


def test_all_beginnings_happen():
    lengths = {len(cuts(seed).clip.words) for seed in range(60)}
    assert lengths == {1, 2, 3}


def test_nothing_is_cut_by_chance_0_or_without_word_times():
    whole = cut_short(make(), 0.0, np.random.default_rng(0))
    assert whole.clip == make().clip
    assert len(whole.crops) == 40
    untimed = PreparedClip(Clip("one", "one.mpg", "bin blue"), make().crops)
    assert cut_short(untimed, 1.0, np.random.default_rng(0)) is untimed


def test_the_same_seed_cuts_the_same():
    assert cuts(3).clip == cuts(3).clip
