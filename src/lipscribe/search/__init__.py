"""Log-probabilities in, hypotheses out. Knows no model: only arrays and a tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.search.align import Alignment, align, aligned_hypothesis
from lipscribe.search.attention import Added, AttentionScorer, TokenModel, attention_search
from lipscribe.search.confidence import with_rivals
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.grammar import Grammar, grammar_search
from lipscribe.search.grammar_scorer import GrammarScorer
from lipscribe.search.greedy import greedy_search
from lipscribe.search.hypothesis import Candidate, Hypothesis, Span, WordSpan, between_sentences, silence
from lipscribe.search.inputs import check_inputs
from lipscribe.search.joint_beam import Weights, joint_search
from lipscribe.search.language_model import LanguageModel
from lipscribe.search.lm_beam import lm_beam_search
from lipscribe.search.shallow_fusion import Fusion, WordScorer
from lipscribe.tokenizer import END, Tokenizer

__all__ = [
    "BY_DECODER",
    "METHODS",
    "Alignment",
    "AttentionScorer",
    "Grammar",
    "Hypothesis",
    "SearchOptions",
    "Span",
    "TokenModel",
    "WordSpan",
    "align",
    "between_sentences",
    "check_tokens",
    "options_by_method",
    "own_search",
    "search",
]

METHODS = ("greedy", "beam", "grammar", "attention", "joint")
BY_DECODER = ("attention", "joint")
LIMIT = 10_000  # of weights and bonuses: more is an oversight, and would end in infinities
_BY_CTC = ", ".join(method for method in METHODS if method not in BY_DECODER)


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        method: "greedy" (the best path), "beam" (CTC prefix beam search), "grammar" (only the grammar's sentences),
            "attention" (a beam over what the decoder says) or "joint" (over what the decoder and CTC say together).
        beam_size: prefixes kept by the beams; the other methods need none.
        nbest: hypotheses wanted of each clip, at most.
        alternatives: rivals wanted of each word of the best hypothesis, at most; a grammar weighs all words that it
            allows in that place, the beams those that they kept.
        grammar: for method "grammar"; "attention" and "joint" may have one too, and say nothing else then.
        lm: a language model of words for methods "beam", "attention" and "joint"; a reading is ranked by the picture's
            log-probability, plus `lm_weight` times that of its words, plus `word_bonus` for each word (`fusion.py`).
        ctc_weight: of CTC in method "joint", above 0 to 1; the decoder's is the rest.
        token_lm: a language model of the model's own tokens, which a Transformer decoder's search asks in every step;
            what it says counts `lm_weight` times.
        length_bonus: added by a Transformer decoder's search for each token; a penalty below 0.

    Raises:
        ConfigError: the options contradict each other; all faults are listed.
    """

    method: str = "beam"
    beam_size: int = 16
    nbest: int = 1
    grammar: Grammar | None = None
    alternatives: int = 0
    lm: LanguageModel | None = None
    lm_weight: float = 0.5
    word_bonus: float = 0.0
    ctc_weight: float = 0.3
    token_lm: TokenModel | None = None
    length_bonus: float = 0.0

    def __post_init__(self) -> None:
        faults = []
        if self.method not in METHODS:
            faults.append(f"method is {self.method!r}, want one of {', '.join(METHODS)}")
        for name in ("beam_size", "nbest"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                faults.append(f"{name} is {value!r}, want a whole number of at least 1")
        if not isinstance(self.alternatives, int) or self.alternatives < 0:
            faults.append(f"alternatives is {self.alternatives!r}, want a whole number of at least 0")
        elif self.alternatives and self.method == "greedy":
            faults.append("alternatives are wanted, but method 'greedy' finds none: want method 'beam' or 'grammar'")
        if not isinstance(self.ctc_weight, int | float) or not 0 < self.ctc_weight <= 1:
            faults.append(f"ctc_weight is {self.ctc_weight!r}, want a number above 0 and up to 1")
        if not faults and self.method == "greedy" and self.nbest > 1:
            faults.append(f"nbest is {self.nbest}, but method 'greedy' finds 1: want method 'beam' or 'grammar'")
        if not faults and self.method in ("beam", *BY_DECODER) and self.nbest > self.beam_size:
            faults.append(f"nbest is {self.nbest}, want at most beam_size, {self.beam_size}")
        if self.method == "grammar" and not isinstance(self.grammar, Grammar):
            faults.append(f"grammar is {self.grammar!r}, but method 'grammar' wants a Grammar")
        if self.method in ("greedy", "beam") and self.grammar is not None:
            faults.append(f"a grammar is given, but method {self.method!r} reads none: want method 'grammar'")
        if self.method in BY_DECODER and not isinstance(self.grammar, Grammar | None):
            faults.append(f"grammar is {self.grammar!r}, want a Grammar")
        if self.method in ("greedy", "grammar") and self.lm is not None:
            wanted = "'beam', 'attention' or 'joint'"
            faults.append(f"a language model is given, but method {self.method!r} uses none: want method {wanted}")
        if self.lm is not None and self.token_lm is not None:
            faults.append("a language model of words and one of tokens are both given: want one of them")
        if not 0 <= self.lm_weight <= LIMIT:
            faults.append(f"lm_weight is {self.lm_weight!r}, want a number of at least 0 and at most {LIMIT}")
        bonuses = {"word_bonus": self.word_bonus, "length_bonus": self.length_bonus}
        faults += [
            f"{name} is {value!r}, want a number from -{LIMIT} to {LIMIT}"
            for name, value in bonuses.items()
            if not abs(value) <= LIMIT
        ]
        if self.method in METHODS and self.method not in BY_DECODER:
            of_tokens = {"a language model of tokens is": self.token_lm, "length_bonus is": self.length_bonus}
            wanted = " or ".join(repr(method) for method in reversed(BY_DECODER))
            faults += [
                f"{name} given, but method {self.method!r} uses none: want method {wanted}"
                for name, value in of_tokens.items()
                if value
            ]
        if faults:
            raise ConfigError(f"search options: {'; '.join(faults)}")


def own_search(ctc: bool, decoder: str | None, grammar: Sequence[Sequence[str]] | None) -> SearchOptions:
    """The search that goes with a model: by its decoder if it has one, jointly with CTC if it has both; else CTC's.

    Args:
        ctc: whether the model has a CTC head.
        decoder: the kind of its decoder, None where it has none. A Transformer is read with the weight that the
            Auto-AVSR models were published with, and a narrower beam: theirs, of 40, takes thrice as long.
            So is a language model of its tokens, if one is added.
        grammar: the slots of the model's sentences, where it knows one kind only.
    """
    closed = Grammar(grammar) if grammar else None
    if decoder == "transformer":
        method = "joint" if ctc else "attention"
        return SearchOptions(method, beam_size=10, ctc_weight=0.1, lm_weight=0.3, grammar=closed)
    if decoder:
        return SearchOptions("joint" if ctc else "attention", grammar=closed)
    return SearchOptions(method="grammar", grammar=closed) if closed else SearchOptions()


def options_by_method(method: str, own: SearchOptions) -> SearchOptions:
    """What a method is done with by a model whose own search is `own`: both of a decoder's have the same options.

    A grammar is not among them: called by its name, a method reads freely.
    """
    by_decoder = {method, own.method} <= set(BY_DECODER)
    return replace(own, method=method, grammar=None) if by_decoder else SearchOptions(method)


def check_tokens(options: SearchOptions, vocab_size: int, own_end: bool) -> None:
    """Raises a ConfigError where a model's decoder cannot do what is asked of its search.

    Args:
        vocab_size: of the model's tokenizer.
        own_end: whether its decoder ends sentences with a symbol of its own, as a Transformer does.
    """
    asked = options.token_lm is not None or options.length_bonus
    if asked and not own_end:
        what = "a language model of tokens" if options.token_lm is not None else "length_bonus"
        raise ConfigError(f"{what} is given, which an LSTM decoder's search does not use: want a Transformer's")
    if options.token_lm is not None and options.token_lm.vocab_size != vocab_size:
        raise ConfigError(
            f"the language model has {options.token_lm.vocab_size} tokens but the lip reader {vocab_size}: "
            "want one that was trained with the reader's own units"
        )


def search(
    log_probs: Any,
    lengths: Any,
    tokenizer: Tokenizer,
    options: SearchOptions | None = None,
    scorers: Sequence[AttentionScorer] | None = None,
) -> list[list[Hypothesis]]:
    """Read a batch of clips.

    Args:
        log_probs: (B, T, V) natural-log probabilities, numpy or torch, blank first; see `check_inputs`. None will do
            for method "attention", with `lengths`.
        lengths: (B,) valid frames of each clip; None means that all are valid.
        tokenizer: of V tokens.
        options: None for the default, a beam.
        scorers: a decoder's view of each clip, for methods "attention" and "joint".

    Returns:
        For each clip 1 to `nbest` hypotheses, best first.

    Raises:
        LipscribeError: the arrays are not what they should be, or the vocabulary is not the tokenizer's.
    """
    options = options or SearchOptions()
    if options.method in BY_DECODER and scorers is None:
        raise ConfigError(f"method {options.method!r} needs a decoder and none is given: want one of {_BY_CTC}")
    if options.method == "attention":
        lengths = [len(clip) for clip in log_probs] if lengths is None else lengths
        return [_by_decoder(one, int(length), tokenizer, options) for one, length in zip(scorers, lengths, strict=True)]
    if log_probs is None:
        raise ConfigError(f"method {options.method!r} reads log_probs and none are given: want method 'attention'")
    log_probs, lengths = check_inputs(log_probs, lengths)
    if log_probs.shape[2] != len(tokenizer.vocab):
        raise ConfigError(
            f"log_probs has {log_probs.shape[2]} tokens but the tokenizer {len(tokenizer.vocab)}: want the model's own"
        )
    clips = [log_probs[clip, :length] for clip, length in enumerate(lengths)]
    if options.method == "joint":
        return [_by_decoder(one, len(clip), tokenizer, options, clip) for one, clip in zip(scorers, clips, strict=True)]
    if options.method == "grammar":
        lattice = options.grammar.compile(tokenizer)
        arcs, number = options.grammar.graph.arcs, options.alternatives
        return [grammar_search(clip, lattice, tokenizer, options.nbest, arcs, number) for clip in clips]
    if options.method == "greedy":
        best = greedy_search(log_probs, lengths)
        return [
            [aligned_hypothesis(clip, found.tokens, tokenizer, found.score)]
            for clip, found in zip(clips, best, strict=True)
        ]
    if options.lm is not None:
        fusion = Fusion(options.lm, options.lm_weight, options.word_bonus, tokenizer)
        beams = [lm_beam_search(clip, options.beam_size, fusion) for clip in clips]
    else:
        beams = ctc_beam_search(log_probs, lengths, options.beam_size)
    return [_from_beam(clip, beam, tokenizer, options) for clip, beam in zip(clips, beams, strict=True)]


def _from_beam(
    log_probs: np.ndarray, beam: list[Candidate], tokenizer: Tokenizer, options: SearchOptions
) -> list[Hypothesis]:
    """The best of the beam, each with its share of the whole beam's mass."""
    if not beam:
        return [silence(score=-np.inf, posterior=0.0)]
    mass = np.logaddexp.reduce([found.score for found in beam])
    wanted = beam if options.alternatives else beam[: options.nbest]
    hypotheses = [
        aligned_hypothesis(log_probs, found.tokens, tokenizer, found.score, float(np.exp(found.score - mass)))
        for found in wanted
    ]
    return _ranked(hypotheses, options)


def _by_decoder(
    scorer: AttentionScorer,
    num_frames: int,
    tokenizer: Tokenizer,
    options: SearchOptions,
    log_probs: np.ndarray | None = None,
) -> list[Hypothesis]:
    """The best of a decoder's beam, or with `log_probs` of its and CTC's."""
    wanted = options.beam_size if options.alternatives else options.nbest
    own_end = scorer.end != END  # a symbol of its vocabulary, as Auto-AVSR's
    check_tokens(options, len(tokenizer.vocab), own_end)
    allowed, added = None, []
    if options.grammar is not None:
        allowed = GrammarScorer(options.grammar.compile(tokenizer), len(tokenizer.vocab), scorer.end)
    if options.lm is not None:
        words = WordScorer(Fusion(options.lm, options.lm_weight, options.word_bonus, tokenizer), scorer.end)
        added = [Added(words, rise=max(options.word_bonus, 0.0))]
    about = (scorer, num_frames, tokenizer, options.beam_size, wanted, log_probs)
    if own_end and not added and allowed is None:  # as such models were published
        lm = options.token_lm
        weights = Weights(options.ctc_weight, options.lm_weight if lm is not None else 0.0, options.length_bonus)
        return _ranked(joint_search(*about, weights, lm), options)
    if options.token_lm is not None:
        added = [Added(options.token_lm, options.lm_weight)]
    found = attention_search(*about, options.ctc_weight, allowed, added, options.length_bonus)
    return _ranked(found, options)


def _ranked(hypotheses: list[Hypothesis], options: SearchOptions) -> list[Hypothesis]:
    """As many of a beam as are wanted; the others tell what the words of the best might have been."""
    if options.alternatives:
        hypotheses[0] = with_rivals(hypotheses[0], hypotheses[1:], options.alternatives)
    return hypotheses[: options.nbest]
