"""How sure each word is, made honest, and what else it might have been."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from lipscribe.search.hypothesis import Hypothesis, Rival, WordSpan


def calibrated(hypothesis: Hypothesis, temperature: float) -> Hypothesis:
    """The hypothesis with its words' probabilities softened (above 1) or sharpened (below 1) by a temperature.

    Of a word and its contrary, p and 1 - p, the one-over-temperature powers are taken and made to add up to 1 again
    (Guo et al., "On calibration of modern neural networks", 2017, for two classes); what is left beside the word is
    shared by its rivals as before. 0.5 stays 0.5, and no order is changed.

    Args:
        temperature: above 0, from `fit_temperature`.
    """
    if temperature == 1:
        return hypothesis
    return replace(hypothesis, words=tuple(_calibrated(word, temperature) for word in hypothesis.words))


def _calibrated(word: WordSpan, temperature: float) -> WordSpan:
    yes, no = word.probability ** (1 / temperature), (1 - word.probability) ** (1 / temperature)
    probability = yes / (yes + no)
    left = max(1 - word.probability, sum(rival.probability for rival in word.rivals))
    rivals = tuple(Rival(rival.text, rival.probability / left * (1 - probability)) for rival in word.rivals)
    return replace(word, probability=probability, rivals=rivals)


def with_rivals(best: Hypothesis, others: Sequence[Hypothesis], number: int) -> Hypothesis:
    """A hypothesis whose words know which others stand in their place in other hypotheses of the same clip.

    A word stands in another's place where the two sentences are the same around it. (Frames do not tell: an alignment
    leaves an unlikely word hardly one.) Its probability is the one that it has there.

    Args:
        number: rivals of each word, at most.
    """
    found: list[dict[str, float]] = [{} for _ in best.words]
    said = [word.text for word in best.words]
    for other in others:
        pairs = SequenceMatcher(None, said, [word.text for word in other.words], autojunk=False)
        for kind, start, end, others_start, others_end in pairs.get_opcodes():
            if kind == "replace" and end - start == others_end - others_start:
                for at, word in zip(range(start, end), other.words[others_start:others_end], strict=True):
                    found[at][word.text] = max(found[at].get(word.text, 0.0), word.probability)
    ranked = [sorted(rivals.items(), key=lambda item: -item[1])[:number] for rivals in found]
    pairs = zip(best.words, ranked, strict=True)
    return replace(
        best, words=tuple(replace(word, rivals=tuple(Rival(*item) for item in rivals)) for word, rivals in pairs)
    )
