"""Manners of speaking: the one of before is untouched, and the measured ones move as people do."""

import dataclasses
import json

import numpy as np
import pytest

from lipscribe.errors import ConfigError, ManifestError
from lipscribe.faces import load_face_detector
from lipscribe.talker import Scene, Talker
from lipscribe.talker.coarticulation import READY, Habits, mouth_controls
from lipscribe.talker.corpus import RECORD_FILE, make_corpus
from lipscribe.talker.manners import CLEAR, MANNERS, TABLE, manner_of
from lipscribe.talker.natural_lips import Looks, NaturalContours, natural_gaps
from lipscribe.talker.person import Person
from lipscribe.talker.timing import PhonemeTime
from lipscribe.talker.visemes import CONTROLS, VISEMES

SMALL = Scene(width=120, height=96)
MEASURED = [name for name in MANNERS if name != "clear"]
TEXT = "lay red by c four now"


def controls_of(manner: str, seed: int = 3, take: int = 2, text: str = TEXT) -> np.ndarray:
    return Talker(seed, manner=manner).say(text, take=take, scene=SMALL).performances[0].controls


def opening(manner: str, seeds: range) -> np.ndarray:
    return np.concatenate([np.maximum(controls_of(manner, seed)[:, 0], 0) for seed in seeds])


def test_the_clear_manner_is_what_it_was():
    """Bundled models have learned from these very mouths."""
    controls = controls_of("clear")
    assert np.array_equal(controls, Talker(3).say(TEXT, take=2, scene=SMALL).performances[0].controls)
    assert len(controls) == 61
    assert np.abs(controls).sum() == pytest.approx(93.013, abs=0.01)
    golden = [[0.4758, 0.3821, 0.2816, 0.3905], [0.436, 0.1085, 0.0054, 0.7032], [0.5216, -0.3009, 0.4778, 0.5953]]
    assert np.allclose(controls[12:48:12, :4], golden, atol=2e-4)
    assert Talker(3).say(TEXT).performances[0].looks is None


def test_the_table_has_all_that_is_drawn():
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    assert set(table["classes"]) == {*VISEMES, "ready", "after"}
    assert "GRID" in table["source"] and "CC BY 4.0" in table["source"]
    for name in MEASURED:
        manner = manner_of(name)
        assert set(manner.reach) == set(CONTROLS)
        targets = [target for viseme in manner.visemes.values() for target in viseme.targets.values()]
        assert np.isfinite(targets).all() and all(dominance > 0 for _, dominance in targets)
        assert all(0.2 < share < 3 for share in manner.shares.values())
        assert {len(viseme.phonemes) for viseme in manner.visemes.values()} >= {1, 3}
    assert manner_of("clear") is CLEAR


@pytest.mark.parametrize("manner", MEASURED)
@pytest.mark.parametrize("alike", [("pat", "bat", "mat"), ("tea", "dee"), ("fan", "van"), ("sip", "zip")])
def test_homophenes_are_the_same_film(manner: str, alike: tuple[str, ...]):
    first, *others = (Talker(5, manner=manner).say(word, scene=SMALL).frames for word in alike)
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("manner", MEASURED)
def test_what_differs_on_the_lips_differs_on_the_picture(manner: str):
    still = Scene(width=240, height=240, noise=0, head_motion=0, blinks=0)
    frames = {word: Talker(5, manner=manner).say(word, scene=still).frames for word in ("bat", "fat", "that", "sat")}
    for word in ("fat", "that", "sat"):
        shorter = min(len(frames[word]), len(frames["bat"]))
        assert np.abs(frames[word][:shorter].astype(int) - frames["bat"][:shorter]).max() > 30, word


@pytest.mark.parametrize("manner", MEASURED)
@pytest.mark.parametrize("effort", [0.7, 1.0, 1.8])
@pytest.mark.parametrize("vowel", ["AA", "EH", "IY"])
def test_lips_meet_between_open_vowels(manner: str, effort: float, vowel: str):
    spoken = [PhonemeTime(name, 1, i * 0.1, (i + 1) * 0.1, None) for i, name in enumerate(["SIL", vowel, "P", vowel])]
    gap = mouth_controls(spoken, 40, 100, effort, manner_of(manner))[:, 0]
    assert gap[25] <= 0
    assert gap[14] > 0.05 * effort


def sounds(*names: str) -> list[PhonemeTime]:
    """Of a tenth of a second each, with silence around."""
    return [PhonemeTime(name, 1, i * 0.1, (i + 1) * 0.1, None) for i, name in enumerate(["SIL", *names, "SIL"])]


@pytest.mark.parametrize(("sound", "most"), [("W", 0.0), ("R", 0.015)])
def test_lips_come_as_near_in_rounding_as_people_s(sound: str, most: float):
    """As tracked, s1's lips are as near at "w" and "r" as at "b"."""
    gap = mouth_controls(sounds("EH", sound, "EH"), 50, 100, manner=manner_of("natural"))[:, 0]
    assert gap[25] <= most < 0.1 < gap[15]


def test_a_short_vowel_opens_between_closed_lips():
    spoken = [PhonemeTime(name, 1, 0.06 * i, 0.06 * (i + 1), None) for i, name in enumerate(["B", "IH", "N", "B"])]
    gap = mouth_controls(spoken, 24, 100, manner=manner_of("natural"))[:, 0]
    assert min(gap[3], gap[21]) <= 0
    assert gap[6:15].max() > 0.035


def test_an_r_that_ends_a_syllable_is_not_said():
    """The people who were measured are British."""

    def last_gap(*names: str) -> float:
        return float(mouth_controls(sounds(*names), 60, 100, manner=manner_of("natural"))[24, 0])

    assert last_gap("AA", "R") > 0.05
    assert last_gap("T", "R") < 0.02


def test_small_words_lose_their_vowel_where_people_speak_as_they_do():
    def vowels(manner: str, text: str) -> set[str]:
        spoken = (Talker(seed, manner=manner).say(text, scene=SMALL).phonemes for seed in range(12))
        return {each.phoneme for phonemes in spoken for each in phonemes if each.word == 1 and each.phoneme != "T"}

    assert vowels("natural", "blue at two") == {"AE", "AH"}
    assert vowels("natural", "blue at") == {"AE"}  # none at the end
    assert vowels("careful", "blue at two") == {"AE"}
    assert vowels("clear", "blue at two") == {"AE"}


def test_corners_come_in_as_lips_part_by_as_much_as_the_person_s():
    person, across, open_wide = Person.drawn(np.random.default_rng(1)), np.zeros(1, np.float32), 1.0
    looks = Looks.drawn(np.random.default_rng(1))
    controls = dict.fromkeys(CONTROLS, 0.0)
    halves = {
        (corners, gap): NaturalContours(
            person, dataclasses.replace(looks, corners=corners), controls | {"gap": gap}, across
        ).half
        for corners in (-0.3, 0.9)
        for gap in (0.0, open_wide)
    }
    assert halves[0.9, 0.0] == halves[-0.3, 0.0]
    assert halves[0.9, open_wide] < halves[0.9, 0.0] < halves[-0.3, open_wide]


def test_an_opening_ends_in_the_corners():
    """Its lower edge is a bow; a stadium with blunt dark ends taught a model what no person shows."""
    person, looks = Person.drawn(np.random.default_rng(1)), Looks.drawn(np.random.default_rng(1))
    half = NaturalContours(person, looks, dict.fromkeys(CONTROLS, 0.0), np.zeros(1, np.float32)).half
    across = np.linspace(0, half, 11, dtype=np.float32)
    shape = NaturalContours(person, looks, dict.fromkeys(CONTROLS, 0.0) | {"gap": 0.3}, across)
    between = shape.inner_lower - shape.inner_upper
    assert (np.diff(between[1:]) < 0).all() and between[-1] < 0.01 * between[0]
    assert 0.7 < between[5] / between[0] < 0.9 and between[8] < 0.4 * between[0]


def test_some_say_now_without_rounding():
    def narrowest(glide: float, *names: str) -> float:
        spoken = sounds(*names)
        return float(
            mouth_controls(spoken, 60, 100, manner=manner_of("natural"), habits=Habits(glide=glide))[:, 1].min()
        )

    assert narrowest(1.0, "AW", "N") < 1.5 * narrowest(0.05, "AW", "N") < 0
    assert narrowest(1.0, "AO", "N") == narrowest(0.05, "AO", "N")  # which does not move


def test_four_and_two_are_rounded():
    def narrowest(*names: str) -> float:
        return float(mouth_controls(sounds(*names), 60, 100, manner=manner_of("natural"))[:, 1].min())

    assert max(narrowest("F", "AO"), narrowest("T", "UW")) < -0.35 < narrowest("F", "AY")


def test_pale_lips_are_lighter():
    """A crop is divided by its deviation, so dark lips hide the line between them."""
    clip = Talker(1, manner="natural").say("tea", scene=Scene(width=240, height=192, noise=0))
    performance = clip.performances[0]
    assert performance.looks is not None
    dark, light = (
        dataclasses.replace(
            clip,
            performances=(dataclasses.replace(performance, looks=dataclasses.replace(performance.looks, pale=pale)),),
        ).frames[0]
        for pale in (0.2, 0.9)
    )
    more = light.astype(int) - dark
    assert more.max() > 20 and more.min() >= 0


def test_lips_part_before_the_first_word():
    spoken = [PhonemeTime("SIL", 0, 0, 1, None), PhonemeTime("T", 0, 1, 1.1, 0), PhonemeTime("SIL", 0, 1.1, 2.1, None)]
    gap = mouth_controls(spoken, 210, 100, manner=manner_of("natural"))[:, 0]
    before = gap[round(100 * (1 - READY[0])) : round(100 * (1 - READY[1]))]
    assert before.min() > 0.02
    assert np.abs(gap[:60]).max() < 0.5 * before.min()
    assert gap[-20:].max() < 0.5 * before.min()


def test_lips_part_more_or_earlier_before_some_first_words():
    spoken = [PhonemeTime("SIL", 0, 0, 1, None), PhonemeTime("T", 0, 1, 1.1, 0), PhonemeTime("SIL", 0, 1.1, 2.1, None)]

    def gap(habits: Habits) -> np.ndarray:
        return mouth_controls(spoken, 110, 100, manner=manner_of("natural"), habits=habits)[:, 0]

    usual = gap(Habits())
    at = round(100 * (1 - sum(READY) / 2))
    assert gap(Habits(parting=2))[at] > 1.7 * usual[at]
    assert gap(Habits(parting=0.3))[at] < 0.5 * usual[at]
    earlier = gap(Habits(lead=3))
    assert earlier[60] > 0.9 * usual[at] > 1.5 * usual[60]
    ajar = gap(Habits(ajar=0.5))
    assert ajar[10] == pytest.approx(0.5 * usual[at], abs=0.005) and abs(usual[10]) < 0.002
    for changed in (earlier, ajar):
        assert np.allclose(changed[100:], usual[100:], atol=0.002)  # the word itself stays


def test_people_part_their_lips_in_their_own_ways_and_never_twice_alike():
    def before(seed: int, take: int) -> np.ndarray:
        performance = Talker(seed, manner="natural").say("tea", take=take, scene=SMALL).performances[0]
        return performance.controls[:, 0]

    assert np.array_equal(before(1, 0), before(1, 0))
    assert not np.array_equal(before(1, 0)[:6], before(1, 1)[:6])
    assert np.std([before(seed, 0)[:8].max() for seed in range(12)]) > 0.02


@pytest.mark.parametrize("lead", [0.2, 1, 4])
@pytest.mark.parametrize("silence", [0.01, 0.1, 0.25, 0.5])
def test_silence_of_any_length_is_blended(silence: float, lead: float):
    spoken = [PhonemeTime("SIL", 0, 0, silence, None), PhonemeTime("AA", 1, silence, 1, 0)]
    spoken += [PhonemeTime("SIL", 0, 1, 1 + silence, None), PhonemeTime("AA", 1, 1 + silence, 2, 1)]
    spoken += [PhonemeTime("SIL", 0, 2, 2 + silence, None)]
    controls = mouth_controls(spoken, 60, 25, manner=manner_of("natural"), habits=Habits(lead=lead, ajar=1))
    assert np.isfinite(controls).all()


def test_people_open_less_than_the_clear_manner_and_more_with_care():
    seeds = range(12)
    clear, natural, careful = (np.percentile(opening(manner, seeds), 90) for manner in ("clear", "natural", "careful"))
    assert natural < 0.6 * clear
    assert 1.25 * natural < careful < clear


def test_care_takes_longer_and_is_steadier():
    natural, careful = (Talker(3, manner=manner).say(TEXT) for manner in MEASURED)
    assert careful.words[-1].end - careful.words[0].start > 1.1 * (natural.words[-1].end - natural.words[0].start)
    for name, how in manner_of("careful").unevenness.items():
        assert how.spread < 0.5 * manner_of("natural").unevenness[name].spread


def test_no_two_takes_are_the_same_and_each_is_repeatable():
    scene, text = {"width": 120, "height": 96}, "red"
    first, again = (Talker(4, manner="natural").say(text, take=1, scene=scene) for _ in range(2))
    assert np.array_equal(first.frames, again.frames)
    rng = np.random.default_rng(0)
    moved = np.tile(np.linspace(-0.2, 0.4, 50, dtype=np.float32)[:, None], (1, len(CONTROLS)))
    one, other = (manner_of("natural").moves_unevenly(moved, 25, rng) for _ in range(2))
    assert not np.array_equal(one, other)
    assert ((one[:, 0] <= 0) == (moved[:, 0] <= 0)).all()  # closed lips are closed in every take


def test_takes_are_compressed_as_videos_of_people_are():
    clear, natural = (Talker(4, manner=manner).say("red").scene for manner in ("clear", "natural"))
    assert natural == dataclasses.replace(clear, crf=clear.crf + 5)
    assert Talker(4, manner="natural").say("red", scene={"crf": 12}).scene.crf == 12


def test_gaps_are_those_of_the_controls():
    controls = np.zeros((3, len(CONTROLS)), np.float32)
    controls[1, 0], controls[2, 0] = 0.3, -0.2
    looks = Looks.drawn(np.random.default_rng(0))
    shut, opened, pressed = natural_gaps(Talker(1).person, looks, controls)
    assert shut == pressed == 0
    assert opened == pytest.approx(0.156, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("manner", MEASURED)
def test_the_face_is_found_in_every_frame(manner: str):
    """Over 50 seeds: `python benchmarks/talkers.py --manner natural`."""
    detector = load_face_detector()
    for seed in (1, 23, 40):
        clip = Talker(seed, manner=manner).say("place red at v seven please", take=seed)
        detector.reset()
        assert all(len(detector.detect(frame)) == 1 for frame in clip.stream())


@pytest.mark.parametrize("manner", ["", "mumbled", "Natural"])
def test_manners_that_are_none(manner: str):
    with pytest.raises(ConfigError, match=r"manner is '.*', wanted one of: clear, natural, careful"):
        Talker(1, manner=manner)


def test_a_corpus_records_its_manner(tmp_path):
    asked = {"clips": 2, "speakers": 2, "workers": 1, "scene": {"width": 64, "height": 64, "face": 0.2}}
    with pytest.raises(ConfigError, match="manner is 'loud'"):
        make_corpus(tmp_path / "a", manner="loud", **asked)
    make_corpus(tmp_path / "a", manner="natural", **asked)
    record = tmp_path / "a" / RECORD_FILE
    assert json.loads(record.read_text())["manner"] == "natural"
    with pytest.raises(ManifestError, match="manner"):
        make_corpus(tmp_path / "a", **asked)
    # A folder of a version that knew no manners goes on as what it is.
    made_of = {key: value for key, value in json.loads(record.read_text()).items() if key != "manner"}
    record.write_text(json.dumps(made_of))
    assert make_corpus(tmp_path / "a", **asked).kept == 2
