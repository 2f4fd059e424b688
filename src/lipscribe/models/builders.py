"""Numbers -> networks: the only place where a spec becomes modules."""

from torch import nn

from lipscribe.models.conformer import ConformerEncoder
from lipscribe.models.encoder import NoEncoder, RecurrentEncoder
from lipscribe.models.frontend import ConvFrontend
from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import EncoderSpec, ModelSpec
from lipscribe.models.tcn import TCNEncoder
from lipscribe.tokenizer import tokenizer_from_dict


def build_reader(spec: ModelSpec) -> LipReader:
    """A `LipReader` with fresh weights.

    Args:
        spec: Sizes and kinds. Every frontend goes with every encoder.
    """
    frontend = ConvFrontend(
        channels=spec.frontend.channels,
        stem_frames=spec.frontend.stem_frames,
        pooling=spec.frontend.pooling,
        features=spec.frontend.features,
        height=spec.input.height,
        width=spec.input.width,
        dropout=spec.frontend.dropout,
    )
    encoder = _build_encoder(spec.encoder, spec.frontend.features)
    vocab = tokenizer_from_dict(spec.tokenizer).vocab
    return LipReader(frontend, encoder, CTCHead(encoder.out_features, len(vocab)))


def _build_encoder(spec: EncoderSpec, features: int) -> nn.Module:
    if spec.cell == "none":
        return NoEncoder(features, spec.dropout)
    sizes = {"features": features, "hidden": spec.hidden, "layers": spec.layers, "dropout": spec.dropout}
    if spec.cell == "tcn":
        return TCNEncoder(kernel=spec.kernel, **sizes)
    if spec.cell == "conformer":
        return ConformerEncoder(heads=spec.heads, kernel=spec.kernel, **sizes)
    return RecurrentEncoder(cell=spec.cell, bidirectional=spec.bidirectional, **sizes)
