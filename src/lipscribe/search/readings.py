"""The sentences of a label-synchronous beam as hypotheses: text, words, frames, probabilities."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lipscribe.search.align import token_spans, word_span
from lipscribe.search.beam import Finished
from lipscribe.search.hypothesis import Hypothesis, Span, silence
from lipscribe.search.scorers import DecoderView
from lipscribe.tokenizer import BLANK, Tokenizer

HALF = 0.5  # a token extends as far as its attention is above this share of its maximum


def readings(
    found: Sequence[Finished],
    scorer: DecoderView,
    tokenizer: Tokenizer,
    nbest: int,
    log_probs: np.ndarray | None,
    more: int = 0,
) -> list[Hypothesis]:
    """Convert the best sentences of a beam search to hypotheses; see `Hypothesis`.

    The probability of a token is conditional on the previous ones: the decoder's, or with CTC the weighted geometric
    mean of both, normalised over the allowed tokens with a grammar; that of a word is the product over its tokens. The
    posterior of a sentence is its share among the sentences found. Word times come from the CTC alignment, without CTC
    from the decoder's attention.

    Args:
        found: Best first.
        scorer: The decoder's scorer for the clip.
        tokenizer: Of V tokens.
        nbest: Maximum number of hypotheses.
        log_probs: (T, V) float64 of the CTC head; None for the decoder alone.
        more: Maximum number of further hypotheses, without the frames of tokens and words.

    Returns:
        At least one; if nothing was found, silence scored -inf.
    """
    if not found:
        return [silence(score=-np.inf, posterior=0.0)]
    mass = np.logaddexp.reduce([one.score for one in found])
    hypotheses: dict[str, Hypothesis] = {}
    for one in map(_without_blanks, found):
        text = tokenizer.decode(one.tokens)
        if text in hypotheses:  # spelt by other blanks or spaces
            continue
        if len(hypotheses) >= nbest:
            spans = (Span(0, 0),) * len(one.tokens)
        elif log_probs is None:
            spans = align_attention(scorer.attention(one.tokens))
        else:
            spans = token_spans(log_probs, one.tokens)
        words = tuple(
            word_span(word, spans, min(float(np.exp(sum(one.token_scores[word.start : word.stop]))), 1.0))
            for word in tokenizer.split_words(one.tokens)
        )
        posterior = min(float(np.exp(one.score - mass)), 1.0)
        hypotheses[text] = Hypothesis(one.tokens, text, one.score, posterior, spans, words)
        if len(hypotheses) == nbest + more:
            break
    return list(hypotheses.values())


def _without_blanks(found: Finished) -> Finished:
    """Remove blanks, which a decoder without CTC may emit."""
    if BLANK not in found.tokens:
        return found
    kept = [(token, score) for token, score in zip(found.tokens, found.token_scores, strict=True) if token != BLANK]
    return found._replace(tokens=tuple(token for token, _ in kept), token_scores=tuple(score for _, score in kept))


def align_attention(attention: np.ndarray) -> tuple[Span, ...]:
    """Frames of each token, in order and without overlap, from the decoder's attention.

    The centre frames of the tokens rise and have the greatest sum of weights. A token extends around its centre as far
    as its weights are above half of that maximum, at most to the middle between two centres.

    Args:
        attention: (U, T) weights, U at most T.
    """
    num_tokens, num_frames = attention.shape
    if num_tokens == 0:
        return ()
    best = np.full((num_tokens, num_frames), -np.inf)  # sum of the weights up to a token centred on a frame
    for u in range(num_tokens):
        before = np.maximum.accumulate(best[u - 1])[u - 1 : num_frames - 1] if u else 0.0
        best[u, u:] = attention[u, u:] + before
    peaks = [num_frames]
    for u in range(num_tokens - 1, -1, -1):
        peaks.insert(0, int(np.argmax(best[u, : peaks[0]])))
    peaks.pop()
    bounds = [0, *((left + right + 1) // 2 for left, right in pairwise(peaks)), num_frames]
    spans = []
    for u, peak in enumerate(peaks):
        dark = np.flatnonzero(attention[u] < HALF * attention[u, peak])
        start = max(bounds[u], int(dark[dark < peak].max(initial=-1)) + 1)
        spans.append(Span(start, min(bounds[u + 1], int(dark[dark > peak].min(initial=num_frames)))))
    return tuple(spans)
