"""The mouth's movements: closures close, neighbours colour each other, and what looks alike is alike."""

import numpy as np
import pytest

from lipscribe.talker.coarticulation import mouth_controls
from lipscribe.talker.timing import PhonemeTime
from lipscribe.talker.visemes import CONTROLS, DIPHTHONGS, VISEME_OF, VISEMES

FPS = 100.0
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"


def spoken(*phonemes: str, length: float = 0.1) -> list[PhonemeTime]:
    """Silence, the phonemes, all equally long, silence."""
    names = ["SIL", *phonemes, "SIL"]
    return [PhonemeTime(name, 1, i * length, (i + 1) * length, None) for i, name in enumerate(names)]


def moved(*phonemes: str, effort: float = 1.0) -> dict[str, np.ndarray]:
    times = spoken(*phonemes)
    controls = mouth_controls(times, round(times[-1].end * FPS), FPS, effort)
    return dict(zip(CONTROLS, controls.T, strict=True))


def middle(number: int) -> int:
    """Frame in the middle of the number-th phoneme; 0 is the silence before."""
    return round((number + 0.5) * 0.1 * FPS)


def test_every_phoneme_has_a_mouth_shape():
    assert {*CONSONANTS.split(), *VOWELS.split(), "SIL"} == set(VISEME_OF) | set(DIPHTHONGS)
    assert all(set(viseme.targets) <= set(CONTROLS) for viseme in VISEMES.values())
    assert all({first, second} <= set(VISEMES) for first, second in DIPHTHONGS.values())


@pytest.mark.parametrize("phoneme", ["P", "B", "M"])
@pytest.mark.parametrize("effort", [0.7, 1.0, 1.2])
def test_lips_meet_between_open_vowels(phoneme: str, effort: float):
    gap = moved("AA", phoneme, "AA", effort=effort)["gap"]
    assert gap[middle(2)] <= 0
    assert gap[middle(1)] > 0.4 * effort
    assert gap[middle(3)] > 0.4 * effort


def test_what_looks_alike_moves_alike():
    for alike in (("P", "B", "M"), ("T", "D", "N"), ("F", "V"), ("K", "G", "NG"), ("S", "Z"), ("SH", "ZH", "CH", "JH")):
        first, *others = (moved("AE", phoneme, "IY") for phoneme in alike)
        assert all(np.array_equal(first[c], other[c]) for other in others for c in CONTROLS), alike


def test_a_consonant_is_coloured_by_the_vowel_that_follows():
    tea, too = moved("T", "IY"), moved("T", "UW")
    assert too["round"][middle(1)] > tea["round"][middle(1)] + 0.15
    assert too["width"][middle(1)] < tea["width"][middle(1)] - 0.15


def test_letters_show_what_is_their_own():
    assert moved("AH", "F", "AH")["tuck"][middle(2)] > 0.8
    assert moved("AH", "TH", "AH")["out"][middle(2)] > 0.7
    assert moved("AH", "L", "AH")["tip"][middle(2)] > 0.7
    assert moved("AH", "K", "AH")["tip"][middle(2)] < 0.2
    diphthong = moved("AY")["gap"]
    assert diphthong[middle(1)] > diphthong[middle(1) + 4] > 0


def test_a_silent_mouth_rests():
    controls = mouth_controls([PhonemeTime("SIL", 0, 0, 1, None)], 25, 25)
    assert controls.shape == (25, len(CONTROLS))
    assert controls.dtype == np.float32
    assert np.abs(controls).max() < 0.01


def test_whoever_mumbles_opens_less():
    careful, mumbled = moved("AA", effort=1.0)["gap"], moved("AA", effort=0.7)["gap"]
    assert mumbled.max() == pytest.approx(0.7 * careful.max(), rel=1e-4)
