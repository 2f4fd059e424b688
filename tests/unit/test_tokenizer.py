import json

import pytest

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.tokenizer import CharacterTokenizer, TokenWord, WordTokenizer, tokenizer_from_dict

CHARACTERS = CharacterTokenizer()
WORDS = WordTokenizer(["set", "white", "in", "a", "two"])


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS])
def test_round_trips(tokenizer):
    text = "set white in a two"
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert [tokenizer.vocab[token] for token in tokens] == (list(text) if tokenizer is CHARACTERS else text.split())
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


@pytest.mark.parametrize("tokenizer", [CHARACTERS, WORDS])
def test_blank_is_id_0_of_no_text(tokenizer):
    assert tokenizer.vocab[0] == "<blank>"
    assert 0 not in tokenizer.encode("set white in a two")
    for token in (0, len(tokenizer.vocab), -1):
        with pytest.raises(LipscribeError, match=rf"token ids \[{token}\] stand for no text: want 1 to"):
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
        (lambda: WordTokenizer("bin"), "words is 'bin': give a list of words"),
        (lambda: tokenizer_from_dict({"kind": "sounds"}), "kind 'sounds' is unknown: choose one of characters, words"),
        (lambda: tokenizer_from_dict({}), "kind None is unknown"),
        (lambda: tokenizer_from_dict("words"), "kind None is unknown"),
        (lambda: tokenizer_from_dict({"kind": ["words"]}), "is unknown"),
        (lambda: tokenizer_from_dict({"kind": "words"}), "want 'kind' and 'words'"),
        (lambda: tokenizer_from_dict({"kind": "words", "words": 3}), "want a string or a list"),
    ],
)
def test_bad_vocabularies(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
