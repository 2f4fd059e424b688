import random

import jiwer
import pytest

from lipscribe.errors import LipscribeError
from lipscribe.metrics import (
    Edit,
    ErrorCounts,
    align_words,
    bootstrap_interval,
    cer,
    character_errors,
    wer,
    word_errors,
)


def random_sentences(num_sentences: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(["a", "at", "by", "bin", "now"], k=rng.randint(0, 9))) for _ in range(num_sentences)]


REFERENCES, HYPOTHESES = random_sentences(200, seed=0), random_sentences(200, seed=1)


def test_rates_are_jiwers():
    assert wer(REFERENCES, HYPOTHESES) == pytest.approx(jiwer.wer(REFERENCES, HYPOTHESES))
    assert cer(REFERENCES, HYPOTHESES) == pytest.approx(jiwer.cer(REFERENCES, HYPOTHESES))


@pytest.mark.parametrize(("count", "split"), [(word_errors, str.split), (character_errors, str)])
def test_counts_of_each_clip_are_minimal_and_consistent(count, split):
    process = jiwer.process_words if count is word_errors else jiwer.process_characters
    for reference, hypothesis, counts in zip(REFERENCES, HYPOTHESES, count(REFERENCES, HYPOTHESES), strict=True):
        theirs = process([reference], [hypothesis])
        assert counts.errors == theirs.substitutions + theirs.deletions + theirs.insertions
        assert counts.reference_length == len(split(reference))
        assert counts.hits + counts.substitutions + counts.insertions == len(split(hypothesis))


def test_edits_rebuild_both_sentences():
    for reference, hypothesis in zip(REFERENCES, HYPOTHESES, strict=True):
        edits = align_words(reference, hypothesis)
        assert " ".join(edit.reference for edit in edits if edit.reference is not None) == reference
        assert " ".join(edit.hypothesis for edit in edits if edit.hypothesis is not None) == hypothesis
        assert [edit.reference_idx for edit in edits if edit.reference_idx is not None] == list(
            range(len(reference.split()))
        )
        assert all((edit.kind == "hit") == (edit.reference == edit.hypothesis) for edit in edits)


def test_edits_of_a_sentence():
    assert align_words("bin blue at f two now", "bin at s two now now") == [
        Edit("hit", "bin", "bin", 0),
        Edit("deletion", "blue", None, 1),
        Edit("hit", "at", "at", 2),
        Edit("substitution", "f", "s", 3),
        Edit("hit", "two", "two", 4),
        Edit("insertion", None, "now", None),
        Edit("hit", "now", "now", 5),
    ]


def test_rates_are_micro():
    references, hypotheses = ["a", "a b c d e f g h i"], ["x", "a b c d e f g h i"]
    assert wer(references, hypotheses) == pytest.approx(1 / 10)


def test_cer_counts_spaces_once_each():
    assert cer("a b", "ab") == pytest.approx(1 / 3)
    assert cer("a  b ", "a b") == 0


def test_empty_reference_and_hypothesis():
    assert wer("", "") == cer("", "") == 0
    assert wer([], []) == 0
    assert wer("a b", "") == 1
    assert wer("", "a b") == jiwer.wer("", "a b") == 2  # insertions against nothing
    assert wer(["", "a b c"], ["x", "a b c"]) == pytest.approx(1 / 3)
    assert word_errors(["", " "], ["a", ""]) == [ErrorCounts(insertions=1), ErrorCounts()]


def test_counts_add_up():
    counts = word_errors(REFERENCES, HYPOTHESES)
    assert ErrorCounts.total(counts).rate == wer(REFERENCES, HYPOTHESES)
    assert ErrorCounts(1, 2, 3, 4) + ErrorCounts(10, 20, 30, 40) == ErrorCounts(11, 22, 33, 44)
    assert ErrorCounts(1, 2, 3, 4).rate == 9 / 6


def test_interval_is_that_of_the_normal_approximation():
    # 400 one-word clips, a tenth of them wrong: the deviation of the rate is sqrt(.1 * .9 / 400) = .015.
    counts = [ErrorCounts(substitutions=1)] * 40 + [ErrorCounts(hits=1)] * 360
    low, high = bootstrap_interval(counts, seed=3)
    assert low == pytest.approx(0.1 - 1.96 * 0.015, abs=0.006)
    assert high == pytest.approx(0.1 + 1.96 * 0.015, abs=0.006)
    assert bootstrap_interval(counts, seed=3) == (low, high)
    narrow = bootstrap_interval(counts, seed=3, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_interval_of_one_clip_and_of_none():
    assert bootstrap_interval([ErrorCounts(hits=3, deletions=1)]) == (0.25, 0.25)
    with pytest.raises(LipscribeError, match="interval over 0 clips"):
        bootstrap_interval([])


def test_unequal_lengths_are_refused():
    with pytest.raises(LipscribeError, match="2 references but 1 hypotheses: give one for each clip"):
        wer(["a", "b"], ["a"])
