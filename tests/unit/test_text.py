import pytest

from lipscribe.errors import ConfigError
from lipscribe.text import NORMALISERS, normalise


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


def test_unknown_name():
    with pytest.raises(ConfigError, match="'grid' is unknown: choose one of none, lower, plain"):
        normalise("a", "grid")
