"""Pieces of words: learned, kept beside a model, and refused in one line where something is wrong."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lipscribe.errors import ConfigError, LipscribeError, MissingExtraError
from lipscribe.models.builders import build_reader
from lipscribe.models.spec import ModelSpec, save_spec
from lipscribe.tokenizer import SentencePieceTokenizer, TokenWord, train_sentencepiece
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra sentencepiece")

TEXTS = ["bin blue at a one now", "set red in b two please", "place white by l three again"] * 10


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SentencePieceTokenizer:
    return train_sentencepiece(TEXTS, 40, tmp_path_factory.mktemp("pieces") / "some.model")


def test_round_trip(tokenizer: SentencePieceTokenizer):
    assert tokenizer.vocab[0] == "<blank>"
    assert 20 < len(tokenizer.vocab) <= 40
    for text in TEXTS[:3]:
        tokens = tokenizer.encode(f"  {text}\n")
        assert all(0 < token < len(tokenizer.vocab) for token in tokens)
        assert tokenizer.decode(tokens) == text
        assert [word.text for word in tokenizer.split_words(tokens)] == text.split()
    assert (tokenizer.encode(" "), tokenizer.decode([]), tokenizer.separator) == ([], "", None)


def test_words_begin_at_the_pieces_that_say_so(tokenizer: SentencePieceTokenizer):
    start, n = tokenizer.vocab.index("▁"), tokenizer.vocab.index("n")
    assert tokenizer.split_words([n, start, n, n, start, start, n]) == [
        TokenWord("n", 0, 1),
        TokenWord("nn", 1, 4),
        TokenWord("n", 5, 7),
    ]


def test_text_outside_the_pieces_is_named(tokenizer: SentencePieceTokenizer):
    with pytest.raises(LipscribeError, match=r"characters '!', 'z' of 'zoo now!' are in no piece of .*some.model"):
        tokenizer.encode("zoo now!")
    with pytest.raises(LipscribeError, match=r"token ids \[0\] are not tokens of a text"):
        tokenizer.decode([0])


def test_its_model_travels_with_ours(tokenizer: SentencePieceTokenizer, toy_spec: ModelSpec, tmp_path: Path):
    spec = replace(toy_spec, tokenizer=tokenizer)
    save_checkpoint(tmp_path / "model", spec, build_reader(spec).state_dict())
    assert json.loads((tmp_path / "model" / "spec.json").read_text())["tokenizer"]["model"] == "tokenizer.model"
    moved = (tmp_path / "model").rename(tmp_path / "elsewhere")
    loaded, reader = load_checkpoint(moved)
    assert loaded.tokenizer.vocab == tokenizer.vocab
    save_checkpoint(moved, loaded, reader.state_dict())  # over itself
    assert load_checkpoint(moved)[0] == loaded
    save_spec(moved, replace(loaded, temperatures={"beam": 2.0}))  # as `lipscribe calibrate` does
    moved = moved.rename(tmp_path / "again")
    assert load_checkpoint(moved)[0].temperatures == {"beam": 2.0}


def test_what_is_no_model_of_ours(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none.model cannot be read \(No such file"):
        SentencePieceTokenizer(str(tmp_path / "none.model"))
    (tmp_path / "junk.model").write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"junk.model is not a SentencePiece model"):
        SentencePieceTokenizer(str(tmp_path / "junk.model"))
    with (tmp_path / "foreign.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS), model_writer=file, vocab_size=40, hard_vocab_limit=False, minloglevel=2
        )
    with pytest.raises(ConfigError, match=r"foreign.model has control pieces '<s>', '</s>': train it with --unk_id=0"):
        SentencePieceTokenizer(str(tmp_path / "foreign.model"))
    with pytest.raises(ConfigError, match="no SentencePiece model can be trained"):
        train_sentencepiece([], 40, tmp_path / "empty.model")


def test_without_the_library_the_message_is_how_to_get_it(
    tokenizer: SentencePieceTokenizer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match=r"needs that library: pip install 'lipscribe\[sentencepiece\]'"):
        SentencePieceTokenizer(tokenizer.model)
