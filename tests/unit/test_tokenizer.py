import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from auto_avsr_golden import GOLDEN, needs_golden

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.schema import from_dict, to_dict
from lipscribe.tokenizer import AnyTokenizer, CharacterTokenizer, TokenWord, UnitsTokenizer, WordTokenizer

CHARACTERS = CharacterTokenizer()
WORDS = WordTokenizer(["set", "white", "in", "a", "two"])


@dataclass(frozen=True)
class Record:
    tokenizer: AnyTokenizer


def from_record(data: object) -> AnyTokenizer:
    return from_dict(Record, {"tokenizer": data}, "spec").tokenizer


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS])
def test_round_trips(tokenizer):
    text = "set white in a two"
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert [tokenizer.vocab[token] for token in tokens] == (list(text) if tokenizer is CHARACTERS else text.split())
    assert from_record(json.loads(json.dumps(to_dict(tokenizer)))) == tokenizer


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS])
def test_blank_is_id_0_of_no_text(tokenizer):
    assert tokenizer.vocab[0] == "<blank>"
    assert 0 not in tokenizer.encode("set white in a two")
    for token in (0, len(tokenizer.vocab), -1):
        with pytest.raises(LipscribeError, match=rf"token ids \[{token}\] are not tokens of a text: want 1 to"):
            tokenizer.decode([token])


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS])
def test_empty_text(tokenizer):
    assert tokenizer.encode(" \n") == []
    assert tokenizer.decode([]) == ""
    assert tokenizer.split_words([]) == []


def test_characters_split_into_words_at_any_number_of_spaces():
    space = CHARACTERS.separator
    tokens = [space, *CHARACTERS.encode("don't"), space, space, *CHARACTERS.encode("go"), space]
    assert CHARACTERS.split_words(tokens) == [TokenWord("don't", 1, 6), TokenWord("go", 8, 10)]
    assert CHARACTERS.decode(tokens) == "don't go"
    assert CHARACTERS.encode(" don't \n go ") == CHARACTERS.encode("don't go")


def test_words_are_a_token_each():
    assert WORDS.separator is None
    assert WORDS.split_words([2, 2]) == [TokenWord("white", 0, 1), TokenWord("white", 1, 2)]


def test_characters_without_a_space_make_one_word():
    tokenizer = CharacterTokenizer("ab")
    assert tokenizer.separator is None
    assert tokenizer.split_words([1, 2, 1]) == [TokenWord("aba", 0, 3)]


def test_text_outside_the_vocabulary_is_named():
    with pytest.raises(LipscribeError, match=r"characters '!', '\u00e9' of .* are not in the vocabulary .abc"):
        CHARACTERS.encode("cr\u00e9me!")
    with pytest.raises(
        LipscribeError, match=r"words 'whit', 'now' of .* are not among the 5 .* did you mean 'white'\?"
    ):
        WORDS.encode("set whit now whit")
    with pytest.raises(LipscribeError, match=r"words 'zzz' .* it knows set, white"):
        WORDS.encode("zzz")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CharacterTokenizer("abca"), "characters holds 'a' more than once"),
        (lambda: CharacterTokenizer(""), "give a string of at least one character"),
        (lambda: CharacterTokenizer(["a"]), "give a string of at least one character"),
        (lambda: WordTokenizer(["a", "b", "a"]), "words holds 'a' more than once"),
        (
            lambda: WordTokenizer(["a b", "", "<blank>", 3]),
            "words holds 'a b', '', '<blank>', 3: each word is a string",
        ),
        (lambda: WordTokenizer([]), "words holds nothing"),
        (lambda: WordTokenizer(["left", True]), "words holds True: each word is a string"),
        (lambda: WordTokenizer("bin"), "words is 'bin': give a list of words"),
        (lambda: from_record({"kind": "sounds"}), "tokenizer.kind is 'sounds', wanted one of characters, words"),
        (lambda: from_record("words"), "tokenizer is 'words', wanted a mapping with kind"),
        (lambda: from_record({"kind": ["words"]}), "tokenizer.kind is .*'words'.*, wanted one of"),
        (lambda: from_record({"kind": "words"}), "tokenizer.words is missing"),
        (lambda: from_record({"kind": "words", "words": 3}), "tokenizer.words is 3, wanted a list"),
        (lambda: from_record({"kind": "words", "words": []}), "tokenizer: words holds nothing"),
        (
            lambda: from_record({"kind": "words", "words": ["left", True]}),
            "tokenizer.words.1. is True, wanted text .in YAML quote yes, no, on and off",
        ),
        (
            lambda: from_record({"words": ["left"]}),
            "tokenizer.words is .*, but kind characters has no words: leave it out, or set kind to words",
        ),
    ],
)
def test_bad_vocabularies(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def write_units(folder: Path, *units: str) -> str:
    path = folder / "units.txt"
    path.write_text("".join(f"{unit} {i}\n" for i, unit in enumerate(units, start=1)), encoding="utf-8")
    return str(path)


def test_units_are_read_with_their_ids_and_words_begin_where_they_say(tmp_path: Path):
    tokenizer = UnitsTokenizer(write_units(tmp_path, "<unk>", "'", "S", "▁", "▁IT", "▁NO", "W"))
    assert tokenizer.vocab == ["<blank>", "<unk>", "'", "S", "▁", "▁IT", "▁NO", "W", "<eos>"]
    assert (tokenizer.end, tokenizer.separator) == (8, None)
    tokens = [5, 2, 3, 4, 6, 7, 8]
    assert tokenizer.split_words(tokens) == [TokenWord("it's", 0, 3), TokenWord("now", 4, 7)]
    assert tokenizer.decode(tokens) == "it's now"
    assert tokenizer.decode([4, 8]) == tokenizer.decode([]) == ""
    assert from_record(json.loads(json.dumps(to_dict(tokenizer)))) == tokenizer
    with pytest.raises(ConfigError, match=r"units.txt has no SentencePiece model, to split words"):
        tokenizer.encode("it's")


def test_units_that_are_characters_need_no_model(tmp_path: Path):
    tokenizer = UnitsTokenizer(write_units(tmp_path, "<unk>", "<space>", "A", "B"))
    assert tokenizer.separator == 2
    assert tokenizer.encode(" ab  Bé\n") == [3, 4, 2, 4, 1]
    assert tokenizer.decode([2, 3, 4, 2, 4, 5]) == "ab b"
    assert tokenizer.split_words([3, 2, 4]) == [TokenWord("a", 0, 1), TokenWord("b", 2, 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "units.txt is empty: wanted a line for each unit"),
        ("A 1\nB 3\n", "line 2 of .*units.txt is 'B 3': wanted a unit and its id, 2"),
        ("A 1\nB\n", "line 2 of .*units.txt is 'B'"),
        ("A 1\nA 2\n", r"units.txt holds 'A' more than once"),
    ],
)
def test_units_that_are_none(tmp_path: Path, text: str, message: str):
    path = tmp_path / "units.txt"
    with pytest.raises(ConfigError, match=r"units.txt cannot be read"):
        UnitsTokenizer(str(path))
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        UnitsTokenizer(str(path))


@needs_golden
def test_the_units_of_the_published_model():
    pytest.importorskip("sentencepiece", reason="needs the extra sentencepiece")
    units, model = (str(GOLDEN / name) for name in ("unigram5000_units.txt", "unigram5000.model"))
    tokenizer = UnitsTokenizer(units, model)
    assert len(tokenizer.vocab) == 5049
    assert (tokenizer.vocab[1], tokenizer.vocab[5047], tokenizer.end) == ("<unk>", "▁ZOO", 5048)
    for text in ("hello world i don't know", "the zoo", "lipreading", "4 o'clock"):
        tokens = tokenizer.encode(text.title())
        assert 1 not in tokens
        assert tokenizer.decode([*tokens, tokenizer.end]) == text
        assert " ".join(word.text for word in tokenizer.split_words(tokens)) == text
    assert 1 in tokenizer.encode("a 9 é")
    assert from_record(to_dict(tokenizer)) == tokenizer
