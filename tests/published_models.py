"""Models in the layouts that others publish them in, small enough to be written in no time."""

import json
from pathlib import Path
from typing import Any

import torch
from auto_avsr_golden import PREFIXES, renamed
from torch import Tensor

from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import TransformerDecoderSpec
from lipscribe.models.encoder_specs import RelConformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.tokenizer import UnitsTokenizer
from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model
from lipscribe.zoo.layouts import released_lm_name, released_name

UNITS = ("<unk>", "\u2581RED", "\u2581BLUE", "\u2581AT", "S", "'")
VOCAB = len(UNITS) + 2
CONFIG = {  # of a model.json
    "adim": 16,
    "aheads": 4,
    "eunits": 24,
    "elayers": 2,
    "dunits": 20,
    "dlayers": 1,
    "cnn_module_kernel": 7,
    "transformer_encoder_attn_layer_type": "rel_mha",
    "rel_pos_type": "latest",
    "relu_type": "swish",
    "char_list": ["<blank>", *UNITS, "<eos>"],
}
LM_CONFIG = {"embed_unit": 6, "att_unit": 8, "head": 2, "unit": 12, "layer": 3, "pos_enc": "sinusoidal"}


def write_units(path: Path, units: tuple[str, ...] = UNITS) -> Path:
    path.write_text("".join(f"{unit} {idx}\n" for idx, unit in enumerate(units, start=1)), encoding="utf-8")
    return path


def tiny_state(folder: Path, activation: str = "swish") -> dict[str, Tensor]:
    """The weights of a toy model under auto_avsr's names; `folder` is for its units."""
    units = write_units(folder / "toy.txt")
    spec = ModelSpec(
        name="toy",
        tokenizer=UnitsTokenizer(str(units)),
        input=InputSpec(88, 88, crop="auto-avsr", normalisation="fixed"),
        frontend=AutoAVSRFrontendSpec((4, 4, 6, 8), activation=activation),
        encoder=RelConformerEncoderSpec(hidden=16, layers=2, heads=4, ff=24, kernel=7),
        decoder=TransformerDecoderSpec(hidden=16, layers=1, heads=4, ff=20),
    )
    torch.manual_seed(0)
    state = build_reader(spec).state_dict()
    named = {released_name(name): in_their_shape(name, tensor) for name, tensor in state.items()}
    return renamed(named, {new: theirs for theirs, new in PREFIXES.items()})


def in_their_shape(name: str, tensor: Tensor) -> Tensor:
    """A weight with the axes of size 1 that it has in the files of Auto-AVSR."""
    if name == "frontend.stem.0.weight":
        return tensor.unsqueeze(1)
    if name.endswith(("convolution.gate.weight", "convolution.out.weight")):
        return tensor.unsqueeze(-1)
    return tensor.squeeze(1) if name.endswith(("content_bias", "distance_bias")) else tensor


def tiny_lm_state() -> dict[str, Tensor]:
    """The weights of a toy language model under ESPnet's names."""
    spec = LanguageModelSpec("toy", VOCAB, embedding=6, hidden=8, heads=2, ff=12, layers=3)
    torch.manual_seed(0)
    return {released_lm_name(name): tensor for name, tensor in build_language_model(spec).state_dict().items()}


def chaplin_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of auto_avsr's layout in that of Chaplin and VSR-ML."""
    return renamed(state, {"frontend.": "encoder.frontend.", "proj_encoder.": "encoder.embed.0."})


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of Chaplin's layout under the names that ESPnet once had, with the table that it once saved."""
    named = {}
    for name, tensor in state.items():
        for new, old in (
            ("encoder.embed.", "encoder.input_layer."),
            ("encoder.after_norm.", "encoder.norm."),
            ("decoder.after_norm.", "decoder.output_norm."),
        ):
            if name.startswith(new):
                name = old + name.removeprefix(new)
        named[name] = tensor
    return named | {"decoder.embed.1.pe": torch.zeros(1, 100, 16)}


def lightning(state: dict[str, Tensor]) -> dict[str, Any]:
    """What Lightning's .ckpt holds."""
    return {
        "epoch": 3,
        "global_step": 70,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {f"model.{name}": tensor for name, tensor in state.items()},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-3}]}],
        "hyper_parameters": {"lr": 1e-3},
    }


def save(path: Path, data: Any, config: Any = None) -> Path:
    """Writes weights, and what is said of them beside them."""
    torch.save(data, path)
    if config is not None:
        path.with_suffix(".json").write_text(json.dumps(config))
    return path
