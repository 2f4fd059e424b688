"""Forced alignment: the times of the tokens of a known sentence, and a confidence for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

import numpy as np

from lipscribe.errors import LipscribeError
from lipscribe.search.hypothesis import Hypothesis, Span, WordSpan
from lipscribe.search.lattice import Lattice, linear_lattice
from lipscribe.tokenizer import BLANK, Tokenizer, TokenWord

PRIOR_FRAMES = 75  # 3 s: a shorter window is mostly the word itself, a longer one makes rare words reach into silence
LEAST_PRIOR = 1e-300  # lower bound of a prior, for tokens that the clip hardly has


@dataclass(frozen=True)
class Alignment:
    """The alignment of a token sequence with the frames of a clip.

    Attributes:
        spans: frames of each token on the best path.
        probabilities: of each token, 0 to 1: see `align`.
        score: natural log of the best path's probability.
        log_total: natural log of the sequence's probability, summed over its alignments: minus the CTC loss.
        seen: (T, U) float64, the network's probability of each token in each frame, times the share of the alignments
            that show the token there.
    """

    spans: tuple[Span, ...]
    probabilities: tuple[float, ...]
    score: float
    log_total: float
    seen: np.ndarray = field(repr=False, compare=False)


def align(log_probs: np.ndarray, tokens: Sequence[int]) -> Alignment:
    """Align tokens with the frames of one clip (Viterbi), and weigh each token by forward-backward.

    The probability of a token is the network's own probability of it, averaged over the token's frames; a frame counts
    by its share of the alignments that show the token there:

        sum_t occupancy[t, u] * exp(log_probs[t, tokens[u]]) / sum_t occupancy[t, u]

    It lies between 0 and 1, is 1 only where the network is certain, and is 0.4 where the network gives the token 0.4 in
    every frame, whether the token lasts one frame or ten. (The sum over the paths of the
    whole sentence is no measure: it shrinks by a factor in each uncertain frame, so long words would always be
        unlikely.)

    Args:
        log_probs: (T, V) natural-log probabilities, blank first.
        tokens: ids without blanks.

    Raises:
        LipscribeError: an id is outside 1 to V - 1, the clip is too short for the tokens, or rules one of them out.
    """
    _check_fit(log_probs, tokens)
    if len(log_probs) == 0:
        return Alignment((), (), 0.0, 0.0, np.zeros((0, len(tokens))))
    lattice = linear_lattice(tokens)
    emissions = lattice.emissions(np.asarray(log_probs, dtype=np.float64))
    spans, score = _best_spans(lattice, emissions)
    alpha, beta = lattice.forward(emissions), lattice.backward(emissions)
    log_total = float(np.logaddexp.reduce(alpha[-1] + lattice.ends))
    spoken = lattice.tokens != BLANK
    occupancy = np.exp(alpha + beta - log_total)[:, spoken]  # (T, U)
    seen = occupancy * np.exp(emissions[:, spoken])
    probabilities = np.clip(seen.sum(axis=0) / occupancy.sum(axis=0), 0.0, 1.0)
    return Alignment(spans, tuple(probabilities.tolist()), score, log_total, seen)


def token_spans(log_probs: np.ndarray, tokens: Sequence[int]) -> tuple[Span, ...]:
    """The frames of each token on the best path: the `spans` of `align` alone, in a third of the time.

    Raises:
        LipscribeError: see `align`.
    """
    _check_fit(log_probs, tokens)
    if len(log_probs) == 0:
        return ()
    lattice = linear_lattice(tokens)
    return _best_spans(lattice, lattice.emissions(np.asarray(log_probs, dtype=np.float64)))[0]


def _check_fit(log_probs: np.ndarray, tokens: Sequence[int]) -> None:
    num_frames, vocab_size = log_probs.shape
    bad = [token for token in tokens if not BLANK < token < vocab_size]
    if bad:
        raise LipscribeError(f"tokens {bad[:5]} cannot be aligned: want ids from 1 to {vocab_size - 1}")
    needed = len(tokens) + sum(left == right for left, right in pairwise(tokens))
    if num_frames < needed:
        raise LipscribeError(
            f"{len(tokens)} tokens do not fit into {num_frames} frames: want at least {needed}, a frame for each token "
            "and one between equal tokens"
        )


def _best_spans(lattice: Lattice, emissions: np.ndarray) -> tuple[tuple[Span, ...], float]:
    """The spans of the tokens on the best path through (T, S) emissions, T at least 1, and its score."""
    path, score = lattice.best_path(emissions)
    if score == -np.inf:
        raise LipscribeError("log_probs rules out every alignment of the tokens (-inf): want another token sequence")
    return tuple(span for _, span in lattice.runs(path)), score


def aligned_hypothesis(
    log_probs: np.ndarray, tokens: tuple[int, ...], tokenizer: Tokenizer, score: float, posterior: float | None = None
) -> Hypothesis:
    """A hypothesis with its words' frames and probabilities, from the alignment of its tokens.

    The probability of a word is the product of those of its tokens.

    Args:
        log_probs: (T, V) of the one clip.
        tokens: ids without blanks, for which the clip has a path.
        tokenizer: splits them into words.
        score: that of the search.
        posterior: of the sentence; None computes its probability among all token sequences.
    """
    alignment = align(log_probs, tokens)
    words = tuple(
        word_span(word, alignment.spans, _together(word, alignment.probabilities))
        for word in tokenizer.split_words(tokens)
    )
    posterior = min(float(np.exp(alignment.log_total)), 1.0) if posterior is None else posterior
    return Hypothesis(tokens, tokenizer.decode(tokens), score, posterior, alignment.spans, words)


def extents(log_probs: np.ndarray, tokens: Sequence[int], spans: Sequence[Span] | None = None) -> tuple[Span, ...]:
    """The start and end of each token of a known sentence, rather than the frames in which CTC emits it.

    CTC may emit a token in a single frame and blanks in the rest of its duration. So each probability is divided by a
    prior before the best path is found, here its mean over the 3 s around it, as hybrid acoustic models do (Bourlard
    and Morgan, 1994) and Huang et al. do for alignment (Less peaky and more accurate CTC forced alignment by label
    priors, 2024): a frame belongs to a token where the token is likelier than elsewhere, though blank may be likelier
    still.

    Args:
        log_probs: (T, V) natural-log probabilities, blank first.
        tokens: ids without blanks that `align` accepts.
        spans: frames of each token on the best path, if they are known.

    Returns:
        The frames of each token, in order and without overlap.
    """
    if not tokens:
        return ()
    lattice = linear_lattice(tokens)
    emissions = lattice.emissions(np.asarray(log_probs, dtype=np.float64))  # (T, S)
    if spans is None:
        path, _ = lattice.best_path(emissions)
    else:
        path = np.repeat(np.arange(len(lattice.tokens)), np.diff([0, *chain.from_iterable(spans), len(log_probs)]))
    path, _ = lattice.best_path(emissions - _log_priors(lattice, emissions, path))
    return tuple(span for _, span in lattice.runs(path))


def _log_priors(lattice: Lattice, emissions: np.ndarray, path: np.ndarray) -> np.ndarray:
    """(S,): the log of the mean probability of each state's token, in the frames around its states on a path."""
    num_frames, num_states = emissions.shape
    states = np.arange(num_states)
    # State indices rise along a sentence; a skipped state is placed where the next one begins.
    firsts, stops = (np.searchsorted(path, states, side=side) for side in ("left", "right"))
    begin = np.clip((firsts + stops - PRIOR_FRAMES) // 2, 0, max(0, num_frames - PRIOR_FRAMES))
    end = np.minimum(begin + PRIOR_FRAMES, num_frames)
    sums = np.concatenate([np.zeros((1, num_states)), np.cumsum(np.exp(emissions), axis=0)])  # (T + 1, S)
    means = (sums[end, states] - sums[begin, states]) / (end - begin)
    # One prior per token: if blank had another in each state, the path would choose among blanks by it.
    by_token = np.bincount(lattice.tokens, means) / np.maximum(np.bincount(lattice.tokens), 1)
    return np.log(np.maximum(by_token[lattice.tokens], LEAST_PRIOR))


def with_extents(hypothesis: Hypothesis, log_probs: np.ndarray, tokenizer: Tokenizer) -> Hypothesis:
    """The hypothesis with the start and end of each word from `extents`, otherwise unchanged.

    Args:
        log_probs: (T, V) CTC log-probabilities of the clip.
    """
    spans = extents(log_probs, hypothesis.tokens, hypothesis.spans)
    parts = tokenizer.split_words(hypothesis.tokens)
    words = tuple(
        replace(word, start=spans[part.start].start, end=spans[part.stop - 1].end)
        for word, part in zip(hypothesis.words, parts, strict=True)
    )
    return replace(hypothesis, words=words)


def align_text(log_probs: np.ndarray, text: str, tokenizer: Tokenizer) -> tuple[WordSpan, ...]:
    """The frames and probability of each word of a known text (forced alignment).

    Args:
        log_probs: (T, V) natural-log probabilities of one clip, blank first.
        text: as in a manifest; its words are returned as spelt there.

    Raises:
        LipscribeError: the text is not in the tokenizer's vocabulary or does not fit into the clip (see `align`), or
            the tokenizer splits it into other words.
    """
    tokens, words = tuple(tokenizer.encode(text)), text.split()
    cut = tokenizer.split_words(tokens)
    if len(cut) != len(words):
        raise LipscribeError(f"{text!r} has {len(words)} words, but {len(cut)} for the model's tokenizer: want as many")
    probabilities, spans = align(log_probs, tokens).probabilities, extents(log_probs, tokens)
    return tuple(
        word_span(part._replace(text=word), spans, _together(part, probabilities))
        for part, word in zip(cut, words, strict=True)
    )


def _together(word: TokenWord, probabilities: Sequence[float]) -> float:
    return float(np.prod(probabilities[word.start : word.stop]))


def word_span(word: TokenWord, spans: Sequence[Span], probability: float) -> WordSpan:
    """A word from the first frame of its first token to the last frame of its last."""
    return WordSpan(word.text, spans[word.start].start, spans[word.stop - 1].end, probability)
