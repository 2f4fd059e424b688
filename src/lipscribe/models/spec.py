"""What a model is made of, its input and its output: one record, saved beside the weights."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lipscribe.errors import CheckpointError
from lipscribe.models.decoder_specs import DecoderSpec
from lipscribe.models.encoder_specs import EncoderSpec, RecurrentEncoderSpec
from lipscribe.models.frontend_specs import ConvFrontendSpec, FrontendSpec
from lipscribe.schema import from_dict, within, without_unused
from lipscribe.tokenizer import AnyTokenizer, UnitsTokenizer
from lipscribe.units import MODEL_FPS

SPEC_FILE = "spec.json"
FORMAT_VERSION = 2  # of what is written; see `load_spec` for what was there before
WEIGHTS_FILE = "model.safetensors"
# The files that a tokenizer's record names, by its field, and what they are called beside the spec.
TOKENIZER_FILES = {"model": "tokenizer.model", "units": "units.txt"}


@dataclass(frozen=True)
class InputSpec:
    """The model's input: the middle of each mouth crop, (height, width) pixels, at `fps` frames a second.

    Attributes:
        crop: How the mouth is cut out: as `crop_mouth` does, or as the Auto-AVSR models learned it.
        normalisation: "frame" brings each frame to mean 0 and deviation 1; "fixed" is (grey / 255 - 0.421) / 0.165.
    """

    height: int = within(48, 8, 96)
    width: int = within(80, 8, 96)
    fps: float = within(MODEL_FPS, 1, 240)
    crop: Literal["lipscribe", "auto-avsr"] = "lipscribe"
    normalisation: Literal["frame", "fixed"] = "frame"

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        if self.fps == MODEL_FPS:
            return []
        return [
            f"fps is {self.fps:g}, wanted {MODEL_FPS:g}: clips are prepared and words are timed at that rate, and a "
            "video of any rate is read at it"
        ]


@dataclass(frozen=True)
class Card:
    """What a user must know before trusting the model."""

    reads: str = "unknown"
    data: str = "unknown"
    licence: str = "unknown"
    closed_vocabulary: bool = False
    notice: str = ""
    scores: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to rebuild a model and to feed it.

    Attributes:
        tokenizer: Between the model's output and text.
        grammar: The words of each slot of a sentence, where the model knows one kind of sentence only; None is open.
        slot_names: What the grammar's slots are called, such as "command"; reports name places in the sentence by them.
        ctc: Whether there is a CTC head.
        decoder: The attention decoder, None where there is none.
        temperatures: Of word probabilities, by search method, 1 where missing; `lipscribe calibrate` fits them.
        surprise_limit: Nats a frame, beyond which what was read does not look like what the model knows (see
            `search/familiarity.py`); None where it was never fitted. Training fits it on dev, as `calibrate` does.
        format_version: Of the folder it was read from.
        flip_average: Read each clip mirrored as well and average: a face is nearly symmetric, and two views err less.
        shift_average: Read each clip so many pixels higher and lower as well, and average; 0 is off.
    """

    name: str
    tokenizer: AnyTokenizer
    input: InputSpec = InputSpec()
    frontend: FrontendSpec = ConvFrontendSpec()
    encoder: EncoderSpec = RecurrentEncoderSpec()
    ctc: bool = True
    decoder: DecoderSpec | None = None
    grammar: tuple[tuple[str, ...], ...] | None = None
    slot_names: tuple[str, ...] | None = None
    flip_average: bool = False
    shift_average: int = within(0, 0, 44)
    temperatures: dict[str, float] = dataclasses.field(default_factory=dict)
    surprise_limit: float | None = None
    card: Card = Card()
    format_version: int = within(FORMAT_VERSION, 1, FORMAT_VERSION)

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        faults = [
            f"temperatures.{method} is {value}, wanted a number above 0"
            for method, value in self.temperatures.items()
            if not 0 < value < math.inf
        ]
        if self.surprise_limit is not None and not 0 < self.surprise_limit < math.inf:
            faults.append(f"surprise_limit is {self.surprise_limit}, wanted a number above 0, or null")
        if self.shift_average > (room := (96 - self.input.height) // 2):  # a crop is 96 high
            faults.append(f"shift_average is {self.shift_average}, but an input {self.input.height} high leaves {room}")
        if self.grammar and self.slot_names and len(self.slot_names) != len(self.grammar):
            count = len(self.grammar)
            faults.append(f"slot_names has {len(self.slot_names)} names, wanted one for each of the {count} slots")
        if not self.ctc and self.decoder is None:
            faults.append("ctc is false and decoder is null, wanted one of them or both")
        if self.decoder and self.decoder.own_end and not isinstance(self.tokenizer, UnitsTokenizer):
            kind = self.decoder.kind
            faults.append(f'decoder.kind is {kind}, wanted a tokenizer of kind "units", whose last token is <eos>')
        if min(self.input.height, self.input.width) < (least := self.frontend.min_size):
            size, kind = f"{self.input.height} x {self.input.width}", self.frontend.kind
            faults.append(f"input is {size} pixels, wanted at least {least} x {least} for a {kind} frontend")
        return faults


def load_spec(folder: Path | str) -> ModelSpec:
    """Reads a model's spec alone.

    Before version 2 a record had the fields of every kind of frontend, encoder and decoder at once; those that are not
    of its kind, and never had a meaning, are left out.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    path = Path(folder) / SPEC_FILE
    data = read_record(path, "a model is a folder that `lipscribe train` wrote", "copy or train the model again")
    if isinstance(data, dict) and data.setdefault("format_version", 1) == 1:
        data = without_unused(ModelSpec, data)
    tokenizer = data.get("tokenizer") if isinstance(data, dict) else None
    for field in TOKENIZER_FILES:
        if isinstance(tokenizer, dict) and isinstance(tokenizer.get(field), str):
            tokenizer[field] = str(Path(folder) / tokenizer[field])
    return from_dict(ModelSpec, data, str(path), CheckpointError)


def read_record(path: Path, absent: str, again: str) -> Any:
    """The JSON beside a model's weights, as it is.

    Args:
        absent, again: What to do where it is not there, and where it is damaged.

    Raises:
        CheckpointError: One of both.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} holds no {path.name}: {absent}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): {again}") from None
