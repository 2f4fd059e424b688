"""When phonemes are said: contiguous, as fast as asked, as long as real speech, and telling no homophenes apart."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from lipscribe.data.corpora.grid import SLOTS
from lipscribe.errors import ConfigError
from lipscribe.talker.phonemes import SpokenWord, pronounce
from lipscribe.talker.timing import PhonemeTime, time_phonemes, word_times

HOMOPHENES = ("P B M", "T D N", "K G NG", "F V", "CH JH SH ZH", "S Z", "TH DH")


def timed(text: str, seed: int = 0, **options: float) -> list[PhonemeTime]:
    return time_phonemes(pronounce(text), np.random.default_rng(seed), **options)


def speech(phonemes: list[PhonemeTime]) -> float:
    """From the beginning of the first word to the end of the last."""
    said = [phoneme for phoneme in phonemes if phoneme.word is not None]
    return said[-1].end - said[0].start


def duration(phonemes: list[PhonemeTime], word: int) -> float:
    return sum(phoneme.end - phoneme.start for phoneme in phonemes if phoneme.word == word)


def mean_duration(text: str, word: int) -> float:
    return float(np.mean([duration(timed(text, seed), word) for seed in range(40)]))


def grid_sentences(number: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(str(rng.choice(slot)) for slot in SLOTS) for _ in range(number)]


def test_phonemes_are_contiguous_from_0_and_belong_to_their_words():
    phonemes = timed("Seven, please")
    assert [(p.phoneme, p.stress, p.word) for p in phonemes] == [
        ("SIL", 0, None),
        ("S", 0, 0),
        ("EH", 1, 0),
        ("V", 0, 0),
        ("AH", 0, 0),
        ("N", 0, 0),
        ("SIL", 0, None),
        ("P", 0, 1),
        ("L", 0, 1),
        ("IY", 1, 1),
        ("Z", 0, 1),
        ("SIL", 0, None),
    ]
    assert phonemes[0].start == 0
    assert all(before.end == after.start for before, after in pairwise(phonemes))
    assert all(p.end - p.start > 0.01 for p in phonemes)
    lead, pause, tail = (p.end - p.start for p in phonemes if p.phoneme == "SIL")
    assert (lead, pause, tail) == pytest.approx((0.35, 0.2, 0.35))


def test_word_times_are_those_of_their_phonemes():
    words = pronounce("set, don't go")
    phonemes = time_phonemes(words, np.random.default_rng(3), lead=0.5)
    times = word_times(words, phonemes)
    assert [word.text for word in times] == ["set", "don't", "go"]
    assert times[0].start == pytest.approx(0.5)
    assert times[1].start == pytest.approx(times[0].end + 0.2)
    assert times[2].start == times[1].end
    assert [word.end - word.start for word in times] == pytest.approx([duration(phonemes, word) for word in range(3)])


def test_a_grid_command_lasts_as_long_as_a_real_one():
    lengths = [speech(timed(sentence, seed)) for seed, sentence in enumerate(grid_sentences(300))]
    assert np.percentile(lengths, 2) > 1.6
    assert np.percentile(lengths, 98) < 2.2


def test_the_real_speaker_shortens_the_same_words(grid_root):
    """Word for word, our durations follow those that speaker s1 of GRID has on average."""
    from lipscribe.data.corpora.grid import prepare_grid

    real: dict[str, list[float]] = {}
    for clip in prepare_grid(grid_root)[0]:
        for word in clip.words:
            real.setdefault(word.text, []).append(word.end - word.start)
    ours: dict[str, list[float]] = {}
    for seed, sentence in enumerate(grid_sentences(300)):
        words = pronounce(sentence)
        for word in word_times(words, time_phonemes(words, np.random.default_rng(seed))):
            ours.setdefault(word.text, []).append(word.end - word.start)
    shared = sorted(real.keys() & ours.keys())
    assert len(shared) == 51
    correlation = np.corrcoef([np.mean(real[w]) for w in shared], [np.mean(ours[w]) for w in shared])[0, 1]
    assert correlation > 0.7


@pytest.mark.parametrize("group", HOMOPHENES)
@pytest.mark.parametrize(
    "context",
    [
        ("{} IY1",),
        ("{} AH0 L OW1",),
        ("S IY1 {}",),
        ("AH0 {} S T R AA1 {} AH0 T",),
        ("S {} R IH1 NG",),
        ("EH1 S {}", "{} AO1 R"),
    ],
)
def test_sounds_that_look_alike_last_alike(group: str, context: tuple[str, ...]):
    """Not only on average: with one seed, all times are the same, those of the neighbours too."""
    times = {
        tuple(
            (p.start, p.end, p.stress, p.word)
            for p in time_phonemes(
                [SpokenWord("x", tuple(word.format(phoneme, phoneme).split()), 0.0) for word in context],
                np.random.default_rng(5),
            )
        )
        for phoneme in group.split()
    }
    assert len(times) == 1


def test_the_letters_of_grid_that_look_alike_last_alike():
    for letters in ("bp", "dt", "cz"):
        first, second = (timed(f"place red at {letter} two now", seed=9) for letter in letters)
        assert [(p.start, p.end) for p in first] == [(p.start, p.end) for p in second]


def test_the_end_of_a_phrase_is_drawn_out():
    assert mean_duration("red red red", 2) > 1.2 * mean_duration("red red red", 1)
    assert mean_duration("red red, red", 1) > 1.2 * mean_duration("red red red", 1)


def test_stress_length_of_word_and_small_words():
    insult, insulting = (("IH1", "N", "S", "AH0", "L", "T"), ("IH0", "N", "S", "AH1", "L", "T"))

    def vowels(phonemes: tuple[str, ...]) -> list[float]:
        times = time_phonemes([SpokenWord("x", phonemes)] * 2, np.random.default_rng(0))
        return [p.end - p.start for p in times if p.word == 0 and p.phoneme in ("IH", "AH")]

    assert vowels(insult)[0] > 1.3 * vowels(insulting)[0]
    assert vowels(insulting)[1] > 1.3 * vowels(insult)[1]
    assert vowels(("IH1", "N", "IY0"))[0] < 0.9 * vowels(("IH1", "N"))[0]  # a longer word
    assert mean_duration("at red", 0) < mean_duration("hat red", 0) - 0.05
    two, stew = (next(p.end - p.start for p in timed(f"{word} red") if p.phoneme == "T") for word in ("two", "stew"))
    assert stew < 0.95 * two  # in a cluster


def test_rate():
    slow, normal, fast = (timed("bin blue. at f two now", rate=rate) for rate in (0.5, 1.0, 2.0))
    assert speech(slow) == pytest.approx(2 * speech(normal))
    assert speech(fast) == pytest.approx(speech(normal) / 2)
    assert slow[0].end == fast[0].end == 0.35
    assert fast[-1].end - fast[-1].start == pytest.approx(0.35)


def test_jitter_is_a_few_percent_and_the_seeds():
    assert timed("one two three", 1) == timed("one two three", 1)
    ratios = [
        (a.end - a.start) / (b.end - b.start)
        for a, b in zip(timed("one two three", 1), timed("one two three", 2), strict=True)
        if a.word is not None
    ]
    assert 0.01 < np.std(ratios) < 0.15


def test_every_phoneme_draws_one_number():
    words = pronounce("bin blue, at f")
    rng, counted = np.random.default_rng(0), np.random.default_rng(0)
    time_phonemes(words, rng)
    counted.standard_normal(sum(len(word.phonemes) for word in words))
    assert rng.random() == counted.random()


def test_silence_at_the_ends_may_be_absent():
    phonemes = timed("red", lead=0, tail=0)
    assert [p.phoneme for p in phonemes] == ["R", "EH", "D"]
    assert phonemes[0].start == 0


def test_nobody_speaks():
    assert time_phonemes([], np.random.default_rng(0), lead=1, tail=0.5) == [
        PhonemeTime("SIL", 0, 0.0, 1.0, None),
        PhonemeTime("SIL", 0, 1.0, 1.5, None),
    ]
    assert word_times([], []) == ()


@pytest.mark.parametrize("rate", [0.2, 5, 0, -1, float("nan"), float("inf")])
def test_rates_that_nobody_speaks_at(rate: float):
    with pytest.raises(ConfigError, match=r"rate is .*, wanted over 0.2 and below 5.0: 1 is normal speed"):
        timed("red", rate=rate)


@pytest.mark.parametrize("option", ["lead", "tail"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_silence_that_cannot_be(option: str, value: float):
    with pytest.raises(ConfigError, match=rf"{option} is .*, wanted seconds of silence, 0 or more"):
        timed("red", **{option: value})


def test_sounds_alone_need_no_picture():
    heavy = ("torch", "av", "cv2", "mediapipe")
    program = f"import sys, lipscribe.talker.timing; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_shares_divide_a_word_s_time_otherwise():
    """Jitter is a twentieth of a phoneme's length, and the same in both."""

    def lengths(shares: dict[str, float] | None) -> list[float]:
        spoken = time_phonemes(pronounce("bin two"), np.random.default_rng(3), shares=shares)
        return [phoneme.end - phoneme.start for phoneme in spoken]

    plain, shorter = lengths(None), lengths({"bilabial": 0.5})
    assert sum(shorter[1:4]) == pytest.approx(sum(plain[1:4]), rel=0.1)
    assert shorter[1] / shorter[2] == pytest.approx(0.5 * plain[1] / plain[2])
    assert shorter[4:] == pytest.approx(plain[4:])
