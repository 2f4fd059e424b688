"""Beam search over what scorers say of the next token: an attention decoder's, CTC's, or their sum.

Watanabe, Hori, Kim, Hershey and Hayashi, "Hybrid CTC/attention architecture for end-to-end speech recognition", 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from lipscribe.search.align import align, word_span
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.hypothesis import Hypothesis, Span, silence
from lipscribe.tokenizer import BLANK, END, Tokenizer

HALF = 0.5  # of its greatest weight: as far as a token's attention is taken to show it


class Scorer(Protocol):
    """What tells of N sentences at once how each goes on. All of them are about one clip."""

    def start(self) -> Any:
        """The state of one empty sentence."""

    def step(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Hears the last token of each sentence, (N,) int64, the end where there is none yet.

        Returns:
            (N, V) float64 natural-log scores of what is next, one column being that the sentence is over; and the new
            state. Scores are at most 0, but for those of `Added`.
        """

    def select(self, state: Any, chosen: np.ndarray) -> Any:
        """The states of the sentences at the (M,) int64 places `chosen`."""


class TokenModel(Scorer, Protocol):
    """A language model of `vocab_size` tokens; it says of a text how it goes on, whatever the clip."""

    vocab_size: int


class AttentionScorer(Scorer, Protocol):
    """A scorer that knows where it looked.

    Attributes:
        end: The id that a sentence ends with: `END`, or a symbol of the vocabulary.
    """

    end: int

    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T): how much each of U tokens looks at each frame; a row sums to 1."""


class Added(NamedTuple):
    """A language model beside the picture: its weight, and the most that one of its scores may be."""

    scorer: Scorer
    weight: float = 1.0
    rise: float = 0.0


class Finished(NamedTuple):
    """A sentence that came to its end: its tokens, the score of each, and the score of it all, its end included."""

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    score: float


@dataclass
class _Beam:
    """N sentences that go on."""

    tokens: list[tuple[int, ...]]
    token_scores: list[tuple[float, ...]]
    scores: np.ndarray  # (N,)
    states: list[Any]  # of each scorer, before it hears the last token


def beam_search(
    weighted: Sequence[tuple[Scorer, float]],
    beam_size: int,
    max_tokens: int,
    end: int = END,
    allowed: Scorer | None = None,
    added: Sequence[Added] = (),
    length_bonus: float = 0.0,
) -> list[Finished]:
    """The best sentences found, at most `beam_size`, best first; none where the scorers allow none.

    Exact where `beam_size` is at least the number of different beginnings. Every sentence of the beam may end in every
    step, the best of those that go on stay in it. The search is over once none of these can enter the result: scores
    only fall, but for what is added.

    Args:
        weighted: Scorers, each with its weight; a sentence's score is the weighted sum of theirs.
        beam_size: Sentences kept in each step, at least 1.
        max_tokens: How long a sentence may be.
        end: The id that every sentence hears first and ends with. Where it is not the blank's, no sentence has blanks.
        allowed: A grammar, whose scores are added as they are. A token's own score is then its share of what is allowed
            in its place.
        added: Language models. A token's own score is without them.
        length_bonus: Added for each token, the end among them; in no token's own score.
    """
    # Nothing times "impossible" would be no number, so a scorer without weight is not asked.
    scorers, weights = map(list, zip(*((scorer, weight) for scorer, weight in weighted if weight), strict=True))
    if allowed is not None:
        scorers, weights = [*scorers, allowed], [*weights, 1.0]
    added = [one for one in added if one.weight]
    asked = [*scorers, *(one.scorer for one in added)]
    rise = max(length_bonus, 0.0) + sum(one.weight * one.rise for one in added)
    beam = _Beam([()], [()], np.zeros(1), [scorer.start() for scorer in asked])
    finished: list[Finished] = []
    for length in range(max_tokens + 1):
        heard = np.array([tokens[-1] if tokens else end for tokens in beam.tokens], dtype=np.int64)
        steps = [scorer.step(heard, state) for scorer, state in zip(asked, beam.states, strict=True)]
        scores, states = [scores for scores, _ in steps], [state for _, state in steps]
        said = sum(weight * one for weight, one in zip(weights, scores, strict=False))  # (N, V)
        others = sum(one.weight * more for one, more in zip(added, scores[len(scorers) :], strict=True))
        total = beam.scores[:, None] + said + others + length_bonus
        if allowed is not None:
            said = shares(said)
        ends = [Finished(*parts) for parts in zip(beam.tokens, beam.token_scores, total[:, end].tolist(), strict=True)]
        ends = [one for one in ends if one.score > -np.inf]
        finished = sorted([*finished, *ends], key=lambda one: -one.score)[:beam_size]
        if length == max_tokens:
            break
        total[:, [BLANK, end]] = -np.inf  # what is left goes on
        places, nexts = _best(total, beam_size)
        hope = total[places[0], nexts[0]] + rise * (max_tokens - length) if len(places) else -np.inf
        if not len(places) or (len(finished) == beam_size and hope <= finished[-1].score):
            break
        beam = _Beam(
            [(*beam.tokens[i], int(token)) for i, token in zip(places, nexts, strict=True)],
            [(*beam.token_scores[i], float(said[i, token])) for i, token in zip(places, nexts, strict=True)],
            total[places, nexts],
            [scorer.select(state, places) for scorer, state in zip(asked, states, strict=True)],
        )
    return finished


def _best(total: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the greatest scores above -inf, greatest first."""
    best = np.argsort(-total, axis=None, kind="stable")[:number]
    return np.divmod(best[total.ravel()[best] > -np.inf], total.shape[1])


def shares(scores: np.ndarray) -> np.ndarray:
    """(N, V) natural-log scores -> each one's share of its row, natural log; rows of -inf alone as they are."""
    sums = np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return scores - np.where(sums > -np.inf, sums, 0.0)


def attention_search(
    scorer: AttentionScorer,
    num_frames: int,
    tokenizer: Tokenizer,
    beam_size: int,
    nbest: int,
    log_probs: np.ndarray | None = None,
    ctc_weight: float = 0.0,
    allowed: Scorer | None = None,
    added: Sequence[Added] = (),
    length_bonus: float = 0.0,
) -> list[Hypothesis]:
    """The best readings of one clip by its decoder, or by decoder and CTC together.

    The probability of a token is what the search gives it after those before: the decoder's, or with CTC the weighted
    geometric mean of both, or with a grammar its share among what may follow; that of a word is the product over its
    tokens. The posterior of a sentence is its share of the sentences that were found. Words are where CTC's alignment
    has them, without CTC where the decoder looked.

    Args:
        scorer: Of the decoder; not asked where there are no frames.
        num_frames: T; no sentence has more tokens.
        tokenizer: Of V tokens.
        beam_size: Sentences kept in each step.
        nbest: How many readings at most.
        log_probs: (T, V) float64 of the CTC head, checked by `check_inputs`; None is the decoder alone.
        ctc_weight: Of CTC's prefix scores beside `log_probs`, above 0 to 1; the decoder's is the rest.
        allowed: A grammar (see `GrammarScorer`); None lets every token follow.
        added: Language models; like the bonus they are in no probability but that of the sentence.
        length_bonus: Added for each token, the end among them.

    Returns:
        At least one; where nothing is possible, silence scored -inf.
    """
    if num_frames == 0:
        return [silence(score=0.0, posterior=1.0)]
    weighted: list[tuple[Scorer, float]] = [(scorer, 1.0)]
    if log_probs is not None:
        weighted = [(scorer, 1 - ctc_weight), (CTCPrefixScorer(log_probs, scorer.end), ctc_weight)]
    found = beam_search(weighted, beam_size, num_frames, scorer.end, allowed, added, length_bonus)
    return readings(found, scorer, tokenizer, nbest, log_probs)


def readings(
    found: Sequence[Finished],
    scorer: AttentionScorer,
    tokenizer: Tokenizer,
    nbest: int,
    log_probs: np.ndarray | None,
) -> list[Hypothesis]:
    """The first of the sentences that a search found, best first, as hypotheses; see `attention_search`."""
    if not found:
        return [silence(score=-np.inf, posterior=0.0)]
    mass = np.logaddexp.reduce([one.score for one in found])
    hypotheses: dict[str, Hypothesis] = {}
    for one in found:
        text = tokenizer.decode(one.tokens)
        if text in hypotheses:  # spelt by other blanks or spaces
            continue
        spans = (
            align_attention(scorer.attention(one.tokens)) if log_probs is None else align(log_probs, one.tokens).spans
        )
        words = tuple(
            word_span(word, spans, min(float(np.exp(sum(one.token_scores[word.start : word.stop]))), 1.0))
            for word in tokenizer.split_words(one.tokens)
        )
        posterior = min(float(np.exp(one.score - mass)), 1.0)
        hypotheses[text] = Hypothesis(one.tokens, text, one.score, posterior, spans, words)
        if len(hypotheses) == nbest:
            break
    return list(hypotheses.values())


def align_attention(attention: np.ndarray) -> tuple[Span, ...]:
    """Frames of each token, in order and apart, from where the decoder looked when it said them.

    A token is placed on one frame, each later than that of the token before, so that the weights there are the greatest
    in all; it reaches as far around as the weights stay above half of that, and not beyond the middle between two.

    Args:
        attention: (U, T) weights, U at most T.
    """
    num_tokens, num_frames = attention.shape
    if num_tokens == 0:
        return ()
    best = np.full((num_tokens, num_frames), -np.inf)  # sum of the weights up to a token that is placed on a frame
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
