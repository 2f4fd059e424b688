"""The kinds of encoder: for each a record, which checks its numbers, builds its network, and holds the lengths in which
that reads long runs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from lipscribe.schema import odd_faults, within

if TYPE_CHECKING:  # a spec is read without torch
    from lipscribe.models.conformer import ConformerEncoder
    from lipscribe.models.encoder import NoEncoder, RecurrentEncoder
    from lipscribe.models.rel_transformer import RelTransformerEncoder
    from lipscribe.models.tcn import TCNEncoder


@dataclass(frozen=True)
class WindowSizes:
    """Window lengths for long runs, in frames.

    Attributes:
        window: Frames of a window whose output is kept.
        context: Further frames on each side of a window, whose output is discarded. A run of up to `window + context`
            frames is read whole.
        decoder_piece: Frames that a decoder searches at once: about as many as in its training clips.
    """

    window: int
    context: int
    decoder_piece: int


NEARBY = WindowSizes(150, 50, 150)  # 6 s, as long as two sentences of GRID
# For a network that attends to all frames and was trained on long utterances: up to 13 s are read whole and searched in
# one piece, as in the published code; windows have at most 16 s. Each output frame depends on all input frames, so
# windows only approximate the whole, worst at their seams.
ATTENDS_TO_ALL = WindowSizes(250, 75, 325)


@dataclass(frozen=True)
class RecurrentEncoderSpec:
    """A `RecurrentEncoder`; see there for the fields."""

    cell: Literal["lstm", "gru"] = "lstm"
    hidden: int = within(256, 1, 65_536)
    layers: int = within(2, 1, 16)
    bidirectional: bool = True
    dropout: float = within(0.0, 0, 0.95)
    look_ahead: int = within(0, 0, 100)

    attends_to_all: ClassVar[bool] = False
    """Whether every frame depends on all the others, so that windows do not add up to the whole."""
    window: ClassVar[WindowSizes] = NEARBY
    """In what lengths a long run is read."""

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        both = self.bidirectional and self.look_ahead
        return [f"look_ahead is {self.look_ahead}, but a bidirectional one sees all frames: want 0"] if both else []

    def build(self, features: int) -> "RecurrentEncoder":
        """Builds the network with random weights, for input vectors of size `features`."""
        from lipscribe.models.encoder import RecurrentEncoder

        return RecurrentEncoder(
            self.cell, features, self.hidden, self.layers, self.bidirectional, self.dropout, self.look_ahead
        )


@dataclass(frozen=True)
class TCNEncoderSpec:
    """A `TCNEncoder`; see there for the fields."""

    hidden: int = within(256, 1, 65_536)
    layers: int = within(2, 1, 16)
    dropout: float = within(0.0, 0, 0.95)
    kernel: int = within(5, 1, 63)
    cell: Literal["tcn"] = "tcn"

    attends_to_all: ClassVar[bool] = False
    window: ClassVar[WindowSizes] = NEARBY

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return odd_faults("kernel", self.kernel)

    def build(self, features: int) -> "TCNEncoder":
        """Builds the network with random weights, for input vectors of size `features`."""
        from lipscribe.models.tcn import TCNEncoder

        return TCNEncoder(features, self.hidden, self.layers, self.kernel, self.dropout)


@dataclass(frozen=True)
class ConformerEncoderSpec:
    """A `ConformerEncoder`; see there for the fields. Its feed-forward layers have four times `hidden` units."""

    hidden: int = within(256, 1, 65_536)
    layers: int = within(2, 1, 16)
    dropout: float = within(0.0, 0, 0.95)
    kernel: int = within(5, 1, 63)
    heads: int = within(4, 1, 65_536)
    cell: Literal["conformer"] = "conformer"

    attends_to_all: ClassVar[bool] = True
    window: ClassVar[WindowSizes] = ATTENDS_TO_ALL

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return odd_faults("kernel", self.kernel) + _divisible(self.hidden, self.heads)

    def build(self, features: int) -> "ConformerEncoder":
        """Builds the network with random weights, for input vectors of size `features`."""
        from lipscribe.models.conformer import ConformerEncoder

        sizes = (features, self.hidden, 4 * self.hidden, self.layers, self.heads, self.kernel, self.dropout)
        return ConformerEncoder(*sizes)


@dataclass(frozen=True)
class RelConformerEncoderSpec:
    """A `ConformerEncoder` with ESPnet's settings, as in the published Auto-AVSR models.

    Attributes:
        ff: Units of each feed-forward, 0 is four times `hidden`.
        positions: "legacy" as in ESPnet's first models.
    """

    hidden: int = within(256, 1, 65_536)
    layers: int = within(2, 1, 16)
    dropout: float = within(0.0, 0, 0.95)
    kernel: int = within(5, 1, 63)
    heads: int = within(4, 1, 65_536)
    ff: int = within(0, 0, 65_536)
    positions: Literal["latest", "legacy"] = "latest"
    cell: Literal["rel-conformer"] = "rel-conformer"

    attends_to_all: ClassVar[bool] = True
    window: ClassVar[WindowSizes] = ATTENDS_TO_ALL

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return odd_faults("kernel", self.kernel) + _divisible(self.hidden, self.heads)

    def build(self, features: int) -> "ConformerEncoder":
        """Builds the network with random weights, for input vectors of size `features`."""
        from lipscribe.models.conformer import ConformerEncoder

        ff = self.ff or 4 * self.hidden
        sizes = (features, self.hidden, ff, self.layers, self.heads, self.kernel, self.dropout)
        return ConformerEncoder(*sizes, espnet=True, legacy=self.positions == "legacy")


@dataclass(frozen=True)
class RelTransformerEncoderSpec:
    """A `RelTransformerEncoder`, as in the published USR and RAVEn models.

    Attributes:
        ff: Units of each feed-forward, 0 is four times `hidden`.
        feed_norm: What normalises the input of a feed-forward: each frame, or the batch, as in RAVEn.
        layer_scale: Initial factor of what each part of a block adds.
    """

    hidden: int = within(256, 1, 65_536)
    layers: int = within(2, 1, 64)
    dropout: float = within(0.0, 0, 0.95)
    heads: int = within(4, 1, 65_536)
    ff: int = within(0, 0, 65_536)
    feed_norm: Literal["layer", "batch"] = "layer"
    layer_scale: float = within(0.1, 0, 1)
    cell: Literal["rel-transformer"] = "rel-transformer"

    attends_to_all: ClassVar[bool] = True
    window: ClassVar[WindowSizes] = ATTENDS_TO_ALL

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        return _divisible(self.hidden, self.heads)

    def build(self, features: int) -> "RelTransformerEncoder":
        """Builds the network with random weights, for input vectors of size `features`."""
        from lipscribe.models.rel_transformer import RelTransformerEncoder

        sizes = (features, self.hidden, self.ff or 4 * self.hidden, self.layers, self.heads, self.dropout)
        return RelTransformerEncoder(*sizes, batch_norm=self.feed_norm == "batch", layer_scale=self.layer_scale)


@dataclass(frozen=True)
class NoEncoderSpec:
    """A `NoEncoder`: frames are independent, except for the frontend's temporal kernel."""

    dropout: float = within(0.0, 0, 0.95)
    cell: Literal["none"] = "none"

    attends_to_all: ClassVar[bool] = False
    window: ClassVar[WindowSizes] = NEARBY

    def build(self, features: int) -> "NoEncoder":
        """For vectors of size `features`."""
        from lipscribe.models.encoder import NoEncoder

        return NoEncoder(features, self.dropout)


EncoderSpec: TypeAlias = (
    RecurrentEncoderSpec
    | TCNEncoderSpec
    | ConformerEncoderSpec
    | RelConformerEncoderSpec
    | RelTransformerEncoderSpec
    | NoEncoderSpec
)
"""Any of the encoders; `cell` says which."""


def _divisible(hidden: int, heads: int) -> list[str]:
    return [f"hidden is {hidden}, wanted a multiple of {2 * heads}, twice the heads"] if hidden % (2 * heads) else []
