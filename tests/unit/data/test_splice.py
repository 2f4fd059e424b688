import numpy as np
import pytest

from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip
from lipscribe.data.splice import splice


def make(clip_id: str, *words: tuple[str, int, int], num_frames: int, grey: int) -> PreparedClip:
    """A clip whose frames are numbered by their grey; words are (text, first frame, one past the last)."""
    crops = np.arange(grey, grey + num_frames, dtype=np.uint8)[:, None, None].repeat(96, 1).repeat(96, 2)
    times = tuple(WordTime(text, start / 25, stop / 25) for text, start, stop in words)
    return PreparedClip(Clip(clip_id, f"{clip_id}.mpg", " ".join(text for text, *_ in words), times), crops)


OWN = make("own", ("bin", 2, 5), ("blue", 5, 8), ("at", 9, 10), num_frames=12, grey=0)
DONOR = make("donor", ("lay", 1, 3), ("red", 3, 8), ("by", 8, 11), num_frames=14, grey=100)


def greys(prepared: PreparedClip) -> list[int]:
    return prepared.crops[:, 0, 0].tolist()


def test_every_word_exchanged_keeps_the_pauses_and_takes_the_donors_words_in_their_places():
    made = splice(OWN, [DONOR], 1.0, np.random.default_rng(0))
    assert made.clip.text == "lay red by"
    assert greys(made) == [0, 1, 101, 102, 103, 104, 105, 106, 107, 8, 108, 109, 110, 10, 11]
    assert [(round(w.start * 25), round(w.end * 25)) for w in made.clip.words] == [(2, 4), (4, 9), (10, 13)]
    assert made.clip.id == "own"
    assert not made.clip.faults()


@pytest.mark.parametrize(("donors", "chance"), [([DONOR], 0.0), ([], 1.0)])
def test_nothing_exchanged_gives_the_clip_back(donors, chance):
    made = splice(OWN, donors, chance, np.random.default_rng(0))
    assert made.clip == OWN.clip
    np.testing.assert_array_equal(made.crops, OWN.crops)


def test_only_some_words_are_exchanged():
    texts = {splice(OWN, [DONOR], 0.5, np.random.default_rng(seed)).clip.text for seed in range(40)}
    assert texts == {f"{a} {b} {c}" for a in ("bin", "lay") for b in ("blue", "red") for c in ("at", "by")}


def test_clips_without_word_times_stay_and_give_nothing():
    silent = PreparedClip(Clip("silent", "s.mpg", "no times"), DONOR.crops)
    assert splice(silent, [DONOR], 1.0, np.random.default_rng(0)).clip == silent.clip
    assert splice(OWN, [silent], 1.0, np.random.default_rng(0)).clip.text == OWN.clip.text


def test_a_donor_of_another_length_gives_words_from_about_the_same_place():
    short = make("short", ("lay", 1, 3), ("by", 3, 6), num_frames=7, grey=100)
    made = splice(OWN, [short], 1.0, np.random.default_rng(0))
    assert made.clip.words[0].text == "lay"
    assert made.clip.words[-1].text == "by"
    four = make("four", *((text, 2 * i, 2 * i + 2) for i, text in enumerate("abcd")), num_frames=9, grey=0)
    three = make("three", *((text, i, i + 1) for i, text in enumerate("xyz")), num_frames=4, grey=100)
    # Word 2 of 4 is at 1/3 of its sentence, which is nearest to word 2 of 3, and so is word 3, at 2/3.
    assert splice(four, [three], 1.0, np.random.default_rng(0)).clip.text == "x y y z"
    assert splice(three, [four], 1.0, np.random.default_rng(0)).clip.text in ("a b d", "a c d")


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (2.4, 5.4, [102, 103, 104]),
        (2.6, 5.6, [103, 104, 105]),
        (2.5, 5.5, [102, 103, 104]),
        (2.51, 5.51, [103, 104, 105]),
    ],
)
def test_a_word_has_the_frames_whose_middle_lies_in_it(start: float, end: float, wanted: list[int]):
    words = (WordTime("at", start / 25, end / 25),)
    donor = PreparedClip(Clip("between", "b.mpg", "at", words), DONOR.crops)
    made = splice(make("one", ("bin", 2, 5), num_frames=6, grey=0), [donor], 1.0, np.random.default_rng(0))
    assert greys(made) == [0, 1, *wanted, 5]


def test_a_word_shorter_than_a_frame_still_has_one():
    blink = PreparedClip(Clip("blink", "b.mpg", "at", (WordTime("at", 0.121, 0.122),)), DONOR.crops)
    made = splice(make("one", ("bin", 2, 5), num_frames=6, grey=0), [blink], 1.0, np.random.default_rng(0))
    assert greys(made) == [0, 1, 103, 5]
