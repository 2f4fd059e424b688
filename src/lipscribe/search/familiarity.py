"""Out-of-domain detection: whether the input resembles what the model was trained on.

A closed-vocabulary model outputs its words for any input. Its distributions reveal such guesses: in domain nearly every
frame has low entropy; elsewhere several tokens are likely, and a grammar forces tokens that the network rates low. Both
are measured in nats a frame, as surprise: the entropy of the frame's distribution (Hendrycks and Gimpel, ICLR 2017, use
the largest probability), and how much less likely the hypothesis' token is than the frame's best. Each model has its
own limit, fitted on clips that it was not trained on.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from lipscribe.search.hypothesis import Hypothesis, WordSpan
from lipscribe.tokenizer import BLANK
from lipscribe.units import Seconds

FAMILIAR = 0.5  # at or above: in domain
QUANTILE = 0.98  # share of the fitted clips below the limit, before the slack
SLACK = 1.3  # those clips are few and alike; strangers begin at 1.9 times the quantile (docs/results.md)
STEEPNESS = 4.0  # of the familiarity over the logarithm of the surprise: half the limit is 0.94, twice is 0.06
MIN_CLIPS = 10  # with fewer, chance decides
MOST = 20.0  # nats, upper bound per frame: a token of probability 0 would outweigh all others


def frame_surprise(log_probs: np.ndarray, hypothesis: Hypothesis) -> np.ndarray:
    """The surprise of each frame: its entropy plus the log-probability gap between the best token and the hypothesis.

    Args:
        log_probs: (T, V) float, log-softmaxed, blank = 0.
        hypothesis: Blank is assumed outside the frames of its tokens.

    Returns:
        (T,) float32, at least 0.
    """
    log_probs = np.asarray(log_probs, np.float64)
    entropy = -(np.exp(log_probs) * np.maximum(log_probs, -1e4)).sum(-1)  # 0 * log 0 is 0
    path = np.full(len(log_probs), BLANK)
    for token, span in zip(hypothesis.tokens, hypothesis.spans, strict=True):
        path[span.start : span.end] = token
    missed = log_probs.max(-1, initial=-np.inf) - log_probs[np.arange(len(path)), path]
    return (entropy + np.minimum(missed, MOST)).astype(np.float32)


def spoken_surprise(surprise: np.ndarray, words: Sequence[WordSpan]) -> float | None:
    """The mean of (T,) `frame_surprise` from the first word to the last; None without words."""
    if not words:
        return None
    return float(surprise[words[0].start : max(words[-1].end, words[0].start + 1)].mean())


def familiarity(surprise: float, limit: float) -> float:
    """0 (out of domain) to 1 (in domain); `FAMILIAR` at the limit.

    Args:
        surprise: See `spoken_surprise`.
        limit: The model's own (see `fit_limit`), above 0.
    """
    return float(1 / (1 + (max(surprise, 0.0) / limit) ** STEEPNESS))


def fit_limit(surprises: Sequence[float]) -> float | None:
    """Fit the surprise above which a clip is out of domain.

    Args:
        surprises: The `spoken_surprise` of held-out in-domain clips.

    Returns:
        None for fewer than `MIN_CLIPS`.
    """
    if len(surprises) < MIN_CLIPS:
        return None
    return round(max(float(np.quantile(surprises, QUANTILE)) * SLACK, 1e-3), 4)


def unfamiliar_warnings(segments: Iterable[tuple[Seconds, float | None]]) -> list[str]:
    """One warning line about segments of low familiarity, or none.

    Args:
        segments: Start and familiarity of each segment; None where the model has no limit.
    """
    known = [(start, value) for start, value in segments if value is not None]
    odd = [(start, value) for start, value in known if value < FAMILIAR]
    if not odd:
        return []
    all_of_it = len(odd) == len(known)
    which = "this does" if all_of_it else f"{len(odd)} of {len(known)} segments do"
    first = "" if all_of_it else f", the first at {min(odd)[0]:.1f} s"
    least = min(value for _, value in odd)
    return [
        f"{which} not look like what the model knows (familiarity {least:.2f}, wanted {FAMILIAR:g}{first}): "
        "a stranger, other sentences, or nobody speaking; do not trust the words"
    ]
