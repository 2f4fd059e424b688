"""The kinds of frontend: for each a dataclass that validates its fields and builds the network."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from lipscribe.schema import odd_faults, within

if TYPE_CHECKING:  # a spec is read without torch
    from lipscribe.models.frontend import ConvFrontend
    from lipscribe.models.lipnet import LipNetFrontend
    from lipscribe.models.resnet import ResNetFrontend


@dataclass(frozen=True)
class ConvFrontendSpec:
    """A `ConvFrontend`.

    Attributes:
        channels: Of each convolution.
        stem_frames: Temporal depth of the first convolution; 1 is the 2D network of the founding program.
        pooling, features, dropout, instance_norm, clip_norm: See there.
    """

    channels: tuple[int, ...] = within((32, 64, 96, 128), 1, 65_536)
    stem_frames: int = within(5, 1, 15)
    pooling: Literal["flatten", "average"] = "flatten"
    features: int = within(256, 1, 65_536)
    dropout: float = within(0.0, 0, 0.95)
    instance_norm: int = within(0, 0, 65_536)
    clip_norm: bool = False
    kind: Literal["conv"] = "conv"

    min_size: ClassVar[int] = 1
    """Pixels that a picture needs each way."""

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return _number(self.channels, None, self.kind) + odd_faults("stem_frames", self.stem_frames)

    def build(self, height: int, width: int) -> "ConvFrontend":
        """Builds the network with random weights, for input of that size in pixels."""
        from lipscribe.models.frontend import ConvFrontend

        sizes = (self.channels, self.stem_frames, self.pooling, self.features)
        return ConvFrontend(*sizes, height, width, self.dropout, self.instance_norm, self.clip_norm)


@dataclass(frozen=True)
class ResNetFrontendSpec:
    """A `ResNetFrontend`.

    Attributes:
        channels: Of each of the four stages.
        stem_frames, pooling, features, dropout: See there.
    """

    channels: tuple[int, ...] = within((32, 64, 96, 128), 1, 65_536)
    stem_frames: int = within(5, 1, 15)
    pooling: Literal["flatten", "average"] = "flatten"
    features: int = within(256, 1, 65_536)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["resnet18"] = "resnet18"

    min_size: ClassVar[int] = 1

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return _number(self.channels, 4, self.kind) + odd_faults("stem_frames", self.stem_frames)

    def build(self, height: int, width: int) -> "ResNetFrontend":
        """Builds the network with random weights, for input of that size in pixels."""
        from lipscribe.models.resnet import ResNetFrontend

        sizes = (self.channels, self.stem_frames, self.pooling, self.features)
        return ResNetFrontend(*sizes, height=height, width=width, dropout=self.dropout)


@dataclass(frozen=True)
class LipNetFrontendSpec:
    """A `LipNetFrontend`: three layers of temporal depth 3, flattened."""

    channels: tuple[int, ...] = within((32, 64, 96), 1, 65_536)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["lipnet"] = "lipnet"

    min_size: ClassVar[int] = 16

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return _number(self.channels, 3, self.kind)

    def build(self, height: int, width: int) -> "LipNetFrontend":
        """Builds the network with random weights, for input of that size in pixels."""
        from lipscribe.models.lipnet import LipNetFrontend

        return LipNetFrontend(self.channels, height, width, self.dropout)


@dataclass(frozen=True)
class AutoAVSRFrontendSpec:
    """A `ResNetFrontend` without its last layer, as in the published Auto-AVSR models.

    Attributes:
        channels: Of each of the four stages.
        stem_frames, activation, dropout: See there.
    """

    channels: tuple[int, ...] = within((32, 64, 96, 128), 1, 65_536)
    stem_frames: int = within(5, 1, 15)
    activation: Literal["relu", "swish", "prelu"] = "relu"
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["auto-avsr"] = "auto-avsr"

    min_size: ClassVar[int] = 1
    implied: ClassVar[dict[str, str]] = {"pooling": "average"}
    """What earlier versions wrote beside its fields, and which is so."""

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return _number(self.channels, 4, self.kind) + odd_faults("stem_frames", self.stem_frames)

    def build(self, height: int, width: int) -> "ResNetFrontend":
        """Builds the network with random weights, for input of any size."""
        from lipscribe.models.resnet import ResNetFrontend

        sizes = (self.channels, self.stem_frames, "average", None, height, width, self.dropout)
        return ResNetFrontend(*sizes, activation=self.activation)


FrontendSpec: TypeAlias = ConvFrontendSpec | ResNetFrontendSpec | LipNetFrontendSpec | AutoAVSRFrontendSpec
"""Any of the frontends; `kind` says which."""


def _number(channels: tuple[int, ...], wanted: int | None, kind: str) -> list[str]:
    if channels and wanted in (None, len(channels)):
        return []
    return [f"channels has {len(channels)} numbers, wanted {wanted or 'some'} for {kind}"]
