"""Flags become search options: what is not said stays as the model has it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from published_models import LM_CONFIG, VOCAB, write_units

from lipscribe.cli.searching import search_options
from lipscribe.encoded import Encoded
from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.model import Model
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec, TransformerDecoderSpec
from lipscribe.models.encoder_specs import RecurrentEncoderSpec
from lipscribe.models.frontend_specs import ConvFrontendSpec
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.spec import WEIGHTS_FILE, ModelSpec
from lipscribe.schema import to_dict
from lipscribe.search import SearchOptions, search
from lipscribe.search.beam import EXACT, PUBLISHED
from lipscribe.tokenizer import UnitsTokenizer, WordTokenizer
from lipscribe.zoo.checkpoint import save_weights
from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model, load_token_lm
from lipscribe.zoo.registry import LM_FILE

TOY = {
    "frontend": ConvFrontendSpec(channels=(2, 2), stem_frames=1, features=4),
    "encoder": RecurrentEncoderSpec(hidden=4, layers=1),
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    units = UnitsTokenizer(str(write_units(tmp_path / "units.txt")))
    decoder = TransformerDecoderSpec(hidden=8, layers=1, heads=2)
    spec = ModelSpec(name="toy", tokenizer=units, decoder=decoder, **TOY)
    torch.manual_seed(0)
    return Model(spec, build_reader(spec))


@pytest.fixture
def lm_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lm"
    folder.mkdir()
    write_lm(folder, VOCAB)
    return folder


def write_lm(folder: Path, vocab_size: int) -> None:
    spec = LanguageModelSpec("toy", VOCAB, embedding=6, hidden=8, heads=LM_CONFIG["head"], ff=12, layers=3)
    torch.manual_seed(0)
    state = build_language_model(spec).state_dict()
    for name in ("embedding.weight", "project.weight", "project.bias"):
        state[name] = state[name][:vocab_size]
    save_weights(folder / WEIGHTS_FILE, state)
    (folder / LM_FILE).write_text(json.dumps(to_dict(spec) | {"vocab_size": vocab_size}))


def states(num_frames: int = 6) -> Encoded:
    return Encoded(np.random.default_rng(1).normal(size=(num_frames, 1, 8)).astype(np.float32), None)


def test_one_flag_changes_one_option(model: Model):
    own = model.default_search
    assert (own.method, own.beam_size, own.ctc_weight, own.rules) == ("joint", 10, 0.1, PUBLISHED)
    assert search_options(model, "auto") == own
    for name, value in {"beam_size": 40, "ctc_weight": 0.4, "nbest": 3, "length_bonus": 0.5}.items():
        options = search_options(model, "auto", **{name: value})
        assert {field for field in vars(own) if vars(own)[field] != vars(options)[field]} == {name}
    assert vars(search_options(model, "attention", beam_size=None)) == vars(own) | {"method": "attention"}
    assert search_options(model, "beam").beam_size == 16
    assert search_options(model, "greedy", alternatives=3).alternatives == 0


def test_a_language_model_of_tokens_counts_in_every_step(model: Model, lm_folder: Path):
    plain, seen = model.search(states())[0], states()
    options = search_options(model, "auto", lm=str(lm_folder), nbest=2)
    assert (options.lm_weight, options.beam_size, options.lm) == (0.3, 10, None)
    found = model.search(seen, options)
    encoded = torch.from_numpy(seen.states).transpose(0, 1)
    with torch.inference_mode():
        log_probs = model.reader.ctc(encoded).double().numpy()
    asked = SearchOptions("joint", beam_size=10, nbest=2, ctc_weight=0.1, token_lm=load_token_lm(lm_folder))
    wanted = search(log_probs, None, model.tokenizer, asked, [DecoderScorer(model.reader.decoder, encoded)])[0]
    assert [one.tokens for one in found] == [one.tokens for one in wanted]
    assert [one.score for one in found] == pytest.approx([one.score for one in wanted], abs=1e-4)
    assert found[0].score < plain.score
    without = model.search(seen, search_options(model, "auto", lm=str(lm_folder), lm_weight=0.0))[0]
    assert without.tokens == plain.tokens
    heavy = search_options(model, "attention", lm=str(lm_folder), lm_weight=50.0, length_bonus=-1.0)
    assert model.search(seen, heavy)[0].score < found[0].score


def test_a_length_bonus_makes_for_longer_sentences(model: Model):
    lengths = [len(model.search(states(), search_options(model, "auto", length_bonus=b))[0].tokens) for b in (-9, 9)]
    assert lengths[0] < lengths[1]


@pytest.fixture
def speller(tmp_path: Path) -> Model:
    """A model with a Transformer decoder whose units are characters."""
    units = write_units(tmp_path / "characters.txt", ("<unk>", "A", "B", "<space>"))
    decoder = TransformerDecoderSpec(hidden=8, layers=1, heads=2)
    tokenizer = UnitsTokenizer(str(units))
    spec = ModelSpec(name="speller", tokenizer=tokenizer, decoder=decoder, **TOY)
    torch.manual_seed(0)
    return Model(spec, build_reader(spec))


def test_a_transformer_is_held_to_phrases(speller: Model, tmp_path: Path):
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("ab ba\nb\n", encoding="utf-8")
    for method in ("auto", "attention", "joint"):
        options = search_options(speller, method, phrases=str(phrases), nbest=3)
        assert (options.method, options.beam_size) == ("joint" if method == "auto" else method, 10)
        found = speller.search(states(12), options)
        assert {one.text for one in found} <= {"", "ab ba", "b"}
        assert len(found) == 3
    phrases.write_text("ab\nac\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="grammar: 'ac' cannot be spelt in the model's vocabulary of 5 tokens"):
        search_options(speller, "auto", phrases=str(phrases))


ARPA = """
\\data\\
ngram 1=5
ngram 2=1

\\1-grams:
-2.0\t<unk>
0\t<s>\t-0.3
-0.8\t</s>
-0.5\tab\t-0.2
-0.9\tb\t-0.1

\\2-grams:
-0.2\t<s> ab

\\end\\
"""


def test_a_language_model_of_words_goes_with_the_model_s_own_search(speller: Model, tmp_path: Path):
    pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    path = tmp_path / "words.arpa"
    path.write_text(ARPA, encoding="utf-8")
    options = search_options(speller, "auto", lm=str(path))
    assert (options.method, options.beam_size, options.ctc_weight, options.lm_weight) == ("joint", 10, 0.1, 0.5)
    assert options.lm.words == ["ab", "b"]
    assert search_options(speller, "beam", lm=str(path), lm_weight=0.2).lm_weight == 0.2
    assert {search_options(speller, method, lm=str(path)).method for method in ("attention", "joint", "beam")} == {
        "attention",
        "joint",
        "beam",
    }
    heavy = search_options(speller, "auto", lm=str(path), lm_weight=20.0)
    assert speller.search(states(12), heavy)[0].text in ("", "ab", "b")
    for method in ("greedy", "grammar"):
        with pytest.raises(
            ConfigError,
            match=f"a language model of words is given, but method '{method}' has no use for",
        ):
            search_options(speller, method, lm=str(path), alternatives=3)


def test_contradictions_are_told_in_a_line(model: Model, lm_folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="a language model of tokens is given, but method 'beam' has no use for"):
        search_options(model, "beam", lm=str(lm_folder))
    with pytest.raises(ConfigError, match="length_bonus is given, but method 'greedy' has no use for"):
        search_options(model, "greedy", length_bonus=1.0)
    with pytest.raises(ConfigError, match="ctc_weight is given, but method 'attention' has no use for"):
        search_options(model, "attention", ctc_weight=0.5)
    with pytest.raises(ConfigError, match="length_bonus is nan, want a number"):
        search_options(model, "auto", length_bonus=float("nan"))
    with pytest.raises(ConfigError, match="ctc_weight is 0, want a number above 0"):
        search_options(model, "auto", ctc_weight=0)
    with pytest.raises(
        ConfigError, match=r"lm_weight is given, but no language model: .*word_bonus is given, but no language model"
    ):
        search_options(model, "auto", lm_weight=0.6, word_bonus=0.1)
    with pytest.raises(
        ConfigError, match="word_bonus is given, but no language model of words: want one with it, or l"
    ):
        search_options(model, "auto", lm=str(lm_folder), word_bonus=0.1)
    with pytest.raises(ConfigError, match=r"units\.txt has no SentencePiece model, to split words into units"):
        search_options(model, "auto", grammar="grid")
    with pytest.raises(CheckpointError, match="no language model 'elsewhere'"):
        search_options(model, "auto", lm="elsewhere")
    write_lm(lm_folder, VOCAB - 2)
    with pytest.raises(ConfigError, match="the language model has 6 tokens but the lip reader 8: want one that was tr"):
        search_options(model, "auto", lm=str(lm_folder))


def test_an_lstm_decoder_takes_none(lm_folder: Path):
    decoder = AttentionDecoderSpec(hidden=4)
    spec = ModelSpec(name="toy", tokenizer=WordTokenizer(["a", "b"]), decoder=decoder, **TOY)
    model = Model(spec, build_reader(spec))
    own = search_options(model, "auto", beam_size=3)
    assert (own.method, own.beam_size, own.ctc_weight, own.rules) == ("joint", 3, 0.3, EXACT)
    with pytest.raises(ConfigError, match="a language model of tokens is given, which an LSTM decoder's search does n"):
        search_options(model, "auto", lm=str(lm_folder))
    with pytest.raises(ConfigError, match="length_bonus is given, which an LSTM decoder's search does not use"):
        search_options(model, "auto", length_bonus=0.5)
