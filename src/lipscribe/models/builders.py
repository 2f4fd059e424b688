"""Numbers -> networks: the only place where a spec becomes modules."""

from torch import nn

from lipscribe.models.auto_avsr import AutoAVSRFrontend
from lipscribe.models.conformer import ConformerEncoder
from lipscribe.models.decoder import AttentionDecoder
from lipscribe.models.encoder import NoEncoder, RecurrentEncoder
from lipscribe.models.frontend import ConvFrontend
from lipscribe.models.heads import CTCHead
from lipscribe.models.lipnet import LipNetFrontend
from lipscribe.models.reader import LipReader
from lipscribe.models.rel_conformer import RelConformerEncoder
from lipscribe.models.resnet import ResNetFrontend
from lipscribe.models.spec import DecoderSpec, EncoderSpec, FrontendSpec, InputSpec, ModelSpec
from lipscribe.models.tcn import TCNEncoder
from lipscribe.tokenizer import tokenizer_from_dict


def build_reader(spec: ModelSpec) -> LipReader:
    """A `LipReader` with fresh weights.

    Args:
        spec: Sizes and kinds. Every frontend goes with every encoder.
    """
    frontend = _build_frontend(spec.frontend, spec.input)
    encoder = _build_encoder(spec.encoder, frontend.out_features)
    vocab_size = len(tokenizer_from_dict(spec.tokenizer).vocab)
    ctc = CTCHead(encoder.out_features, vocab_size) if spec.ctc else None
    decoder = _build_decoder(spec.decoder, encoder.out_features, vocab_size) if spec.decoder else None
    return LipReader(frontend, encoder, ctc, decoder)


def _build_frontend(spec: FrontendSpec, size: InputSpec) -> nn.Module:
    if spec.kind == "auto-avsr":
        return AutoAVSRFrontend(spec.channels, spec.stem_frames, spec.activation, spec.dropout)
    common = {"channels": spec.channels, "height": size.height, "width": size.width, "dropout": spec.dropout}
    if spec.kind == "lipnet":
        return LipNetFrontend(**common)
    frontend_class = {"conv": ConvFrontend, "resnet18": ResNetFrontend}[spec.kind]
    return frontend_class(stem_frames=spec.stem_frames, pooling=spec.pooling, features=spec.features, **common)


def _build_encoder(spec: EncoderSpec, features: int) -> nn.Module:
    if spec.cell == "none":
        return NoEncoder(features, spec.dropout)
    sizes = {"features": features, "hidden": spec.hidden, "layers": spec.layers, "dropout": spec.dropout}
    if spec.cell == "tcn":
        return TCNEncoder(kernel=spec.kernel, **sizes)
    if spec.cell == "conformer":
        return ConformerEncoder(heads=spec.heads, kernel=spec.kernel, **sizes)
    if spec.cell == "rel-conformer":
        ff = spec.ff or 4 * spec.hidden
        return RelConformerEncoder(heads=spec.heads, kernel=spec.kernel, ff=ff, positions=spec.positions, **sizes)
    return RecurrentEncoder(cell=spec.cell, bidirectional=spec.bidirectional, **sizes)


def _build_decoder(spec: DecoderSpec, features: int, vocab_size: int) -> nn.Module:
    common = {"hidden": spec.hidden, "layers": spec.layers, "dropout": spec.dropout}
    if spec.kind == "transformer":
        from lipscribe.models.transformer_decoder import TransformerDecoder

        return TransformerDecoder(features, vocab_size, heads=spec.heads, ff=spec.ff or 4 * spec.hidden, **common)
    return AttentionDecoder(features, vocab_size, location_frames=spec.location_frames, **common)
