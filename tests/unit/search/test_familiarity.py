import numpy as np
import pytest

from lipscribe.search.familiarity import (
    FAMILIAR,
    MIN_CLIPS,
    MOST,
    familiarity,
    fit_limit,
    frame_surprise,
    spoken_surprise,
    unfamiliar_warnings,
)
from lipscribe.search.hypothesis import Hypothesis, Span, WordSpan


def read(tokens, spans):
    return Hypothesis(tokens, "", 0.0, 1.0, spans, ())


def log_probs(*rows):
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows, float))


def test_a_sure_frame_that_was_read_as_it_is_does_not_surprise():
    sure = log_probs([1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0])
    np.testing.assert_array_equal(frame_surprise(sure, read((1,), (Span(1, 3),))), np.zeros(4))


def test_surprise_is_the_entropy_where_the_best_token_was_read():
    rows = [[0.25, 0.5, 0.25], [0.2, 0.2, 0.6], [1 / 3, 1 / 3, 1 / 3]]
    wanted = [-sum(p * np.log(p) for p in row) for row in rows]
    found = frame_surprise(log_probs(*rows), read((1, 2), (Span(0, 1), Span(1, 2))))
    assert found == pytest.approx(wanted)
    assert found.dtype == np.float32


def test_a_token_that_the_frame_does_not_show_surprises_by_how_much_less_likely_it_is():
    rows = log_probs([0.7, 0.2, 0.1], [0.7, 0.2, 0.1])
    shown, silent = frame_surprise(rows, read((2,), (Span(0, 1),)))
    assert shown - silent == pytest.approx(np.log(7))
    assert frame_surprise(log_probs([1, 0, 0]), read((1,), (Span(0, 1),))) == pytest.approx(MOST)


def test_no_frames_and_a_half_precision_input():
    assert frame_surprise(np.zeros((0, 3)), read((), ())).shape == (0,)
    assert np.isfinite(frame_surprise(log_probs([0.5, 0.5, 0]).astype(np.float16), read((1,), (Span(0, 1),)))).all()


def test_familiarity_falls_with_surprise_and_is_a_half_at_the_limit():
    assert familiarity(0.3, 0.3) == FAMILIAR
    values = [familiarity(surprise, 0.3) for surprise in (0, 0.15, 0.3, 0.6, 3)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1
    assert values[1] == pytest.approx(0.94, abs=0.01)
    assert values[3] == pytest.approx(0.06, abs=0.01)
    assert familiarity(-1e-9, 0.3) == 1


def test_the_limit_leaves_nearly_all_of_its_clips_familiar():
    rng = np.random.default_rng(0)
    known = rng.gamma(20, 0.015, 500)
    limit = fit_limit(known)
    assert np.mean([familiarity(surprise, limit) >= FAMILIAR for surprise in known]) >= 0.98
    assert np.quantile(known, 0.98) < limit < 1.5 * known.max()
    assert fit_limit([0.3] * (MIN_CLIPS - 1)) is None
    assert fit_limit([0.0] * MIN_CLIPS) > 0


def test_unfamiliar_segments_are_named_once():
    assert unfamiliar_warnings([]) == unfamiliar_warnings([(0.5, 0.9), (3.0, None)]) == []
    (all_of_it,) = unfamiliar_warnings([(0.5, 0.2), (3.0, 0.07)])
    assert all_of_it.startswith("this does not look like what the model knows (familiarity 0.07, wanted 0.5): ")
    (some,) = unfamiliar_warnings([(0.5, 0.9), (3.0, 0.07), (6.0, 0.3)])
    assert some.startswith("2 of 3 segments do not look like what the model knows")
    assert "familiarity 0.07, wanted 0.5, the first at 3.0 s" in some
    assert some.endswith("do not trust the words")


def test_surprise_counts_from_the_first_word_to_the_last():
    surprise = np.array([9, 1, 2, 3, 9], np.float32)
    words = [WordSpan("a", 1, 2, 1.0), WordSpan("b", 3, 4, 1.0)]
    assert spoken_surprise(surprise, words) == 2
    assert spoken_surprise(surprise, [WordSpan("a", 4, 4, 1.0)]) == 9
    assert spoken_surprise(surprise, []) is None
