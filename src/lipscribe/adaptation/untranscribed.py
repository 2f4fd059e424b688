"""Learning from films alone: what the model itself reads in them, where it is sure, is taken for the text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from lipscribe.adaptation.fit import fit
from lipscribe.adaptation.recipe import MIN_RECORDINGS, Recipe
from lipscribe.data.shards import PreparedClip
from lipscribe.errors import ManifestError
from lipscribe.model import Model
from lipscribe.progress import Progress
from lipscribe.zoo.checkpoint import load_checkpoint

STEPS = 20  # of the normalisation layers alone: training all weights on own mistakes makes more of them (docs/adapt.md)
SURE_SHARE = 0.5  # of the recordings, those whose words are the most probable


def adapt_without_texts(
    model: Model, base: Path, clips: Sequence[PreparedClip], progress: Progress | None = None
) -> tuple[int, dict[str, Tensor]]:
    """Adapts a model to clips by its own readings of them (pseudo-labels).

    Args:
        model: The base, computed by torch.
        base: Its folder.
        clips: Their texts are ignored.

    Returns:
        The number of steps, and the adapted weights.

    Raises:
        ManifestError: The model reads words in too few of the clips.
    """
    found = [model.search(model.encode(clip.crops))[0] for clip in clips]
    sureness = {
        idx: float(np.mean([word.probability for word in each.words])) for idx, each in enumerate(found) if each.words
    }
    if len(sureness) < MIN_RECORDINGS:
        raise ManifestError(
            f"model {model.name} reads words in {len(sureness)} of {len(clips)} recordings, wanted at least "
            f"{MIN_RECORDINGS}: give texts, or recordings in which somebody speaks"
        )
    sure = sorted(sureness, key=lambda idx: -sureness[idx])[: max(MIN_RECORDINGS, round(SURE_SHARE * len(sureness)))]
    labelled = [replace(clips[idx], clip=replace(clips[idx].clip, text=found[idx].text)) for idx in sure]
    recipe, reader = Recipe(trained="norms", steps=STEPS, looks=1), load_checkpoint(base)[1]
    for step, adapted in fit(reader, model.spec, labelled, recipe):
        if progress is not None:
            progress("learn", step, recipe.steps)
        if adapted is not None:
            return step, adapted.state_dict()
    raise AssertionError("the last step hands out the model")
