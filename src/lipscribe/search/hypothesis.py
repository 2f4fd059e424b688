"""Results of a search. Frames are rows of `log_probs`; the transcript converts them to seconds."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lipscribe.tokenizer import Tokenizer
from lipscribe.transcript import Alternative


class Candidate(NamedTuple):
    """A token sequence and its natural-log score, before it is aligned."""

    tokens: tuple[int, ...]
    score: float


class Span(NamedTuple):
    """The frames `start` to `end - 1`."""

    start: int
    end: int


@dataclass(frozen=True)
class WordSpan:
    """A word, the frames `start` to `end - 1` that show it, its probability, 0 to 1, and alternatives, best first."""

    text: str
    start: int
    end: int
    probability: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Hypothesis:
    """One reading of a clip.

    Attributes:
        tokens: ids, no blanks.
        text: the decoded tokens.
        score: the search's natural-log score: of the best path (greedy, grammar) or of all paths (beam), with the
            language model's score if there is one. -inf if no text of the grammar is possible.
        posterior: probability of the whole sentence, 0 to 1: among all token sequences (greedy), the final beam (beam)
            or all that the grammar allows (grammar).
        spans: frames of each token on its best path.
        words: the words in order, with their frames and probabilities.
        surprise: (T,) float32 nats of each frame (see `familiarity.py`), if the search used CTC.
    """

    tokens: tuple[int, ...]
    text: str
    score: float
    posterior: float
    spans: tuple[Span, ...]
    words: tuple[WordSpan, ...]
    surprise: np.ndarray | None = field(default=None, compare=False, repr=False)


def silence(score: float, posterior: float) -> Hypothesis:
    """The hypothesis that nobody speaks."""
    return Hypothesis((), "", score, posterior, (), ())


def between_sentences(read: Hypothesis, sentence_words: int, tokenizer: Tokenizer) -> list[int]:
    """The frames midway between the sentences of a piece, which have `sentence_words` words each."""
    words = tokenizer.split_words(read.tokens)
    lasts, firsts = words[sentence_words - 1 :: sentence_words], words[sentence_words::sentence_words]
    return [
        (read.spans[last.stop - 1].end + read.spans[first.start].start) // 2
        for last, first in zip(lasts, firsts, strict=False)
    ]
