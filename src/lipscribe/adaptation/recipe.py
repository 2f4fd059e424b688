"""How a model is adapted, by how much there is to learn from; docs/adapt.md has the measurements."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # it loads torch, without which `lipscribe.adapt` is there and says what is absent
    from lipscribe.transforms import AugmentConfig

MIN_RECORDINGS = 5
FOLDS = 5  # of the cross-validation
MIN_STEPS = 12  # fewer than these change a model hardly
LOOKS = 2  # how often each training is looked at, to stop it early
MOST_STEPS = 400

Part = Literal["norms", "encoder", "all"]


def mild() -> "AugmentConfig":
    """Little is changed: one person, one camera, one room."""
    from lipscribe.transforms import AugmentConfig

    return AugmentConfig(
        rotation=4,
        scale=0.06,
        shift=3,
        flip=0.5,
        trim=0,
        time_warp=0.2,
        time_masks=1,
        time_mask_frames=4,
        cutout=0.1,
        brightness=0.2,
        noise=0.05,
    )


@dataclass(frozen=True)
class Recipe:
    """Settings of a training on a few clips.

    Attributes:
        trained: What is trained: the gains and offsets of normalisation layers, all behind the frontend, or all.
        steps: Optimizer steps.
        batch_size: Clips of a batch, each augmented anew; with fewer clips some are in it twice.
        learning_rate: The peak of a one-cycle schedule.
        warmup: Share of the steps that rise to it.
        average: Decay per step of the moving average of the weights.
        label_smoothing: Of the decoder's loss.
        looks: How often the averaged model is handed out, evenly, the last time at the end.
    """

    trained: Part = "all"
    steps: int = 30
    batch_size: int = 8
    learning_rate: float = 5e-4
    warmup: float = 0.1
    average: float = 0.9
    label_smoothing: float = 0.1
    augment: "AugmentConfig" = field(default_factory=mild)
    looks: int = LOOKS


def recipe_for(num_recordings: int) -> Recipe:
    """The recipe that was best for so many recordings of strangers."""
    return replace(Recipe(), steps=steps_for(num_recordings))


def steps_for(num_recordings: int) -> int:
    """30 for 5 recordings, and 2 more for each further one, up to 400."""
    return min(30 + 2 * max(num_recordings - MIN_RECORDINGS, 0), MOST_STEPS)
