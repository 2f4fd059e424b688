"""A model that tells recorded phrases apart, with the network of another one."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.encoded import Encoded
from lipscribe.errors import ConfigError
from lipscribe.model import Model, Runtime
from lipscribe.models.phrases_spec import PhrasesSpec
from lipscribe.models.spec import ModelSpec
from lipscribe.mouth import check_crops
from lipscribe.search import Hypothesis, ResolvedSearch, SearchOptions
from lipscribe.search.confidence import calibrated
from lipscribe.search.phrases import Calibration, PhraseMatcher, mouth_motion

if TYPE_CHECKING:
    from lipscribe.models.reader import LipReader


class PhraseModel(Model):
    """Reads which of its phrases is said, or nothing.

    Args:
        spec: Its spec, with `phrases`.
        runtime: What computes the base's network.
        recordings: Features (T, D) of each recording.

    Attributes:
        phrases: `spec.phrases`.
        matcher: Compares what is said with the recordings.
    """

    def __init__(self, spec: ModelSpec, runtime: Runtime, recordings: list[np.ndarray]):
        assert spec.phrases is not None
        super().__init__(spec, runtime)
        self.phrases: PhrasesSpec = spec.phrases
        calibration = Calibration(self.phrases.limit, self.phrases.slope, self.phrases.level, self.phrases.pause)
        self.matcher = PhraseMatcher(self.phrases.texts, recordings, self.phrases.phrase_of, calibration)

    @property
    def reader(self) -> "LipReader":
        """Raises ConfigError: there is no network of its own."""
        raise ConfigError(f"model {self.name} has no network of its own: give its base, {self.phrases.base}")

    def log_probs(self, crops: np.ndarray) -> np.ndarray:
        """Raises ConfigError: phrases are compared as wholes."""
        raise ConfigError(f"model {self.name} compares whole phrases, there are no log_probs: want its search")

    def encode(self, crops: np.ndarray) -> Encoded:
        """The features that are compared, for crops (T, 96, 96) uint8; they are the states (T, 1, D)."""
        return self.encode_lean(check_crops(crops))

    def encode_lean(self, crops: np.ndarray, augmented: bool = True) -> Encoded:
        """As `encode`; `augmented` averages over all views of the base."""
        return Encoded(phrase_features(self, crops, self.phrases.states, augmented)[:, None], None, self.spec.input.fps)

    def blanks(self, encoded: Encoded) -> np.ndarray:
        """(T,) how still the mouth is in each frame, as a log-probability."""
        return -mouth_motion(_features(encoded)) / max(self.phrases.level, 1e-6)

    def cuts(self, encoded: Encoded) -> list[int]:
        """The middle of each pause."""
        spans = self.matcher.find_phrases(_features(encoded))
        return [(before.end + after.start) // 2 for before, after in pairwise(spans)]

    def resolve(self, options: SearchOptions | ResolvedSearch | None = None) -> ResolvedSearch:
        """As `Model.resolve`; initials that no phrase has are refused."""
        resolved = super().resolve(options)
        initials = resolved.initials
        if initials is not None and not any(map(initials.fit, self.phrases.texts)):
            raise ConfigError(
                f"initials {str(initials)!r} fit none of the {len(self.phrases.texts)} phrases of model {self.name}: "
                "correct them, or give ? for a word unknown and ... at the end where more words follow"
            )
        return resolved

    def search(
        self, encoded: Encoded | np.ndarray, options: SearchOptions | ResolvedSearch | None = None
    ) -> list[Hypothesis]:
        """The phrase said in a clip, or silence; see `Model.search`."""
        resolved = self.resolve(options)
        if not isinstance(encoded, Encoded) or encoded.states is None:
            raise ConfigError(f"encoded is a {type(encoded).__name__}, wanted the result of encode(crops)")
        allowed = None
        if resolved.initials is not None:
            allowed = np.array([resolved.initials.fit(text) for text in self.phrases.texts])
        found = self.matcher.search(_features(encoded), resolved.nbest, resolved.alternatives, allowed)
        temperature = self.spec.temperatures.get(resolved.method, 1.0)
        return [calibrated(hypothesis, temperature) for hypothesis in found]


def phrase_features(model: Model, crops: np.ndarray, states: str, augmented: bool = True) -> np.ndarray:
    """What a model's network sees in crops (T, 96, 96) uint8: (T, D) float32, the mean of its views.

    Args:
        states: "frontend" or "encoder", whose output it is.
    """
    if not len(crops):
        return phrase_features(model, np.zeros((1, 96, 96), np.uint8), states, augmented)[:0]
    views = model.views(crops, augmented)
    return (model.runtime.features(views) if states == "frontend" else model.runtime.encode(views)).mean(0)


def _features(encoded: Encoded) -> np.ndarray:
    assert encoded.states is not None
    return encoded.states[:, 0]
