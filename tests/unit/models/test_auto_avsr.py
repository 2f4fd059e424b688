"""Our networks against the numbers of the public Auto-AVSR code (see `auto_avsr_golden.py`)."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from auto_avsr_golden import GOLDEN, checksum, entries, needs_golden, ours, video, weights
from torch import Tensor, nn

from lipscribe.models.builders import build_reader
from lipscribe.models.conformer import ConformerEncoder, by_place
from lipscribe.models.encoder_specs import RelConformerEncoderSpec
from lipscribe.models.frontend import per_frame
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.reader import LipReader
from lipscribe.models.resnet import ResNetFrontend
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.tokenizer import UnitsTokenizer
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

SIZES = {"small": (64, 4, 128, 2), "full": (768, 12, 3072, 12)}  # hidden, heads, ff, layers
CLOSE = {"atol": 1e-5, "rtol": 0}
LENGTHS = torch.tensor([32, 24, 1])


def spec_of(config: str) -> ModelSpec:
    hidden, heads, ff, layers = SIZES[config]
    return ModelSpec(
        name=config,
        tokenizer=UnitsTokenizer(str(GOLDEN / "unigram5000_units.txt")),
        input=InputSpec(88, 88, crop="auto-avsr", normalisation="fixed"),
        frontend=AutoAVSRFrontendSpec((64, 128, 256, 512), activation="swish"),
        encoder=RelConformerEncoderSpec(hidden, layers, heads=heads, ff=ff, kernel=31),
    )


def own_weights(config: str) -> dict[str, Tensor]:
    """Without the decoder, which has its own tests."""
    theirs = {name: w for name, w in weights(config).items() if not name.startswith("decoder.")}
    with torch.device("meta"):
        return ours(theirs, build_reader(spec_of(config)))


def reader_of(spec: ModelSpec, state: dict[str, Tensor]) -> LipReader:
    with torch.device("meta"):
        reader = build_reader(spec)
    reader.load_state_dict(state, assign=True)
    return reader.eval()


@pytest.fixture(scope="module")
def small() -> LipReader:
    return reader_of(spec_of("small"), own_weights("small"))


@needs_golden
def test_the_weights_are_those_of_the_reference():
    state = weights("small")
    for name, (_, crc) in entries("small").items():
        assert not crc or checksum(state[name]) == crc
    assert checksum(video()) == "4b29066b"


def check_parity(config: str, reader: LipReader) -> None:
    golden = np.load(GOLDEN / f"{config}.npz")
    blocks = []
    for block in reader.encoder.blocks:
        block.register_forward_hook(lambda module, args, out: blocks.append(out[0]))
    lengths = torch.tensor([32])
    features = reader.frontend(video()[None, :, None], lengths)
    encoder_out = reader.encoder(features, lengths)
    log_probs = reader.ctc(encoder_out)[0]
    likely = torch.from_numpy(golden["ctc_top5_ids"]).long()
    found = {
        "frontend": features[0, :, :8],
        "proj": reader.encoder.project(features)[0],
        "enc_blocks": torch.stack(blocks),
        "enc": encoder_out[0],
        "enc_frame_l2": encoder_out[0].norm(dim=-1),
        "ctc_top5_logp": log_probs.gather(1, likely),
        "ctc_blank_logp": log_probs[:, 0],
    }
    for name, got in found.items():
        theirs = torch.from_numpy(golden[f"{name}_f64"])
        got = got[..., : theirs.shape[-1]].double()  # of the large one some features are kept
        tolerance = 3e-5 if "logp" in name else 1e-5  # in float32 the reference itself is off by half of that
        torch.testing.assert_close(got, theirs, atol=tolerance, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    assert torch.equal(log_probs.topk(5).indices, likely)


@needs_golden
@torch.inference_mode()
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_parity(small: LipReader, memory_format: torch.memory_format):
    reader = reader_of(spec_of("small"), small.state_dict())
    check_parity("small", reader.to(memory_format=memory_format))


@pytest.mark.slow
@needs_golden
@torch.inference_mode()
def test_parity_of_the_legacy_flavour(small: LipReader):
    spec = spec_of("small")
    legacy = reader_of(replace(spec, encoder=replace(spec.encoder, positions="legacy")), small.state_dict())
    theirs = torch.from_numpy(np.load(GOLDEN / "small_legacy_relpos.npz")["enc_legacy_f64"])
    out = legacy.encode(video()[None, :, None], torch.tensor([32]))[0]
    torch.testing.assert_close(out.double(), theirs, **CLOSE)
    check_padding(legacy)


def check_padding(reader: LipReader) -> Tensor:
    clips = [video(), video(24, "input_video_2"), video(3)[:1]]
    for filler in (0.0, torch.nan):
        batch = torch.full((3, 32, 1, 88, 88), filler)
        for row, clip in enumerate(clips):
            batch[row, : len(clip), 0] = clip
        out = reader.encode(batch, LENGTHS)
        for row, clip in enumerate(clips):
            alone = reader.encode(clip[None, :, None], LENGTHS[row : row + 1])[0]
            torch.testing.assert_close(out[row, : len(clip)], alone, **CLOSE)
            assert not out[row, len(clip) :].any()
    return out


@pytest.mark.slow
@needs_golden
@torch.inference_mode()
def test_a_clip_in_a_batch_is_as_alone_though_it_is_not_in_the_reference(small: LipReader):
    out = check_padding(small)
    theirs = torch.from_numpy(np.load(GOLDEN / "small.npz")["batch_enc_padded_f64"])
    torch.testing.assert_close(out[0].double(), theirs[0], **CLOSE)  # the longest has no padding
    assert (out[1, :24] - theirs[1, :24]).abs().max() > 0.2


@needs_golden
@torch.inference_mode()
@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_very_short_clips(small: LipReader, num_frames: int):
    out = small(video()[None, :num_frames, None], torch.tensor([num_frames]))
    assert out.shape == (1, num_frames, 5049)
    assert torch.isfinite(out).all()


@needs_golden
@pytest.mark.slow
def test_parity_of_the_published_size(tmp_path: Path):
    save_checkpoint(tmp_path, spec_of("full"), own_weights("full"), torch.float32)
    started = time.monotonic()
    spec, reader = load_checkpoint(tmp_path)
    assert time.monotonic() - started < 10  # a fraction of a second where the machine is quiet
    assert spec.encoder.hidden == 768
    with torch.inference_mode():
        check_parity("full", reader)


@torch.inference_mode()
def test_the_stem_is_a_3d_convolution():
    torch.manual_seed(0)
    frontend = ResNetFrontend((4, 6, 6, 8), 5, "average", None, 20, 24, 0.0, "prelu")
    conv3d = nn.Conv3d(1, 4, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
    state = frontend.state_dict()
    frontend.load_state_dict(state | {"stem.0.weight": conv3d.weight.squeeze(1)})
    clip = torch.randn(1, 7, 1, 20, 24)
    out = per_frame(frontend.stem[0], clip, torch.tensor([7]), 5)
    torch.testing.assert_close(out, conv3d(clip.transpose(1, 2)).transpose(1, 2), **CLOSE)
    for name in ("stem.2.weight", "trunk.layer1.0.activation1.weight", "trunk.layer4.1.activation2.weight"):
        assert name in state  # slopes, which older models have


@pytest.mark.parametrize("legacy", [False, True])
def test_padding_takes_no_part_in_training(legacy: bool):
    torch.manual_seed(0)
    sizes = {
        "features": 6,
        "hidden": 8,
        "ff": 12,
        "layers": 2,
        "heads": 2,
        "kernel": 5,
        "espnet": True,
        "legacy": legacy,
    }
    encoder, longer = ConformerEncoder(**sizes).train(), ConformerEncoder(**sizes).train()
    longer.load_state_dict(encoder.state_dict())
    features, lengths = torch.randn(2, 9, 6), torch.tensor([9, 4])
    wider = nn.functional.pad(features, (0, 0, 0, 5), value=1000.0)
    torch.testing.assert_close(longer(wider, lengths)[:, :9], encoder(features, lengths), **CLOSE)
    for name, buffer in encoder.named_buffers():
        torch.testing.assert_close(longer.get_buffer(name), buffer, atol=1e-6, rtol=1e-6)


def test_kept_positions_are_those_of_the_weights_and_the_length():
    torch.manual_seed(0)
    encoder = ConformerEncoder(features=6, hidden=8, ff=12, layers=1, heads=2, kernel=5, espnet=True).eval()
    other = ConformerEncoder(features=6, hidden=8, ff=12, layers=1, heads=2, kernel=5, espnet=True).eval()

    def out(net: nn.Module, num_frames: int = 5) -> Tensor:
        with torch.inference_mode():
            return net(torch.ones(1, num_frames, 6), torch.tensor([num_frames])).clone()

    first = out(encoder)
    out(encoder, 3)
    assert torch.equal(out(encoder), first)
    with_gradients = encoder(torch.ones(1, 5, 6), torch.tensor([5]))  # nothing is kept then
    torch.testing.assert_close(with_gradients, first, **CLOSE)
    expected = out(other)
    encoder.load_state_dict(other.state_dict())
    assert torch.equal(out(encoder), expected)
    with torch.no_grad():
        encoder.blocks[0].attention.position.weight.mul_(3)
    assert not torch.equal(out(encoder), expected)


def test_how_the_legacy_flavour_pairs_places():
    scores = torch.arange(1.0, 10).reshape(1, 1, 3, 3)  # queries 0, 1, 2 with places 0, 1, 2
    assert by_place(scores, [3])[0, 0].tolist() == [[3, 0, 4], [5, 6, 0], [7, 8, 9]]
    assert by_place(scores, [1])[0, 0].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


LOAD = """
import re, sys, torch
torch.set_num_threads(1)
from lipscribe.zoo.checkpoint import load_checkpoint
def peak(): return re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
imported = peak()
_, reader = load_checkpoint(sys.argv[1])
loaded = peak()
with torch.inference_mode():
    reader(torch.zeros(1, 75, 1, 88, 88), torch.tensor([75]))
print(imported, loaded, peak())
"""


@needs_golden
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to know the most memory that was used")
def test_weights_in_full_precision_are_in_memory_once(tmp_path: Path):
    save_checkpoint(tmp_path, spec_of("full"), own_weights("full"), torch.float32)
    size = (tmp_path / "model.safetensors").stat().st_size
    out = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    imported, loaded, used = (int(kib) * 1024 for kib in out.stdout.split())  # torch alone takes 0.2 to 0.5 GB
    assert loaded < imported + 0.25e9  # nothing of the weights yet
    assert used < imported + size + 0.35e9
