"""What reading does with numbers that are none, and with as few frames as there can be."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from lipscribe.errors import CheckpointError, LipscribeError
from lipscribe.model import Model
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec


@pytest.fixture
def overflowing(toy_spec: ModelSpec) -> Callable[..., tuple[ModelSpec, LipReader]]:
    """A network in which the weights of a part are at the end of float32's range."""

    def build(part: str, decoder: bool = False) -> tuple[ModelSpec, LipReader]:
        spec = replace(toy_spec, decoder=AttentionDecoderSpec(hidden=8) if decoder else None)
        torch.manual_seed(0)
        reader = build_reader(spec)
        with torch.no_grad():
            for name, weights in reader.named_parameters():
                if name.startswith(part):
                    weights.copy_(torch.where(weights < 0, -3e38, 3e38))
        return spec, reader

    return build


@pytest.mark.parametrize(
    ("precision", "remedy"),
    [
        ("float32", r"are damaged, so install or train it again$"),
        ("bfloat16", r"are damaged or overflow in bfloat16, .* take float32$"),
    ],
)
def test_states_that_are_not_finite_are_one_line_and_no_reading(
    overflowing: Callable[..., tuple[ModelSpec, LipReader]], precision: str, remedy: str
):
    model = Model(*overflowing("frontend"), precision=precision)
    with pytest.raises(
        CheckpointError, match=rf"^model toy computes numbers .* in 5 of 5 frames: its weights {remedy}"
    ):
        model.search(model.encode(np.full((5, 96, 96), 200, np.uint8)))


@pytest.mark.parametrize("part", ["ctc", "decoder.project"])
def test_scores_that_are_not_finite_are_one_line_and_not_silence(
    overflowing: Callable[..., tuple[ModelSpec, LipReader]], part: str
):
    model = Model(*overflowing(part, decoder=part != "ctc"))
    with pytest.raises(LipscribeError, match=r"NaN, \+inf or no possible token|scores are not finite"):
        model.search(model.encode(np.random.default_rng(0).integers(0, 256, (5, 96, 96)).astype(np.uint8)))


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_a_clip_of_no_frame_or_one_has_finite_numbers_in_every_batch(toy_spec: ModelSpec, num_frames: int):
    torch.manual_seed(0)
    reader = build_reader(toy_spec).eval()
    size = toy_spec.input
    video = torch.rand(2, 4, 1, size.height, size.width)
    lengths = torch.tensor([4, num_frames])
    with torch.inference_mode():
        log_probs = reader(video, lengths)
        assert log_probs[1, :num_frames].isfinite().all()
        assert torch.allclose(log_probs[0], reader(video[:1], lengths[:1])[0], atol=1e-5)
        if num_frames:
            alone = reader(video[1:, :num_frames], lengths[1:])[0]
            assert torch.allclose(log_probs[1, :num_frames], alone, atol=1e-5)
        assert reader(video[:0], lengths[:0]).shape == (0, 4, len(toy_spec.tokenizer.vocab))
