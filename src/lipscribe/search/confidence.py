"""How sure each word is, made honest, and what else it might have been."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from lipscribe.search.hypothesis import Hypothesis, WordSpan
from lipscribe.transcript import Alternative


def calibrated(hypothesis: Hypothesis, temperature: float) -> Hypothesis:
    """The hypothesis with its words' probabilities softened (above 1) or sharpened (below 1) by a temperature.

    Of a word and its contrary, p and 1 - p, the one-over-temperature powers are taken and made to add up to 1 again
    (Guo et al., "On calibration of modern neural networks", 2017, for two classes); what is left beside the word is
    shared by its alternatives as before. 0.5 stays 0.5, and no order is changed.

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
    share = (1 - probability) / left if left else 0.0  # of a sure word nothing is left to share
    others = tuple(Alternative(other.text, other.probability * share) for other in word.alternatives)
    return replace(word, probability=probability, alternatives=others)


def with_alternatives(best: Hypothesis, others: Sequence[Hypothesis], number: int) -> Hypothesis:
    """A hypothesis whose words know which others stand in their place in other hypotheses of the same clip.

    A word stands in another's place where the two sentences are the same around it. (Frames do not tell: an alignment
    leaves an unlikely word hardly one.) Its probability is the one that it has there.

    Args:
        number: alternatives of each word, at most.
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
