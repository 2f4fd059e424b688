"""A model whose output is planted in its crops: each crop's grey says which token its frame is."""

from collections.abc import Sequence

import numpy as np

from lipscribe.encoded import Encoded
from lipscribe.model import Model
from lipscribe.models.spec import ModelSpec
from lipscribe.tokenizer import WordTokenizer

WORDS = ("red", "green", "one", "two", "now")
SLOTS = (("red", "green"), ("one", "two", "red"), ("now", "one"))  # two words stand in two slots each
GREY = 20  # between the greys of two tokens


class NoNetwork:
    """Stands for a runtime that is never asked."""

    name, device, precision = "planted", "cpu", "float32"

    def log_probs(self, states: np.ndarray) -> np.ndarray:
        raise AssertionError("the model is planted")


class PlantedModel(Model):
    """Reads the token of each crop's grey.

    Attributes:
        lengths: Of all that was encoded, in frames.
    """

    def __init__(self, grammar: Sequence[Sequence[str]] | None = SLOTS):
        slots = None if grammar is None else tuple(map(tuple, grammar))
        super().__init__(ModelSpec("planted", WordTokenizer(list(WORDS)), grammar=slots), NoNetwork())
        self.lengths: list[int] = []

    def encode_lean(self, crops: np.ndarray, augmented: bool = True) -> Encoded:
        self.lengths.append(len(crops))
        return Encoded(None, planted_log_probs(np.round(crops.mean((1, 2)) / GREY).astype(int)), 25.0)


def planted_log_probs(tokens: Sequence[int] | np.ndarray, sure: float = 0.9) -> np.ndarray:
    """(T, V) of which each frame's token has most."""
    size = len(WORDS) + 1
    probs = np.full((len(tokens), size), (1 - sure) / (size - 1))
    probs[np.arange(len(tokens)), tokens] = sure
    return np.log(probs)


def plant(text: str) -> list[int]:
    """Tokens of frames: `. 3 red 5 . 2` is 3 frames of silence, 5 that show "red", and 2 of silence."""
    parts = text.split()
    tokens: list[int] = []
    for name, count in zip(parts[::2], parts[1::2], strict=True):
        tokens += [0 if name == "." else WORDS.index(name) + 1] * int(count)
    return tokens


def crop_of(token: int) -> np.ndarray:
    return np.full((96, 96), GREY * token, np.uint8)


def crops_of(text: str) -> list[np.ndarray]:
    """The crops of what `plant` describes."""
    return [crop_of(token) for token in plant(text)]


class ScriptedDetector:
    """A face detector that gives what it is told, frame by frame."""

    def __init__(self, *faces: list[np.ndarray]):
        self.faces = list(faces)

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        return self.faces.pop(0)

    def reset(self) -> None:
        pass
