import subprocess
import sys

import numpy as np
import pytest
import torch

from lipscribe.errors import ConfigError
from lipscribe.search import Capabilities, Grammar, SearchOptions, resolve, search
from lipscribe.tokenizer import WordTokenizer

SLOTS = (("bin", "set"), ("blue", "red"))
GRAMMAR = Grammar(SLOTS)
TOKENIZER = WordTokenizer(["bin", "set", "blue", "red"])
EVERY = [
    SearchOptions("greedy"),
    SearchOptions("beam", beam_size=8, nbest=8),
    SearchOptions("grammar", nbest=4, grammar=GRAMMAR),
]


@pytest.mark.parametrize("options", EVERY)
def test_a_sure_clip_is_read_by_every_method(options):
    path = [0, 0, 1, 1, 1, 3, 3, 0]
    log_probs = torch.log_softmax(20 * torch.eye(5)[path], dim=-1)[None]
    best = search(log_probs, torch.tensor([8]), TOKENIZER, options)[0][0]
    assert (best.text, best.tokens, best.spans) == ("bin blue", (1, 3), ((2, 5), (5, 7)))
    assert [(word.text, word.start, word.end) for word in best.words] == [("bin", 2, 5), ("blue", 5, 7)]
    assert best.score == pytest.approx(0.0, abs=1e-5)
    assert best.posterior == pytest.approx(1.0, abs=1e-5)
    assert all(word.probability == pytest.approx(1.0, abs=1e-5) for word in best.words)


@pytest.mark.parametrize("options", EVERY)
def test_padding_changes_nothing(options, random_log_probs):
    log_probs = random_log_probs(3, 12, 5, seed=0)
    lengths = [12, 7, 0]
    batch = search(log_probs, lengths, TOKENIZER, options)
    for clip, length in enumerate(lengths):
        alone = search(log_probs[clip : clip + 1, :length], None, TOKENIZER, options)[0]
        assert [(item.text, item.spans) for item in batch[clip]] == [(item.text, item.spans) for item in alone]
        np.testing.assert_allclose([item.score for item in batch[clip]], [item.score for item in alone])
    assert batch[2][0].text == ""
    assert len(batch[2]) == 1


@pytest.mark.parametrize("options", EVERY)
def test_probabilities_are_probabilities(options, random_log_probs):
    for hypotheses in search(random_log_probs(10, 12, 5, seed=1, sharpness=1.0), None, TOKENIZER, options):
        scores = [item.score for item in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert sum(item.posterior for item in hypotheses) <= 1 + 1e-9
        for item in hypotheses:
            assert item.text == " ".join(word.text for word in item.words) == TOKENIZER.decode(item.tokens)
            assert all(0 <= word.probability <= 1 for word in item.words)
            assert all(0 <= start < end <= 12 for start, end in item.spans)


def test_the_whole_beam_shares_one(random_log_probs):
    hypotheses = search(random_log_probs(1, 12, 5, seed=2), None, TOKENIZER, SearchOptions(beam_size=6, nbest=6))[0]
    assert sum(item.posterior for item in hypotheses) == pytest.approx(1.0)
    best = search(random_log_probs(1, 12, 5, seed=2), None, TOKENIZER, SearchOptions(beam_size=6))[0]
    assert best == hypotheses[:1]


def test_the_grammar_hypotheses_are_sentences(random_log_probs):
    for hypothesis in search(random_log_probs(1, 12, 5, seed=3), None, TOKENIZER, EVERY[2])[0]:
        words = hypothesis.text.split()
        assert all(word in SLOTS[idx % 2] for idx, word in enumerate(words))
        assert len(words) % 2 == 0


def test_the_vocabulary_must_be_the_tokenizers(random_log_probs):
    with pytest.raises(ConfigError, match="log_probs has 7 tokens but the tokenizer 5"):
        search(random_log_probs(1, 3, 7, seed=4), None, TOKENIZER)


def test_no_clips():
    for options in EVERY:
        assert search(np.zeros((0, 5, 5)), None, TOKENIZER, options) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "best"}, "method is 'best', want auto or one of greedy, beam, grammar, attention, joint"),
        ({"beam_size": 0, "nbest": 1.5, "method": "x"}, "beam_size is 0, .*; nbest is 1.5, want a whole.*; method is "),
        ({"method": "greedy", "nbest": 2}, "nbest above 1 is given, but method 'greedy' has no use for"),
        ({"beam_size": 3, "nbest": 4, "method": "beam"}, "nbest is 4, want at most beam_size, 3"),
        ({"method": "joint", "beam_size": 3, "nbest": 4}, "nbest is 4, want at most beam_size, 3"),
        (
            {"method": "grammar", "grammar": GRAMMAR, "lm": object()},
            "a language model of words is given, but method 'grammar' has no use for it: want method 'b",
        ),
        ({"method": "joint", "lm": object(), "token_lm": object()}, "a language model of words and one of tokens are"),
        ({"method": "attention", "grammar": "x"}, "grammar is 'x', want a Grammar"),
        ({"method": "grammar"}, "the model has no grammar: want one with method 'grammar', or method 'beam'"),
        ({"method": "beam", "grammar": GRAMMAR, "beam_size": True}, "beam_size is True, .*; a grammar is given, but"),
        (
            {"method": "joint", "length_bonus": 1.0},
            "length_bonus is given, which an LSTM decoder's search does not use",
        ),
        ({"method": "joint", "exact": False}, "exact=False is given, which an LSTM decoder's search does not use"),
        ({"method": "attention", "ctc_weight": 0.5}, "ctc_weight is given, but method 'attention' has no use for"),
        ({"lm_weight": 0.5}, "lm_weight is given, but no language model"),
        ({"word_bonus": 0.5}, "word_bonus is given, but no language model of words"),
    ],
)
def test_contradictions_are_refused_all_at_once(fields, message):
    with pytest.raises(ConfigError, match=f"search options: .*{message}"):
        resolve(Capabilities(TOKENIZER, decoder=True), SearchOptions(**fields))


def test_a_grammar_is_compiled_once():
    grammar = Grammar(SLOTS)
    assert grammar.compile(TOKENIZER) is grammar.compile(TOKENIZER)
    assert grammar.scorer(TOKENIZER) is grammar.scorer(TOKENIZER) is not grammar.scorer(TOKENIZER, end=4)
    other = WordTokenizer(["set", "bin", "red", "blue"])
    assert grammar.compile(other) is not grammar.compile(TOKENIZER)


def test_search_needs_no_torch():
    code = "import sys, lipscribe.search; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
