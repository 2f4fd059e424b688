"""What holds for every lip reader that the builders make: padding and company change no clip's output."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.encoder_specs import (
    ConformerEncoderSpec,
    EncoderSpec,
    NoEncoderSpec,
    RecurrentEncoderSpec,
    RelConformerEncoderSpec,
    RelTransformerEncoderSpec,
    TCNEncoderSpec,
)
from lipscribe.models.frontend_specs import (
    AutoAVSRFrontendSpec,
    ConvFrontendSpec,
    FrontendSpec,
    LipNetFrontendSpec,
    ResNetFrontendSpec,
)
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.tokenizer import WordTokenizer

LENGTHS = (7, 1, 12, 3)
KINDS = [
    pytest.param(*kind, id="-".join(map(str, kind)))
    for kind in [
        *product((1, 5), ("flatten", "average"), ("lstm", "gru"), (False, True)),
        *product((5,), ("flatten",), ("tcn", "conformer", "rel-conformer", "rel-transformer", "none"), (True,)),
    ]
]


def encoder_of(cell: str, bidirectional: bool) -> EncoderSpec:
    return {
        "tcn": TCNEncoderSpec(7, 2, dropout=0.3, kernel=3),
        "conformer": ConformerEncoderSpec(8, 2, dropout=0.3, kernel=3, heads=2),
        "rel-conformer": RelConformerEncoderSpec(8, 2, dropout=0.3, kernel=3, heads=2),
        "rel-transformer": RelTransformerEncoderSpec(8, 2, dropout=0.3, heads=2, feed_norm="batch"),
        "none": NoEncoderSpec(dropout=0.3),
    }.get(cell) or RecurrentEncoderSpec(cell, 7, 2, bidirectional, dropout=0.3)


def spec_of(
    stem_frames: int = 5, pooling: str = "flatten", cell: str = "lstm", bidirectional: bool = True
) -> ModelSpec:
    return ModelSpec(
        name="toy",
        tokenizer=WordTokenizer(["a", "b", "c"]),
        input=InputSpec(16, 24),
        frontend=ConvFrontendSpec((4, 6), stem_frames, pooling, features=10, dropout=0.3),
        encoder=encoder_of(cell, bidirectional),
    )


def reader_of(spec: ModelSpec) -> LipReader:
    """A reader whose batch normalisation has seen something: fresh statistics would hide what is wrong."""
    torch.manual_seed(0)
    reader = build_reader(spec)
    for name, buffer in reader.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.5, 0.5)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return reader.eval()


def clips() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, 1, 16, 24, generator=generator) for length in LENGTHS]


def padded(parts: list[torch.Tensor], filler: float = 0.0) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=filler)


@torch.inference_mode()
@pytest.mark.parametrize(("stem_frames", "pooling", "cell", "bidirectional"), KINDS)
def test_a_clip_reads_the_same_alone_and_padded_in_a_batch(stem_frames, pooling, cell, bidirectional):
    reader = reader_of(spec_of(stem_frames, pooling, cell, bidirectional))
    parts, lengths = clips(), torch.tensor(LENGTHS)
    batch = reader(padded(parts), lengths)
    assert batch.shape == (4, 12, 4)
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch.exp().sum(-1), torch.ones(4, 12))
    check_padding_and_company(reader, batch)


@torch.inference_mode()
@pytest.mark.parametrize(
    "frontend",
    [
        ResNetFrontendSpec((4, 6, 6, 8), 5, "average", features=10),
        ResNetFrontendSpec((4, 6, 6, 8), 1, "flatten", features=10),
        LipNetFrontendSpec((4, 6, 8), dropout=0.3),
        AutoAVSRFrontendSpec((4, 6, 6, 8), 5, activation="prelu"),
        AutoAVSRFrontendSpec((4, 6, 6, 8), 3, dropout=0.3, activation="swish"),
    ],
    ids=lambda frontend: frontend.kind,
)
def test_other_frontends_are_exact_under_padding_too(frontend: FrontendSpec):
    reader = reader_of(replace(spec_of(), frontend=frontend))
    check_padding_and_company(reader, reader(padded(clips()), torch.tensor(LENGTHS)))


def check_padding_and_company(reader: LipReader, batch: torch.Tensor) -> None:
    parts, lengths = clips(), torch.tensor(LENGTHS)
    for filler in (0.0, 1000.0, float("nan")):  # whatever stands in the padding
        again = reader(padded(parts, filler), lengths)
        for row, length in enumerate(LENGTHS):
            torch.testing.assert_close(again[row, :length], batch[row, :length], atol=1e-6, rtol=0)
    for row, part in enumerate(parts):
        alone = reader(part[None], lengths[row : row + 1])
        torch.testing.assert_close(batch[row, : len(part)], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("stem_frames", [1, 5])
def test_padding_takes_no_part_in_batch_statistics(stem_frames: int):
    spec = spec_of(stem_frames)
    spec = replace(spec, frontend=replace(spec.frontend, dropout=0.0), encoder=replace(spec.encoder, dropout=0.0))
    torch.manual_seed(0)
    reader, longer = build_reader(spec).train(), build_reader(spec).train()
    longer.load_state_dict(reader.state_dict())
    parts, lengths = clips(), torch.tensor(LENGTHS)
    out = reader(padded(parts), lengths)
    with_more = longer(padded([*parts, torch.zeros(30, 1, 16, 24)])[:4], lengths)
    torch.testing.assert_close(with_more[:, :12], out, atol=1e-5, rtol=0)
    for name, buffer in reader.named_buffers():
        torch.testing.assert_close(longer.get_buffer(name), buffer, atol=1e-6, rtol=1e-6)


def test_no_gradient_reaches_the_padding():
    reader = reader_of(spec_of())
    video = padded(clips()).requires_grad_()
    log_probs = reader(video, torch.tensor(LENGTHS))
    sum(log_probs[row, :length].sum(0)[1] for row, length in enumerate(LENGTHS)).backward()
    for row, length in enumerate(LENGTHS):
        assert video.grad[row, :length].flatten(1).any(1).all()
        assert not video.grad[row, length:].any()


@torch.inference_mode()
def test_which_frames_an_output_depends_on():
    """The first output of a one-way reader sees the frames of the stem, that of a two-way reader sees all."""
    for stem_frames, bidirectional, expected in [(1, False, 1), (5, False, 3), (1, True, 9)]:
        reader = reader_of(spec_of(stem_frames, bidirectional=bidirectional))
        video = torch.randn(1, 9, 1, 16, 24)
        plain = reader(video, torch.tensor([9]))[0, 0]
        seen = []
        for frame_idx in range(9):
            changed = video.clone()
            changed[0, frame_idx] += 3
            seen.append(not torch.equal(reader(changed, torch.tensor([9]))[0, 0], plain))
        assert seen == [True] * expected + [False] * (9 - expected)


@torch.inference_mode()
@pytest.mark.parametrize(("ctc", "location_frames"), [(True, 0), (False, 3)])
def test_a_reader_with_a_decoder_is_exact_under_padding(ctc: bool, location_frames: int):
    reader = reader_of(replace(spec_of(), ctc=ctc, decoder=AttentionDecoderSpec(6, location_frames=location_frames)))
    lengths, targets = torch.tensor(LENGTHS), torch.tensor([[1, 2], [3, 0], [2, 2], [1, 0]])
    log_probs, expected = reader.forward_train(padded(clips()), lengths, targets)
    assert expected.shape == (4, 3, 4)
    if ctc:
        assert torch.equal(log_probs, reader(padded(clips()), lengths))
    else:
        assert log_probs is None
    _, again = reader.forward_train(padded(clips(), 1000.0), lengths, targets)
    torch.testing.assert_close(again, expected, atol=1e-5, rtol=0)
    for row, part in enumerate(clips()):
        _, alone = reader.forward_train(part[None], lengths[row : row + 1], targets[row : row + 1])
        torch.testing.assert_close(alone[0], expected[row], atol=1e-5, rtol=0)


def test_a_reader_without_a_decoder_teaches_by_ctc_alone():
    log_probs, expected = reader_of(spec_of()).forward_train(
        padded(clips()), torch.tensor(LENGTHS), torch.zeros(4, 1).long()
    )
    assert log_probs.shape == (4, 12, 4)
    assert expected is None


@torch.inference_mode()
def test_a_clip_of_one_frame():
    assert reader_of(spec_of())(torch.randn(1, 1, 1, 16, 24), torch.tensor([1])).shape == (1, 1, 4)


def test_parts_are_as_large_as_the_spec_says():
    reader = build_reader(spec_of(pooling="flatten"))
    assert reader.encoder.rnn.input_size == 10
    assert reader.encoder.rnn.hidden_size == 7
    assert reader.ctc.project.in_features == 14
    assert reader.ctc.project.out_features == 4  # blank and three words
    one_way = build_reader(spec_of(bidirectional=False, cell="gru"))
    assert isinstance(one_way.encoder.rnn, torch.nn.GRU)
    assert one_way.ctc.project.in_features == 7
    assert build_reader(spec_of(cell="none")).ctc.project.in_features == 10
    for pooling, size in {"flatten": 6 * 4 * 6, "average": 6}.items():
        modules = build_reader(spec_of(pooling=pooling)).frontend.modules()
        assert next(m for m in modules if isinstance(m, torch.nn.Linear)).in_features == size


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 11), (96, 96), (15, 8)])
def test_every_size_of_input_fits(height: int, width: int):
    spec = replace(spec_of(), input=InputSpec(height, width))
    assert build_reader(spec).eval()(torch.randn(1, 2, 1, height, width), torch.tensor([2])).shape == (1, 2, 4)


@torch.inference_mode()
def test_dropout_works_in_training_alone():
    reader = reader_of(spec_of())
    video, lengths = torch.randn(1, 4, 1, 16, 24), torch.tensor([4])
    assert torch.equal(reader(video, lengths), reader(video, lengths))
    reader.train()
    assert not torch.equal(reader(video, lengths), reader(video, lengths))
