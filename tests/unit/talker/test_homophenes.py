import pytest

from lipscribe.talker.homophenes import are_homophenes, mark_homophenes, visemes_of
from lipscribe.transcript import Alternative, Segment, Transcript, Word


@pytest.mark.parametrize(("left", "right"), [("b", "p"), ("pat", "mat"), ("d", "t"), ("fan", "van"), ("red", "red")])
def test_what_looks_the_same(left, right):
    assert are_homophenes(left, right) is True


@pytest.mark.parametrize(("left", "right"), [("b", "d"), ("at", "in"), ("pat", "pats"), ("two", "three")])
def test_what_looks_different(left, right):
    assert are_homophenes(left, right) is False


def test_diphthongs_are_two_classes():
    assert visemes_of("pay") == ("bilabial", "EH", "IY")


def test_what_cannot_be_pronounced_is_not_known():
    assert are_homophenes("red", "\u6f22") is None


def test_alternatives_of_a_transcript_are_marked():
    word = Word("b", 0.0, 0.2, 0.5, (Alternative("p", 0.3), Alternative("d", 0.1)))
    marked = mark_homophenes(Transcript((Segment("b", 0.0, 0.2, (word,)),), model="m"))
    assert [each.homophene for each in marked.words[0].alternatives] == [True, False]
    assert marked.model == "m"
