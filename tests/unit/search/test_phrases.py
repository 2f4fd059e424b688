"""Comparing what is said with recordings: the distances against a plain recursion, and what is read."""

import numpy as np
import pytest

from lipscribe.errors import ConfigError
from lipscribe.search import Capabilities, SearchOptions, resolve
from lipscribe.search import phrases as module
from lipscribe.search.phrases import (
    OFF_DIAGONAL,
    PhraseMatcher,
    find_speech,
    lively_motion,
    trim_recording,
    warped_distances,
)
from lipscribe.tokenizer import WordTokenizer

SIZE = 24
REST = np.zeros(SIZE)


def spoken(seed: int, stretch: float = 1.0, noise: int = 0, still: int = 0) -> np.ndarray:
    """Features (T, D) of a phrase: a walk through six random mouths, which `seed` decides, at another speed and with
    some noise, between `still` frames of a mouth at rest."""
    mouths = np.concatenate([[REST], np.random.default_rng(seed).normal(size=(6, SIZE)), [REST]])
    at = np.linspace(0, len(mouths) - 1, round(30 * stretch))
    walked = np.stack([np.interp(at, np.arange(len(mouths)), column) for column in mouths.T], axis=1)
    rest = np.zeros((still, SIZE))
    features = np.concatenate([rest, walked, rest])
    return (features + 0.02 * np.random.default_rng(noise).normal(size=features.shape)).astype(np.float32)


def matcher(num_recordings: int = 1, phrases: tuple[int, ...] = (1, 2, 3, 4, 5)) -> PhraseMatcher:
    recordings = [
        trim_recording(spoken(seed, 1 + 0.2 * take, noise=10 * seed + take, still=10))
        for seed in phrases
        for take in range(num_recordings)
    ]
    names = [idx for idx in range(len(phrases)) for _ in range(num_recordings)]
    return PhraseMatcher([f"phrase {seed}" for seed in phrases], recordings, names)


def plainly_warped(costs: np.ndarray) -> float:
    """The recursion, cell by cell: costs (T, L)."""
    rows, columns = costs.shape
    best = np.full((rows, columns), np.inf)
    for i in range(rows):
        for j in range(columns):
            if i == j == 0:
                best[i, j] = costs[0, 0]
                continue
            before = [best[i - 1, j] + costs[i, j] + OFF_DIAGONAL] if i else []
            before += [best[i, j - 1] + costs[i, j] + OFF_DIAGONAL] if j else []
            before += [best[i - 1, j - 1] + 2 * costs[i, j]] if i and j else []
            best[i, j] = min(before)
    return best[-1, -1] / (rows + columns)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 6), (6, 1), (9, 7)])
def test_distances_are_those_of_the_plain_recursion(rows: int, columns: int):
    costs = np.random.default_rng(0).uniform(size=(rows, 3, columns)).astype(np.float32)
    lengths = np.array([columns, max(1, columns - 2), 1])
    wanted = [plainly_warped(costs[:, idx, :length].astype(float)) for idx, length in enumerate(lengths)]
    np.testing.assert_allclose(warped_distances(costs, lengths), wanted, rtol=1e-6)


@pytest.mark.parametrize("num_recordings", [1, 3])
def test_a_phrase_is_read_at_any_speed_and_with_any_silence(num_recordings: int):
    known = matcher(num_recordings)
    for seed in (1, 2, 3, 4, 5):
        for stretch, still in ((0.8, 0), (1.4, 25)):
            best = known.search(spoken(seed, stretch, noise=99, still=still), nbest=3, alternatives=3)[0]
            assert best.text == f"phrase {seed}"
            word = best.words[0]
            assert abs(word.start - still) <= 4 and abs(word.end - (still + round(30 * stretch))) <= 4
            assert word.probability > 0.5
            others = [other.text for other in word.alternatives]
            assert len(others) == 3 and best.text not in others


def test_something_else_and_a_still_mouth_are_nothing():
    known = matcher(2)
    for seed in range(50, 60):
        assert known.search(spoken(seed, still=10))[0].words == ()
    assert known.search(spoken(1)[:0])[0].words == ()
    still = 0.02 * np.random.default_rng(0).normal(size=(60, SIZE)).astype(np.float32)
    found = known.search(still, nbest=3)
    assert [each.text for each in found] == [""] and found[0].posterior == 1


def test_probabilities_of_all_phrases_and_of_something_else_sum_to_one():
    known = matcher()
    for seed in (2, 77):
        found = known.search(spoken(seed), nbest=99)
        assert len(found) == 6 and {each.text for each in found} == {"", *known.texts}
        assert sum(each.posterior for each in found) == pytest.approx(1)
        assert [each.posterior for each in found[1:]] == sorted((e.posterior for e in found[1:]), reverse=True)


def test_two_phrases_that_share_a_probability_still_win_over_nothing():
    twice = [trim_recording(spoken(1, noise=idx, still=10)) for idx in (0, 1)]
    others = [trim_recording(spoken(seed, still=10)) for seed in (2, 3, 4)]
    recordings = [*twice, *others]
    first = PhraseMatcher(["a", "b", "c", "d", "e"], recordings, range(5))
    calibration = module.Calibration(0.3, 12 / 0.3, first.calibration.level)
    best = PhraseMatcher(["a", "b", "c", "d", "e"], recordings, range(5), calibration).search(spoken(1, noise=5))[0]
    assert best.text in ("a", "b") and best.posterior < 0.6


def test_the_limit_depends_on_how_much_recordings_of_one_phrase_differ():
    steady, restless = matcher(2), matcher(2)
    swapped = [trim_recording(spoken(seed, noise=seed, still=10)) for seed in (1, 11, 2, 12, 3, 13)]
    restless = PhraseMatcher(["a", "b", "c"], swapped, [0, 0, 1, 1, 2, 2])
    nearest = [np.median(np.sort(each.cross_distances(), axis=1)[:, 1]) for each in (steady, restless)]
    assert steady.calibration.limit / nearest[0] < restless.calibration.limit / nearest[1]


def test_speech_is_cut_at_pauses_alone():
    film = np.concatenate([spoken(1, still=15), spoken(2, still=15)])
    level = lively_motion(spoken(1))
    spans = find_speech(film, level)
    assert len(spans) == 2
    assert all(abs(span.start - wanted) <= 3 for span, wanted in zip(spans, (15, 75), strict=True))
    assert len(find_speech(film, level, pause=40)) == 1
    assert find_speech(film[:0], level) == []


def test_a_pause_within_a_phrase_does_not_end_it():
    halting = np.concatenate([spoken(1), np.repeat(spoken(1)[-1:], 20, axis=0), spoken(2)])
    known = PhraseMatcher(["halting", "other"], [halting, spoken(3)], [0, 1])
    assert len(known.find_phrases(halting)) == 1
    assert known.search(halting)[0].text == "halting"


def test_the_order_of_the_recordings_changes_nothing():
    known, query = matcher(2), spoken(3, noise=8)
    recordings = [
        trim_recording(spoken(seed, 1 + 0.2 * t, noise=10 * seed + t, still=10))
        for t in (1, 0)
        for seed in (5, 4, 3, 2, 1)
    ]
    turned = PhraseMatcher(known.texts, recordings, [4, 3, 2, 1, 0] * 2)
    np.testing.assert_allclose(known.distances(query), turned.distances(query), atol=1e-4)


def test_other_searches_are_refused_in_one_line():
    able = Capabilities(WordTokenizer(["a"]), phrases=True, name="model mine")
    assert able.methods == ("phrases",)
    found = resolve(able, SearchOptions(nbest=3, alternatives=3))
    assert (found.method, found.nbest) == ("phrases", 3)
    with pytest.raises(ConfigError, match=r"model mine compares recorded phrases, .*want one of 'phrases'"):
        resolve(able, SearchOptions("beam"))
    with pytest.raises(ConfigError, match="has no recorded phrases"):
        resolve(Capabilities(WordTokenizer(["a"])), SearchOptions("phrases"))
