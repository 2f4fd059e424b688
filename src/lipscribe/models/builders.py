"""Numbers -> a network: what a spec's parts build, put together."""

from lipscribe.models.heads import CTCHead
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec


def build_reader(spec: ModelSpec) -> LipReader:
    """A `LipReader` with fresh weights; every frontend goes with every encoder."""
    vocab_size = len(spec.tokenizer.vocab)
    frontend = spec.frontend.build(spec.input.height, spec.input.width)
    encoder = spec.encoder.build(frontend.out_features)
    ctc = CTCHead(encoder.out_features, vocab_size) if spec.ctc else None
    decoder = spec.decoder.build(encoder.out_features, vocab_size) if spec.decoder else None
    return LipReader(frontend, encoder, ctc, decoder)
