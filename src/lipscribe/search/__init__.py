"""Log-probabilities and decoders in, hypotheses out."""

from lipscribe.search.align import Alignment, align
from lipscribe.search.dispatch import search
from lipscribe.search.grammar import Grammar
from lipscribe.search.hypothesis import Hypothesis, Span, WordSpan
from lipscribe.search.initials import Initials
from lipscribe.search.options import (
    BY_DECODER,
    METHODS,
    Capabilities,
    ResolvedSearch,
    SearchOptions,
    resolve,
)
from lipscribe.search.scorers import DecoderView, TokenModel

__all__ = [
    "BY_DECODER",
    "METHODS",
    "Alignment",
    "Capabilities",
    "DecoderView",
    "Grammar",
    "Hypothesis",
    "Initials",
    "ResolvedSearch",
    "SearchOptions",
    "Span",
    "TokenModel",
    "WordSpan",
    "align",
    "resolve",
    "search",
]
