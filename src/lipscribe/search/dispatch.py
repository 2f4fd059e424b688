"""Network outputs -> hypotheses. Independent of models: takes arrays, scorers and a tokenizer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.search.align import aligned_hypothesis, with_extents
from lipscribe.search.beam import beam_search
from lipscribe.search.completion import CompletionBound
from lipscribe.search.confidence import with_alternatives
from lipscribe.search.ctc_beam import ctc_beam_search
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.grammar import best_reading, grammar_search
from lipscribe.search.grammar_scorer import GrammarScorer
from lipscribe.search.greedy import greedy_search
from lipscribe.search.hypothesis import Candidate, Hypothesis, silence
from lipscribe.search.initials_scorer import InitialsScorer
from lipscribe.search.inputs import check_inputs
from lipscribe.search.options import Capabilities, ResolvedSearch, SearchOptions, resolve
from lipscribe.search.readings import readings
from lipscribe.search.scorers import DecoderView, Scorer, Weighted
from lipscribe.search.shallow_fusion import ShallowFusion, WordScorer
from lipscribe.tokenizer import END, Tokenizer


def search(
    log_probs: Any,
    lengths: Any,
    tokenizer: Tokenizer,
    options: SearchOptions | ResolvedSearch | None = None,
    scorers: Sequence[DecoderView] | None = None,
) -> list[list[Hypothesis]]:
    """Search a batch of clips.

    Args:
        log_probs: (B, T, V) natural-log probabilities, numpy or torch, blank first; see `check_inputs`. None is
            enough for method "attention", with `lengths`.
        lengths: (B,) valid frames of each clip; None means that all are valid.
        tokenizer: of V tokens.
        options: None is "auto". A `ResolvedSearch` is used unchanged.
        scorers: the decoder's scorer for each clip, for methods "attention" and "joint".

    Returns:
        For each clip 1 to `nbest` hypotheses, best first.

    Raises:
        LipscribeError: the arrays are invalid, or their vocabulary is not the tokenizer's.
        ConfigError: the options contradict each other, or need inputs that are missing.
    """
    if not isinstance(options, ResolvedSearch):
        own_end = scorers is not None and len(scorers) > 0 and scorers[0].end != END
        given = Capabilities(tokenizer, log_probs is not None, scorers is not None, own_end, name="what is given")
        options = resolve(given, options)
    if options.method == "attention":
        lengths = [len(clip) for clip in log_probs] if lengths is None else lengths
        return [_by_decoder(one, int(length), options) for one, length in zip(scorers or (), lengths, strict=True)]
    log_probs, lengths = check_inputs(log_probs, lengths)
    if log_probs.shape[2] != len(tokenizer.vocab):
        raise ConfigError(
            f"log_probs has {log_probs.shape[2]} tokens but the tokenizer {len(tokenizer.vocab)}: want the model's own"
        )
    clips = [log_probs[clip, :length] for clip, length in enumerate(lengths)]
    found = _by_ctc(log_probs, lengths, clips, tokenizer, options, scorers)
    return [
        [with_extents(hypothesis, clip, tokenizer) if hypothesis.words else hypothesis for hypothesis in hypotheses]
        for clip, hypotheses in zip(clips, found, strict=True)
    ]


def _by_ctc(
    log_probs: np.ndarray,
    lengths: np.ndarray,
    clips: list[np.ndarray],
    tokenizer: Tokenizer,
    options: ResolvedSearch,
    scorers: Sequence[DecoderView] | None,
) -> list[list[Hypothesis]]:
    """Search with CTC alone, or jointly with a decoder."""
    if options.method == "joint":
        return [_by_decoder(one, len(clip), options, clip) for one, clip in zip(scorers or (), clips, strict=True)]
    if options.method == "grammar" and (language := options.language) is not None:
        lattice = language.compile(options.tokenizer)
        if not options.words:
            return [[best_reading(clip, lattice, tokenizer)] for clip in clips]
        arcs, number = language.graph.arcs, options.alternatives
        return [grammar_search(clip, lattice, tokenizer, options.nbest, arcs, number) for clip in clips]
    if options.method == "greedy":
        best = greedy_search(log_probs, lengths)
        return [
            [aligned_hypothesis(clip, found.tokens, tokenizer, found.score)]
            for clip, found in zip(clips, best, strict=True)
        ]
    beams = ctc_beam_search(log_probs, lengths, options.beam_size, _fusion(options), options.spelling)
    return [_from_beam(clip, beam, options) for clip, beam in zip(clips, beams, strict=True)]


def _fusion(options: ResolvedSearch) -> ShallowFusion | None:
    if options.lm is None:
        return None
    return ShallowFusion(options.lm, options.lm_weight, options.word_bonus, options.tokenizer)


def _from_beam(log_probs: np.ndarray, beam: list[Candidate], options: ResolvedSearch) -> list[Hypothesis]:
    """The best of the beam, each with its share of the whole beam's mass."""
    if not beam:
        return [silence(score=-np.inf, posterior=0.0)]
    mass = np.logaddexp.reduce([found.score for found in beam])
    wanted = beam if options.alternatives else beam[: options.nbest]
    hypotheses = [
        aligned_hypothesis(log_probs, found.tokens, options.tokenizer, found.score, float(np.exp(found.score - mass)))
        for found in wanted
    ]
    return _ranked(hypotheses, options)


def _by_decoder(
    scorer: DecoderView, num_frames: int, options: ResolvedSearch, log_probs: np.ndarray | None = None
) -> list[Hypothesis]:
    """Search with the decoder alone, or with `log_probs` jointly with CTC."""
    if num_frames == 0:
        return [silence(score=0.0, posterior=1.0)]
    ctc_weight = 0.0 if log_probs is None else options.ctc_weight
    scorers = [Weighted(scorer, 1 - ctc_weight)]
    if (fusion := _fusion(options)) is not None:
        highest = max(options.word_bonus, 0.0)
        scorers.append(Weighted(WordScorer(fusion, scorer.end), in_probability=False, highest=highest))
    if options.token_lm is not None:
        scorers.append(Weighted(options.token_lm, options.lm_weight, in_probability=False))
    ctc = None if log_probs is None else CTCPrefixScorer(log_probs, scorer.end)
    grammar = None
    if options.language is not None:
        grammar = options.language.scorer(options.tokenizer, scorer.end)
    elif options.spelling is not None:
        grammar = InitialsScorer(options.spelling, scorer.end)
    found = beam_search(
        scorers,
        options.beam_size,
        num_frames,
        scorer.end,
        options.rules,
        ctc=ctc,
        ctc_weight=ctc_weight,
        grammar=grammar,
        length_bonus=options.length_bonus,
        best_only=options.nbest == 1 and not options.alternatives,
        bound=_bound(ctc, grammar, ctc_weight),
    )
    if options.initials is not None:  # a sentence that was cut off lacks words
        found = [one for one in found if one.complete]
    more = options.beam_size - options.nbest if options.alternatives else 0
    return _ranked(readings(found, scorer, options.tokenizer, options.nbest, log_probs, more), options)


def _bound(ctc: CTCPrefixScorer | None, grammar: Scorer | None, ctc_weight: float) -> CompletionBound | None:
    if ctc is None or not isinstance(grammar, GrammarScorer):
        return None
    bound = CompletionBound(ctc, grammar, ctc_weight)
    return bound if bound.affordable else None


def _ranked(hypotheses: list[Hypothesis], options: ResolvedSearch) -> list[Hypothesis]:
    """The `nbest` first of a beam; the others give alternatives for the words of the best."""
    if options.alternatives:
        hypotheses[0] = with_alternatives(hypotheses[0], hypotheses[1:], options.alternatives)
    return hypotheses[: options.nbest]
