import pytest

from lipscribe.errors import ConfigError
from lipscribe.text import NORMALISERS, normalise, unsayable


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Bin Blue, at F two now!", "bin blue at f two now"),
        ("don\u2019t stop -- the 'well-known'  dogs'", "don't stop the 'well known' dogs'"),
        ("a ' b '' c", "a b c"),
        ("cost: $3.50\tor_so\n", "cost 3 50 or so"),
        ("cafe\u0301 na\u00efve", "caf\u00e9 na\u00efve"),
        (
            "\u0928\u092e\u0938\u094d\u0924\u0947\u0964",
            "\u0928\u092e\u0938\u094d\u0924\u0947",
        ),  # vowel signs stay, the danda goes
        ("", ""),
        (" ?! ", ""),
    ],
)
def test_plain(text, wanted):
    assert normalise(text, "plain") == wanted


def test_lower_keeps_punctuation_and_none_keeps_all():
    assert normalise("  A,  b\n", "lower") == "a, b"
    assert normalise("  A,  b\n", "none") == "  A,  b\n"


@pytest.mark.parametrize("name", NORMALISERS)
def test_normalising_twice_changes_nothing(name):
    once = normalise(" It\u2019s 'X-Ray', OK?  E\u0301 ", name)
    assert normalise(once, name) == once


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Built in 1987.", "1987."),
        ("all R&D costs", "R&D"),
        ("\u00a35, or \u20ac6", "\u00a35,"),
        ("a \u00bd and \u00b2", "\u00bd"),
        ("\u0967\u0968", "\u0967\u0968"),  # digits of other scripts
        ("and/or", "and/or"),
        ("It's \u2018well-known\u2019 \u2026 (so) \u00bfno? caf\u00e9 \u4e8c\u3007\u4e8c\u56db", ""),
    ],
)
def test_digits_and_symbols_cannot_be_said(text, word):
    assert unsayable(text) == word


def test_unknown_name():
    with pytest.raises(ConfigError, match="'grid' is unknown: choose one of none, lower, plain"):
        normalise("a", "grid")
