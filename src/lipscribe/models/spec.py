"""The spec of a model: architecture, input and output, saved next to the weights."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from lipscribe.atomic import write_text
from lipscribe.errors import CheckpointError
from lipscribe.models.decoder_specs import DecoderSpec
from lipscribe.models.encoder_specs import EncoderSpec, RecurrentEncoderSpec
from lipscribe.models.frontend_specs import ConvFrontendSpec, FrontendSpec
from lipscribe.models.phrases_spec import PhrasesSpec
from lipscribe.plain_data import check_format, parse_json
from lipscribe.schema import from_dict, to_dict, within, without_unused
from lipscribe.tokenizer import AnyTokenizer, UnitsTokenizer
from lipscribe.units import MODEL_FPS

SPEC_FILE = "spec.json"
FORMAT_VERSION = 2  # of written specs; `load_spec` reads older ones
WEIGHTS_FILE = "model.safetensors"
# Files of a tokenizer, by field, and their names next to the spec.
TOKENIZER_FILES = {"model": "tokenizer.model", "units": "units.txt"}


@dataclass(frozen=True)
class InputSpec:
    """The model's input: the middle of each mouth crop, (height, width) pixels, at `fps` frames per second.

    Attributes:
        crop: The kind of mouth crops: ours, or those of the Auto-AVSR models.
        normalisation: "frame" gives each frame mean 0 and standard deviation 1; "fixed" is (grey / 255 - 0.421) /
            0.165.
    """

    height: int = within(48, 8, 96)
    width: int = within(80, 8, 96)
    fps: float = within(MODEL_FPS, 1, 240)
    crop: Literal["lipscribe", "auto-avsr"] = "lipscribe"
    normalisation: Literal["frame", "fixed"] = "frame"

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        if self.fps == MODEL_FPS:
            return []
        return [
            f"fps is {self.fps:g}, wanted {MODEL_FPS:g}: clips are prepared and words are timed at that rate, and a "
            "video of any rate is read at it"
        ]


@dataclass(frozen=True)
class Card:
    """The model card."""

    reads: str = "unknown"
    data: str = "unknown"
    licence: str = "unknown"
    closed_vocabulary: bool = False
    notice: str = ""
    scores: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to rebuild a model and to prepare its input.

    Attributes:
        tokenizer: Converts token ids to text.
        grammar: The words of each slot of a sentence, if the model is limited to one kind of sentence; None otherwise.
        slot_names: Names of the grammar's slots in reports, such as "command".
        ctc: Whether there is a CTC head.
        decoder: The attention decoder, or None. A model with neither head is an encoder to start a training from.
        temperatures: Of word probabilities, by search method, 1 where missing; `lipscribe calibrate` fits them.
        surprise_limit: Nats per frame above which a clip is out of domain (see `search/familiarity.py`); None if it was
            never fitted. Training fits it on dev, and so does `calibrate`.
        phrases: Recorded phrases that are compared, with the network of another model; None for all other models.
        format_version: Of the folder it was loaded from.
        flip_average: Test-time augmentation: average with the mirrored view.
        shift_average: Test-time augmentation: average with views shifted up and down by so many pixels; 0 is off.
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
    phrases: PhrasesSpec | None = None
    card: Card = Card()
    format_version: int = within(FORMAT_VERSION, 1, FORMAT_VERSION)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
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
        if self.decoder and self.decoder.own_end and not isinstance(self.tokenizer, UnitsTokenizer):
            kind = self.decoder.kind
            faults.append(f'decoder.kind is {kind}, wanted a tokenizer of kind "units", whose last token is <eos>')
        if min(self.input.height, self.input.width) < (least := self.frontend.min_size):
            size, kind = f"{self.input.height} x {self.input.width}", self.frontend.kind
            faults.append(f"input is {size} pixels, wanted at least {least} x {least} for a {kind} frontend")
        return faults


def load_spec(folder: Path | str) -> ModelSpec:
    """Loads only the spec of a model.

    Before version 2 a spec had the fields of every kind of frontend, encoder and decoder; fields of other kinds are
    ignored.

    Raises:
        CheckpointError: The spec is missing or damaged.
    """
    path = Path(folder) / SPEC_FILE
    data = read_record(path, "a model is a folder that `lipscribe train` wrote", "copy or train the model again")
    check_format(data, FORMAT_VERSION, str(path), CheckpointError)
    if isinstance(data, dict) and data.setdefault("format_version", 1) == 1:
        data = without_unused(ModelSpec, data)
    tokenizer = data.get("tokenizer") if isinstance(data, dict) else None
    for field in TOKENIZER_FILES:
        if isinstance(tokenizer, dict) and isinstance(tokenizer.get(field), str):
            tokenizer[field] = str(_beside(path, f"tokenizer.{field}", tokenizer[field]))
    return from_dict(ModelSpec, data, str(path), CheckpointError)


def _beside(spec: Path, field: str, name: str) -> Path:
    """A file next to a spec, which may come from anywhere: it must not have other files read.

    Raises:
        CheckpointError: The name, or a link of this name, leads elsewhere.
    """
    path = spec.parent / name
    is_plain = name == PurePath(name).name != "" and not any(char in name for char in "/\\:\0")
    if not is_plain or path.resolve().parent != spec.parent.resolve():
        raise CheckpointError(
            f"{spec}: {field} is {name[:80]!r}, which leads out of the model's folder: wanted a file in it, by its name"
        )
    return path


def save_spec(folder: Path | str, spec: ModelSpec) -> None:
    """Writes only the spec of a model, atomically.

    Raises:
        OSError: The file cannot be written.
    """
    record = to_dict(spec)
    for field, name in TOKENIZER_FILES.items():  # next to the spec
        if record["tokenizer"].get(field) is not None:
            record["tokenizer"][field] = name
    write_text(Path(folder) / SPEC_FILE, json.dumps(record, indent=2) + "\n")


def read_record(path: Path, absent: str, again: str) -> Any:
    """Loads the JSON file next to a model's weights.

    Args:
        absent, again: The remedy in the message if it is missing, and if it is damaged.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} holds no {path.name}: {absent}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): {again}") from None
