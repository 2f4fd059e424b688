"""Numbers -> networks: the only place where a spec becomes modules."""

from lipscribe.models.encoder import RecurrentEncoder
from lipscribe.models.frontend import ConvFrontend
from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.tokenizer import tokenizer_from_dict


def build_reader(spec: ModelSpec) -> LipReader:
    """A `LipReader` with fresh weights.

    Args:
        spec: Sizes and kinds. Every combination of frontend (2D per frame or 3D first layer, flattened or averaged)
            and encoder (LSTM or GRU, one direction or two) is built by the same lines.
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
    encoder = RecurrentEncoder(
        cell=spec.encoder.cell,
        features=spec.frontend.features,
        hidden=spec.encoder.hidden,
        layers=spec.encoder.layers,
        bidirectional=spec.encoder.bidirectional,
        dropout=spec.encoder.dropout,
    )
    vocab = tokenizer_from_dict(spec.tokenizer).vocab
    return LipReader(frontend, encoder, CTCHead(encoder.out_features, len(vocab)))
