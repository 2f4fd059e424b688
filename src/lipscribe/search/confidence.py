"""Calibrated word probabilities, and alternatives of words."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from lipscribe.search.hypothesis import Hypothesis, WordSpan
from lipscribe.transcript import Alternative


def calibrated(hypothesis: Hypothesis, temperature: float) -> Hypothesis:
    """The hypothesis with its words' probabilities softened (above 1) or sharpened (below 1) by a temperature.

    p and 1 - p are raised to the power 1 / temperature and normalised (Guo et al., "On calibration of modern neural
    networks", 2017, for two classes); the alternatives keep their shares of 1 - p. 0.5 stays 0.5, and order is kept.

    Args:
        temperature: above 0, from `fit_temperature`.
    """
    if temperature == 1:
        return hypothesis
    return replace(hypothesis, words=tuple(_calibrated(word, temperature) for word in hypothesis.words))


def _calibrated(word: WordSpan, temperature: float) -> WordSpan:
    yes, no = word.probability ** (1 / temperature), (1 - word.probability) ** (1 / temperature)
    probability = yes / (yes + no)
    left = max(1 - word.probability, sum(other.probability for other in word.alternatives))
    share = (1 - probability) / left if left else 0.0  # a word with p = 1 leaves nothing to share
    others = tuple(Alternative(other.text, other.probability * share) for other in word.alternatives)
    return replace(word, probability=probability, alternatives=others)


def with_alternatives(best: Hypothesis, others: Sequence[Hypothesis], number: int) -> Hypothesis:
    """Add to each word its alternatives from other hypotheses of the same clip.

    An alternative is a word with the same neighbours, with its probability in that hypothesis. (Frames are no
    criterion: an alignment gives an unlikely word hardly any.)

    Args:
        number: maximum number of alternatives of each word.
    """
    found: list[dict[str, float]] = [{} for _ in best.words]
    spoken = [word.text for word in best.words]
    for other in others:
        pairs = SequenceMatcher(None, spoken, [word.text for word in other.words], autojunk=False)
        for kind, start, end, others_start, others_end in pairs.get_opcodes():
            if kind == "replace" and end - start == others_end - others_start:
                for at, word in zip(range(start, end), other.words[others_start:others_end], strict=True):
                    found[at][word.text] = max(found[at].get(word.text, 0.0), word.probability)
    ranked = [sorted(others.items(), key=lambda item: -item[1])[:number] for others in found]
    pairs = zip(best.words, ranked, strict=True)
    return replace(
        best,
        words=tuple(replace(word, alternatives=tuple(Alternative(*item) for item in items)) for word, items in pairs),
    )
