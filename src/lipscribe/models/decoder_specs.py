"""The kinds of decoder: for each a dataclass that validates its fields and builds the network."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from lipscribe.schema import within

if TYPE_CHECKING:  # a spec is read without torch
    from lipscribe.models.decoder import AttentionDecoder
    from lipscribe.models.transformer_decoder import TransformerDecoder


@dataclass(frozen=True)
class AttentionDecoderSpec:
    """An `AttentionDecoder`; see there for the fields."""

    hidden: int = within(256, 1, 65_536)
    layers: int = within(1, 1, 16)
    location_frames: int = within(0, 0, 201)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["lstm"] = "lstm"

    own_end: ClassVar[bool] = False
    """Whether sentences end with a symbol of their own, the tokenizer's last token, instead of CTC's blank."""

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        if self.location_frames and self.location_frames % 2 == 0:
            return [f"location_frames is {self.location_frames}, wanted 0 or an odd number"]
        return []

    def build(self, features: int, vocab_size: int) -> "AttentionDecoder":
        """Builds the network with random weights, for encoder states of size `features`."""
        from lipscribe.models.decoder import AttentionDecoder

        sizes = (features, vocab_size, self.hidden, self.layers, self.location_frames)
        return AttentionDecoder(*sizes, dropout=self.dropout)


@dataclass(frozen=True)
class TransformerDecoderSpec:
    """A `TransformerDecoder`; see there for the fields.

    Attributes:
        ff: Units of each feed-forward, 0 is four times `hidden`.
    """

    hidden: int = within(256, 1, 65_536)
    layers: int = within(1, 1, 16)
    heads: int = within(4, 1, 65_536)
    ff: int = within(0, 0, 65_536)
    dropout: float = within(0.0, 0, 0.95)
    kind: Literal["transformer"] = "transformer"

    own_end: ClassVar[bool] = True

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        if self.hidden % 2 or self.hidden % self.heads:
            return [f"hidden is {self.hidden}, wanted an even number that is a multiple of {self.heads}, the heads"]
        return []

    def build(self, features: int, vocab_size: int) -> "TransformerDecoder":
        """Builds the network with random weights, for encoder states of size `features`."""
        from lipscribe.models.transformer_decoder import TransformerDecoder

        ff = self.ff or 4 * self.hidden
        return TransformerDecoder(features, vocab_size, self.hidden, self.heads, ff, self.layers, self.dropout)


DecoderSpec: TypeAlias = AttentionDecoderSpec | TransformerDecoderSpec
"""Any of the decoders; `kind` says which."""
