"""One clip and a model -> what the model reads, with both texts normalised."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import PreparedClip, check_crop, find_shards
from lipscribe.errors import LipscribeError
from lipscribe.evaluation.result import Reading
from lipscribe.search import Hypothesis, ResolvedSearch
from lipscribe.search.familiarity import spoken_surprise
from lipscribe.search.initials import Initials
from lipscribe.storage import AnyPath
from lipscribe.text import normalise
from lipscribe.transcript import Transcript
from lipscribe.units import Seconds

if TYPE_CHECKING:
    from lipscribe.model import Model

InitialsOf: TypeAlias = Callable[[str], Initials]  # of a clip's text

NORMALISATION = "plain"  # lower case, no punctuation: what a model reads has neither


def shards_for(model: "Model", folder: AnyPath | str, split: str) -> list[AnyPath]:
    """The shards of a split, whose crops are of the kind that the model reads.

    Raises:
        ManifestError: The folder has no such split, or is damaged.
        ConfigError: Its crops are of another kind.
    """
    shards = find_shards(folder, split)
    check_crop(folder, model.spec.input.crop)
    return shards


def read_prepared(
    model: "Model", prepared: PreparedClip, methods: Mapping[str, ResolvedSearch]
) -> Iterator[tuple[str, Reading, Seconds]]:
    """Encodes a clip once and searches by each method.

    Yields:
        The method's name, what it read, and the seconds that the network and this search took.
    """
    clip = prepared.clip
    started = time.perf_counter()
    try:
        encoded = model.encode(prepared.crops)
    except LipscribeError as error:
        yield from ((name, failed(clip, error), 0.0) for name in methods)
        return
    network = time.perf_counter() - started
    for name, options in methods.items():
        started = time.perf_counter()
        try:
            found = reading(clip, model.search(encoded, options)[0])
        except LipscribeError as error:
            found = failed(clip, error)
        yield name, found, network + time.perf_counter() - started


def with_initials(search: ResolvedSearch, clip: Clip, initials: InitialsOf | None) -> ResolvedSearch:
    """A search with the initials of a clip, if it has any words."""
    return search.with_initials(initials(clip.text)) if initials and _normalised(clip.text) else search


def reading(clip: Clip, found: Hypothesis | Transcript) -> Reading:
    """What was read of a clip, beside its text."""
    pairs = [(token, word.probability) for word in found.words for token in _normalised(word.text).split()]
    hypothesis = _normalised(found.text)
    has_words = [token for token, _ in pairs] == hypothesis.split()  # a transcript may have text without words
    probabilities = tuple(probability for _, probability in pairs) if has_words else None
    surprise = None
    if isinstance(found, Hypothesis) and found.surprise is not None:
        surprise = spoken_surprise(found.surprise, found.words)
    return Reading(clip.id, _normalised(clip.text), hypothesis, probabilities, surprise=surprise)


def failed(clip: Clip, error: LipscribeError) -> Reading:
    """A clip that could not be read: nothing was read, and the reason."""
    return Reading(clip.id, _normalised(clip.text), "", failure=str(error))


def _normalised(text: str) -> str:
    return normalise(text, NORMALISATION)
