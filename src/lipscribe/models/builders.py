"""Builds the network of a spec from its parts."""

from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec


def build_reader(spec: ModelSpec) -> LipReader:
    """Builds a `LipReader` with random weights; any frontend works with any encoder."""
    vocab_size = len(spec.tokenizer.vocab)
    frontend = spec.frontend.build(spec.input.height, spec.input.width)
    encoder = spec.encoder.build(frontend.out_features)
    ctc = CTCHead(encoder.out_features, vocab_size) if spec.ctc else None
    decoder = spec.decoder.build(encoder.out_features, vocab_size) if spec.decoder else None
    return LipReader(frontend, encoder, ctc, decoder)
