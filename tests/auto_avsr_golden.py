"""Weights, inputs and outputs by which our networks are held against the public Auto-AVSR code.

The rules are those of `README.md` in the folder of golden data, sections 3 and 4. Weights and inputs are drawn, outputs
were written down from a run of the reference. Test files import what they need: `from auto_avsr_golden import weights`.
"""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import TransformerDecoderSpec
from lipscribe.models.encoder_specs import RelConformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.tokenizer import UnitsTokenizer
from lipscribe.zoo.checkpoint import save_checkpoint, sizes_only
from lipscribe.zoo.layouts import released_name, under_our_names

SHARED = Path(os.environ.get("LIPSCRIBE_SHARED") or Path(__file__).parents[2] / "shared")
GOLDEN = SHARED.absolute() / "autoavsr"
END_BIAS = {"base": 10.0, "eos": 14.0, "rare": 0.0, "noend": -60.0}  # of the decoder's <eos>, by variant
VOCAB = 5049
SIZES = {"small": (64, 4, 128, 2, 2), "full": (768, 12, 3072, 12, 6)}  # hidden, heads, ff, blocks, decoder's layers

needs_golden = pytest.mark.skipif(  # for a test, or a file as `pytestmark`
    not GOLDEN.is_dir(), reason=f"needs the Auto-AVSR golden data in {GOLDEN} (LIPSCRIBE_SHARED=FOLDER)"
)


def entries(config: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and CRC-32 (hex, of variant "base") of each entry of the state dict of `config`, "small" or "full"."""
    data = json.loads((GOLDEN / f"state_dict_{config}.json").read_text())
    return {name: (tuple(shape), crc) for name, _, shape, crc, _ in data["entries"]}


def weights(config: str, variant: str = "base") -> dict[str, Tensor]:
    """The whole state dict of `config` under auto_avsr's names: 50 MB ("small") or 1 GB ("full")."""
    return fill({name: shape for name, (shape, _) in entries(config).items()}, variant)


def fill(shapes: Mapping[str, tuple[int, ...]], variant: str = "base") -> dict[str, Tensor]:
    """Deterministic weights for entries with auto_avsr's names and these shapes; `variant` is a key of `END_BIAS`."""
    return {name: _entry(name, tuple(shape), variant) for name, shape in shapes.items()}


PREFIXES = {"proj_encoder.": "encoder.embed.0.", "ctc.ctc_lo.": "ctc.project."}  # that the importer replaces


def ours(state: Mapping[str, Tensor], network: nn.Module, part: str = "") -> dict[str, Tensor]:
    """Weights with auto_avsr's names under those of our network, or of a part such as "decoder.": that part's alone."""
    theirs = {name: tensor for name, tensor in renamed(state).items() if name.startswith(part)}
    return under_our_names(theirs, network.state_dict(), lambda name: released_name(part + name))


def renamed(state: Mapping[str, Tensor], prefixes: Mapping[str, str] = PREFIXES) -> dict[str, Tensor]:
    """A state dict with other prefixes."""
    out = {}
    for name, tensor in state.items():
        old = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        out[prefixes.get(old, "") + name.removeprefix(old)] = tensor
    return out


def write_model(folder: Path, config: str) -> None:
    """A model folder of `config` with the weights of variant "base", and the published units."""
    hidden, heads, ff, blocks, layers = SIZES[config]
    spec = ModelSpec(
        name=f"{config}-by-rule",
        tokenizer=UnitsTokenizer(str(GOLDEN / "unigram5000_units.txt")),
        input=InputSpec(88, 88, crop="auto-avsr", normalisation="fixed"),
        frontend=AutoAVSRFrontendSpec((64, 128, 256, 512), activation="swish"),
        encoder=RelConformerEncoderSpec(hidden, blocks, heads=heads, ff=ff, kernel=31),
        decoder=TransformerDecoderSpec(hidden=hidden, layers=layers, heads=heads, ff=ff),
    )
    with sizes_only():
        reader = build_reader(spec)
    save_checkpoint(folder, spec, ours(weights(config), reader), torch.float32)


def video(num_frames: int = 32, name: str = "input_video") -> Tensor:
    """(T, 88, 88) float32: what stands for a normalised clip. A shorter one is not the start of a longer one."""
    rng = _rng(name)
    quad = rng.standard_normal((num_frames, 2, 2))
    loud = rng.standard_normal((num_frames, 1, 1))
    fine = rng.standard_normal((num_frames, 88, 88))
    coarse = quad.repeat(44, axis=1).repeat(44, axis=2)
    return torch.from_numpy((coarse * np.exp(0.5 * loud) + 0.25 * fine).astype(np.float32))


def checksum(tensor: Tensor) -> str:
    """CRC-32 in hex, as in the files."""
    return f"{zlib.crc32(np.ascontiguousarray(tensor.numpy())):08x}"


def _rng(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def _entry(name: str, shape: tuple[int, ...], variant: str) -> Tensor:
    module, _, leaf = name.rpartition(".")
    if leaf == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    return torch.from_numpy(np.asarray(_values(name, module, leaf, shape, variant), np.float32).reshape(shape))


def _values(name: str, module: str, leaf: str, shape: tuple[int, ...], variant: str) -> np.ndarray:
    count = int(np.prod(shape))
    if leaf == "running_var":
        return 1 + 0.1 * _rng(name).random(count)
    if name in ("decoder.output_layer.bias", "ctc.ctc_lo.bias"):
        prior = 3 * _rng("token_prior").standard_normal(VOCAB)
        prior[0], prior[-1] = (0, END_BIAS[variant]) if name.startswith("decoder") else (14, 0)
        return prior
    drawn = _rng(name).standard_normal(count)
    if leaf == "running_mean":
        return 0.1 * drawn
    if leaf == "bias":
        return 0.05 * drawn
    if leaf in ("pos_bias_u", "pos_bias_v"):
        return 0.3 * drawn
    if len(shape) == 1:
        return 1 + 0.1 * drawn
    return drawn * (_gain(name, module) / np.sqrt(count / shape[0]))


def _gain(name: str, module: str) -> float:
    if name in ("decoder.output_layer.weight", "ctc.ctc_lo.weight"):
        return 3 if name.startswith("decoder") else 4
    part = module.rpartition(".")[2]
    if part in ("linear_out", "w_2", "pointwise_cov2"):
        return 0.35 if name.startswith("encoder.") else 1
    if part in ("linear_q", "linear_k"):
        return 1 if name.startswith("encoder.") else 1.5
    return 1
