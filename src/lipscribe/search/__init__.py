"""Log-probabilities in, hypotheses out. Knows no model: only arrays and a tokenizer."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.search.align import Alignment, align, aligned_hypothesis
from lipscribe.search.confidence import with_rivals
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.grammar import Grammar, grammar_search
from lipscribe.search.greedy import greedy_search
from lipscribe.search.hypothesis import Candidate, Hypothesis, Span, WordSpan
from lipscribe.search.inputs import check_inputs
from lipscribe.search.language_model import LanguageModel
from lipscribe.search.lm_beam import Fusion, lm_beam_search
from lipscribe.tokenizer import Tokenizer

__all__ = ["METHODS", "Alignment", "Grammar", "Hypothesis", "SearchOptions", "Span", "WordSpan", "align", "search"]

METHODS = ("greedy", "beam", "grammar")


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        method: "greedy" (the best path), "beam" (CTC prefix beam search) or "grammar" (only the grammar's sentences).
        beam_size: prefixes kept by the beam; the other methods need none.
        nbest: hypotheses wanted of each clip, at most.
        alternatives: rivals wanted of each word of the best hypothesis, at most; a grammar weighs all words that it
            allows in that place, a beam those that it kept.
        grammar: for method "grammar".
        lm: a language model of words for method "beam"; a reading is ranked by the picture's log-probability, plus
            `lm_weight` times that of its words, plus `word_bonus` for each word (see `lm_beam.py`).

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
        if not faults and self.method == "greedy" and self.nbest > 1:
            faults.append(f"nbest is {self.nbest}, but method 'greedy' finds 1: want method 'beam' or 'grammar'")
        if not faults and self.method == "beam" and self.nbest > self.beam_size:
            faults.append(f"nbest is {self.nbest}, want at most beam_size, {self.beam_size}")
        if self.method == "grammar" and not isinstance(self.grammar, Grammar):
            faults.append(f"grammar is {self.grammar!r}, but method 'grammar' wants a Grammar")
        if self.method in ("greedy", "beam") and self.grammar is not None:
            faults.append(f"a grammar is given, but method {self.method!r} reads none: want method 'grammar'")
        if self.method in ("greedy", "grammar") and self.lm is not None:
            faults.append(f"a language model is given, but method {self.method!r} uses none: want method 'beam'")
        if not 0 <= self.lm_weight < math.inf:
            faults.append(f"lm_weight is {self.lm_weight!r}, want a number of at least 0")
        if not math.isfinite(self.word_bonus):
            faults.append(f"word_bonus is {self.word_bonus!r}, want a number")
        if faults:
            raise ConfigError(f"search options: {'; '.join(faults)}")


def search(
    log_probs: Any, lengths: Any, tokenizer: Tokenizer, options: SearchOptions | None = None
) -> list[list[Hypothesis]]:
    """Read a batch of clips.

    Args:
        log_probs: (B, T, V) natural-log probabilities, numpy or torch, blank first; see `check_inputs`.
        lengths: (B,) valid frames of each clip; None means that all are valid.
        tokenizer: of V tokens.
        options: None for the default, a beam.

    Returns:
        For each clip 1 to `nbest` hypotheses, best first.

    Raises:
        LipscribeError: the arrays are not what they should be, or the vocabulary is not the tokenizer's.
    """
    options = options or SearchOptions()
    log_probs, lengths = check_inputs(log_probs, lengths)
    if log_probs.shape[2] != len(tokenizer.vocab):
        raise ConfigError(
            f"log_probs has {log_probs.shape[2]} tokens but the tokenizer {len(tokenizer.vocab)}: want the model's own"
        )
    clips = [log_probs[clip, :length] for clip, length in enumerate(lengths)]
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
    mass = np.logaddexp.reduce([found.score for found in beam])
    wanted = beam if options.alternatives else beam[: options.nbest]
    hypotheses = [
        aligned_hypothesis(log_probs, found.tokens, tokenizer, found.score, float(np.exp(found.score - mass)))
        for found in wanted
    ]
    if options.alternatives:
        hypotheses[0] = with_rivals(hypotheses[0], hypotheses[1:], options.alternatives)
    return hypotheses[: options.nbest]
