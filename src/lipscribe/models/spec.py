"""What a model is made of, eats and says: one record, saved beside the weights."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.schema import from_dict, within
from lipscribe.tokenizer import tokenizer_from_dict
from lipscribe.units import MODEL_FPS

SPEC_FILE = "spec.json"
WEIGHTS_FILE = "model.safetensors"
# The files that a tokenizer's record names, by its field, and what they are called beside the spec.
TOKENIZER_FILES = {"model": "tokenizer.model", "units": "units.txt"}


@dataclass(frozen=True)
class InputSpec:
    """What the model eats: the middle of each mouth crop, (height, width) pixels, at `fps` frames a second.

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
class FrontendSpec:
    """What looks at the frames.

    Attributes:
        kind: "conv" is a `ConvFrontend`, "resnet18" a `ResNetFrontend`, "lipnet" a `LipNetFrontend`, "auto-avsr" an
            `AutoAVSRFrontend`.
        channels: Of each convolution (conv, three for lipnet), or of each of the four stages (resnet18, auto-avsr).
        stem_frames: 1 is the 2D network of the founding program. LipNet's layers see 3 each.
        pooling, features: Of conv and resnet18; lipnet flattens, auto-avsr averages, and both hand on what that gives.
        activation: Of auto-avsr; all others have ReLU.
    """

    channels: tuple[int, ...] = within((32, 64, 96, 128), 1)
    stem_frames: int = within(5, 1, 15)
    pooling: Literal["flatten", "average"] = "flatten"
    features: int = within(256, 1)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["conv", "resnet18", "lipnet", "auto-avsr"] = "conv"
    activation: Literal["relu", "swish", "prelu"] = "relu"

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        faults = [] if self.stem_frames % 2 else [f"stem_frames is {self.stem_frames}, wanted an odd number"]
        wanted = {"conv": len(self.channels), "resnet18": 4, "lipnet": 3, "auto-avsr": 4}[self.kind]
        if len(self.channels) != wanted or not self.channels:
            faults.append(f"channels has {len(self.channels)} numbers, wanted {wanted or 'some'} for {self.kind}")
        pooling = {"lipnet": "flatten", "auto-avsr": "average"}.get(self.kind, self.pooling)
        if self.pooling != pooling:
            faults.append(f"pooling is {self.pooling}, wanted {pooling} for {self.kind}")
        if self.activation != "relu" and self.kind != "auto-avsr":
            faults.append(f"activation is {self.activation}, wanted relu for {self.kind}")
        return faults


@dataclass(frozen=True)
class WindowSizes:
    """How much of a long run a network and its decoder read at once, in frames.

    Attributes:
        window: Frames read at once, whose output is kept.
        context: Frames beyond each side of a window that the network reads and whose output is thrown away. A run of up
            to `window + context` frames is read whole.
        decoder_piece: Frames that a decoder searches at once: what it attends to has to be about as long as what it
            learned from.
    """

    window: int
    context: int
    decoder_piece: int


NEARBY = WindowSizes(150, 50, 150)  # 6 s, as long as two sentences of GRID
# For a network that attends to all frames, and learned from long utterances: up to 13 s are read whole and searched in
# one piece, as the published code does; at most 16 s are read at once. What such a network makes of a frame depends on
# all the others, so that windows come near to the whole and are not equal to it, least so at their seams.
ATTENDS_TO_ALL = WindowSizes(250, 75, 325)


@dataclass(frozen=True)
class EncoderSpec:
    """What reads the sequence.

    Attributes:
        cell: "lstm" and "gru" are a `RecurrentEncoder`, "tcn" a `TCNEncoder`, "conformer" a `ConformerEncoder`,
            "rel-conformer" the published one of Auto-AVSR (`RelConformerEncoder`); "none" reads no sequence: each frame
            is told by itself, with what the frontend sees of its neighbours.
        hidden, layers, dropout: See there.
        bidirectional: Of lstm and gru; the others always look both ways.
        kernel: Frames of each convolution, of tcn and the conformers.
        heads: Of the conformers' self-attention.
        ff: Of rel-conformer: units of each feed-forward, 0 is four times `hidden`.
        positions: Of rel-conformer: see there.
    """

    cell: Literal["lstm", "gru", "tcn", "conformer", "rel-conformer", "none"] = "lstm"
    hidden: int = within(256, 1)
    layers: int = within(2, 1, 16)
    bidirectional: bool = True
    dropout: float = within(0.0, 0, 0.95)
    kernel: int = within(5, 1, 63)
    heads: int = within(4, 1)
    ff: int = within(0, 0)
    positions: Literal["latest", "legacy"] = "latest"

    @property
    def attends_to_all(self) -> bool:
        """Whether every frame depends on all the others, so that windows do not add up to the whole."""
        return self.cell in ("conformer", "rel-conformer")

    @property
    def window(self) -> WindowSizes:
        """In what lengths a long run is read."""
        return ATTENDS_TO_ALL if self.attends_to_all else NEARBY

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        faults = []
        if self.kernel % 2 == 0:
            faults.append(f"kernel is {self.kernel}, wanted an odd number")
        if self.cell in ("conformer", "rel-conformer") and self.hidden % (2 * self.heads):
            faults.append(f"hidden is {self.hidden}, wanted a multiple of {2 * self.heads}, twice the heads")
        if self.cell != "rel-conformer":
            if self.ff:
                faults.append(f"ff is {self.ff}, wanted 0 for {self.cell}")
            if self.positions != "latest":
                faults.append(f"positions is {self.positions}, wanted latest for {self.cell}")
        if self.cell not in ("lstm", "gru") and not self.bidirectional:
            faults.append(f"bidirectional is false, but {self.cell} reads no direction: wanted true, or lstm or gru")
        return faults


@dataclass(frozen=True)
class DecoderSpec:
    """What spells the sentence.

    Attributes:
        kind: "lstm" is an `AttentionDecoder`, "transformer" a `TransformerDecoder`.
        hidden, layers, dropout: See there.
        location_frames: Of lstm.
        heads: Of transformer.
        ff: Of transformer: units of each feed-forward, 0 is four times `hidden`.
    """

    hidden: int = within(256, 1)
    layers: int = within(1, 1, 16)
    location_frames: int = within(0, 0, 201)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["lstm", "transformer"] = "lstm"
    heads: int = within(4, 1)
    ff: int = within(0, 0)

    @property
    def own_end(self) -> bool:
        """Whether sentences end with a symbol of their own, the tokenizer's last token, instead of CTC's blank."""
        return self.kind == "transformer"

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        if self.kind == "lstm":
            faults = [f"ff is {self.ff}, wanted 0 for lstm"] if self.ff else []
            if self.location_frames and self.location_frames % 2 == 0:
                faults.append(f"location_frames is {self.location_frames}, wanted 0 or an odd number")
            return faults
        faults = []
        if self.location_frames:
            faults.append(f"location_frames is {self.location_frames}, wanted 0 for transformer")
        if self.hidden % 2 or self.hidden % self.heads:
            faults.append(
                f"hidden is {self.hidden}, wanted an even number that is a multiple of {self.heads}, the heads"
            )
        return faults


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
        tokenizer: See `tokenizer_from_dict`.
        grammar: The words of each slot of a sentence, where the model knows one kind of sentence only; None is open.
        slot_names: What the grammar's slots are called, such as "command"; reports name places in the sentence by them.
        ctc: Whether there is a CTC head.
        decoder: The attention decoder, None where there is none.
        temperatures: Of word probabilities, by search method, 1 where missing; `lipscribe calibrate` fits them.
        flip_average: Read each clip mirrored as well and average: a face is nearly symmetric, and two looks err less.
        shift_average: Read each clip so many pixels higher and lower as well, and average; 0 is off.
    """

    name: str
    tokenizer: dict
    input: InputSpec = InputSpec()
    frontend: FrontendSpec = FrontendSpec()
    encoder: EncoderSpec = EncoderSpec()
    ctc: bool = True
    decoder: DecoderSpec | None = None
    grammar: tuple[tuple[str, ...], ...] | None = None
    slot_names: tuple[str, ...] | None = None
    flip_average: bool = False
    shift_average: int = within(0, 0, 44)
    temperatures: dict[str, float] = dataclasses.field(default_factory=dict)
    card: Card = Card()
    format_version: int = within(1, 1, 1)

    def faults(self) -> list[str]:
        """What is wrong across the fields (see `from_dict`)."""
        faults = [
            f"temperatures.{method} is {value}, wanted a number above 0"
            for method, value in self.temperatures.items()
            if not 0 < value < math.inf
        ]
        try:
            tokenizer_from_dict(self.tokenizer)
        except ConfigError as error:
            faults.append(str(error))
        if self.shift_average > (room := (96 - self.input.height) // 2):  # a crop is 96 high
            faults.append(f"shift_average is {self.shift_average}, but an input {self.input.height} high leaves {room}")
        if self.grammar and self.slot_names and len(self.slot_names) != len(self.grammar):
            count = len(self.grammar)
            faults.append(f"slot_names has {len(self.slot_names)} names, wanted one for each of the {count} slots")
        if not self.ctc and self.decoder is None:
            faults.append("ctc is false and decoder is null, wanted one of them or both")
        if self.decoder and self.decoder.kind == "transformer" and self.tokenizer.get("kind") != "units":
            faults.append('decoder.kind is transformer, wanted a tokenizer of kind "units", whose last token is <eos>')
        if self.frontend.kind == "lipnet" and min(self.input.height, self.input.width) < 16:
            size = f"{self.input.height} x {self.input.width}"
            faults.append(f"input is {size} pixels, wanted at least 16 x 16 for a lipnet frontend")
        return faults


def load_spec(folder: Path | str) -> ModelSpec:
    """Reads a model's spec alone.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    path = Path(folder) / SPEC_FILE
    data = read_record(path, "a model is a folder that `lipscribe train` wrote", "copy or train the model again")
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
