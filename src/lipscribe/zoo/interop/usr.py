"""The published USR 2, USR, RAVEn and BRAVEn models: their weight names and sizes in our terms.

USR and USR 2 read audio and video with one encoder, whose visual parts are taken. RAVEn and BRAVEn have an encoder for
each. Pre-trained ones have no head; training checkpoints have a teacher beside the model. All sizes come from shapes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import TransformerDecoderSpec
from lipscribe.models.encoder_specs import RelTransformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.spec import Card, InputSpec, ModelSpec
from lipscribe.schema import from_dict, to_dict
from lipscribe.tokenizer import CharacterTokenizer, UnitsTokenizer
from lipscribe.zoo.checkpoint import sizes_only
from lipscribe.zoo.interop.auto_avsr import CROP_PX
from lipscribe.zoo.interop.names import count_layers, encoder_sizes, rename, under_our_names_or_refuse
from lipscribe.zoo.layouts import released_name

BEAM_SIZE = 40  # of their published results, with a CTC weight of 0.1, which is our default too
ENCODER_ONLY = "nothing: an encoder to start a training from"
_STEM = re.compile(r"(?P<network>.*?)(?P<encoder>encoder\.)?frontend(_v)?\.frontend3D\.0\.weight")
_AUDIO = (
    *("encoder.frontend_a.", "encoder.linear_a.", "encoder.linear_av.", "ctc_a.", "ctc_av."),
    *("decoder.out_layer_a.", "decoder.out_layer_av."),
)
# Beside the model in training checkpoints: the teacher, the audio model, what only a loss needs.
_TRAINING = re.compile(
    r"(.*\.)?(target_backbone|model_audio|predictor\w*|out_layer_unlabelled\w*|layer_norm|instance_norm)\."
)
_PREFIXES = (
    ("encoder.frontend_v.", "frontend."),  # USR
    ("encoder.linear_v.", "encoder.embed.0."),
    ("ctc_v.", "ctc."),
    ("decoder.out_layer_v.", "decoder.output_layer."),
    ("encoder.frontend.", "frontend."),  # RAVEn
    ("ctc.ctc_lo.", "ctc.project."),  # both
    ("encoder.norm.", "encoder.after_norm."),  # older ESPnets
    ("decoder.output_norm.", "decoder.after_norm."),
)
_HEADS = ("ctc.project.weight", "decoder.output_layer.weight")  # after that


class Converted(NamedTuple):
    """A model in our terms: its spec, its weights under our names, and notes for the user."""

    spec: ModelSpec
    weights: dict[str, Tensor]
    notes: list[str]


def is_usr(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the weights are of this family, by the factors of its encoder's first block."""
    return any(name.endswith("encoders.0.gamma_mha") for name in tensors)


def convert(
    tensors: Mapping[str, Tensor], name: str, card: Card, source: str, find_units: Callable[[int], UnitsTokenizer]
) -> Converted:
    """The visual model in a file.

    Args:
        find_units: V -> the tokenizer; not called for an encoder without a head.

    Raises:
        CheckpointError: There is no visual model, or something is missing, unknown or of another shape.
    """
    named, notes = _visual_network(tensors, source)
    vocab_size = next((named[head].shape[0] for head in _HEADS if head in named), None)
    tokenizer = CharacterTokenizer() if vocab_size is None else find_units(vocab_size)
    if vocab_size is None:
        card = replace(card, reads=ENCODER_ONLY)
        notes.append(f"it has no head, and reads nothing: train one with `start_from: {name}`")
    elif card.reads == Card.reads:
        card = replace(card, reads=f"sentences, spelled with {vocab_size - 2} units")
    if "decoder.output_layer.weight" in named:
        notes.append(f"its published results are of a beam of {BEAM_SIZE}: add --beam-size {BEAM_SIZE} for these")
    spec = _infer_spec(named, name, tokenizer, card, source)
    with sizes_only():
        wanted = build_reader(spec).state_dict()
    assert isinstance(spec.encoder, RelTransformerEncoderSpec)
    what = f"a USR or RAVEn model ({spec.encoder.layers} layers of {spec.encoder.hidden}, {spec.encoder.heads} heads)"
    return Converted(spec, under_our_names_or_refuse(_folded(named), wanted, released_name, source, what), notes)


def _visual_network(tensors: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], list[str]]:
    """The weights of the visual model under the names of one layout, and notes about what was left out."""
    found = _networks(tensors)
    students = [network for network in found if "target" not in network] or list(found)
    if len(students) != 1:
        holds = f"{len(students)} visual networks ({', '.join(students)})" if students else "no visual network"
        remedy = "one network" if students else "the visual model (its first layer is frontend3D)"
        raise CheckpointError(f"{source} holds {holds}: give the file of {remedy}")
    network = students[0]
    others = tuple(other for other in found if other.startswith(network) and other != network)
    inside = {
        name.removeprefix(network): tensor
        for name, tensor in tensors.items()
        if name.startswith(network) and not name.startswith(others) and not name.endswith(".pe")
    }
    outside = [name for name in tensors if not name.startswith(network) or name.startswith(others)]
    if unknown := [name for name in outside if not _TRAINING.match(name)]:
        raise CheckpointError(
            f"{source} holds {len(unknown)} weights beside the model {network.rstrip('.')} that are not known "
            f"(first {', '.join(unknown[:3])}): save the weights of the model alone, and import these"
        )
    if not found[network]:  # the encoder's names without its prefix
        inside = {f"encoder.{name}": tensor for name, tensor in inside.items()}
    visual = {name: tensor for name, tensor in inside.items() if not name.startswith(_AUDIO)}
    notes = []
    if len(visual) < len(inside):
        notes.append(f"the {len(inside) - len(visual)} weights of its audio and audio-visual parts are left out")
    if outside:
        notes.append(f"of a training checkpoint, {network.rstrip('.')} is taken; {len(outside)} weights are left out")
    return rename(visual, _PREFIXES, source), notes


def _networks(tensors: Mapping[str, Tensor]) -> dict[str, bool]:
    """Prefix of each visual network's names, and whether its encoder's names have "encoder." after that."""
    stems = (_STEM.fullmatch(name) for name, tensor in tensors.items() if tensor.ndim == 5)
    return {stem["network"]: stem["encoder"] is not None for stem in stems if stem}


def _infer_spec(
    tensors: Mapping[str, Tensor], name: str, tokenizer: UnitsTokenizer | CharacterTokenizer, card: Card, source: str
) -> ModelSpec:
    try:
        encoder = _encoder(tensors)
        spec = ModelSpec(
            name=name,
            tokenizer=tokenizer,
            input=InputSpec(height=CROP_PX, width=CROP_PX, crop="auto-avsr", normalisation="fixed"),
            frontend=AutoAVSRFrontendSpec(
                channels=tuple(tensors[f"frontend.trunk.layer{n}.0.conv1.weight"].shape[0] for n in range(1, 5)),
                stem_frames=tensors["frontend.frontend3D.0.weight"].shape[2],
                activation="swish",
            ),
            encoder=encoder,
            decoder=_decoder(tensors, encoder.hidden // encoder.heads),
            ctc="ctc.project.weight" in tensors,
            card=card,
        )
    except KeyError as error:
        raise CheckpointError(f"{source} has no {error.args[0]}: give the file of a whole model") from None
    return from_dict(ModelSpec, to_dict(spec), source, CheckpointError)  # which checks the limits


def _encoder(tensors: Mapping[str, Tensor]) -> RelTransformerEncoderSpec:
    by_batch = "encoder.encoders.0.norm_ff.running_mean" in tensors
    return RelTransformerEncoderSpec(**encoder_sizes(tensors), feed_norm="batch" if by_batch else "layer")


def _decoder(tensors: Mapping[str, Tensor], head_size: int) -> TransformerDecoderSpec | None:
    """In all published models a head of the decoder is as large as one of the encoder."""
    layers = count_layers(tensors, "decoder.decoders.")
    if not layers:
        return None
    hidden = tensors["decoder.embed.0.weight"].shape[1]
    ff = tensors["decoder.decoders.0.feed_forward.w_1.weight"].shape[0]
    return TransformerDecoderSpec(hidden=hidden, layers=layers, heads=max(1, hidden // head_size), ff=ff)


def _folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without RAVEn's linear layer from encoder states to a smaller decoder: it becomes a part of the
    layers that make keys and values of its output, the only ones that it feeds.
    """
    layer = "decoder.proj_decoder."
    if f"{layer}weight" not in tensors or f"{layer}bias" not in tensors:
        return dict(tensors)
    weight, bias = (tensors[f"{layer}{part}"].double() for part in ("weight", "bias"))
    folded = {name: tensor for name, tensor in tensors.items() if not name.startswith(layer)}
    for name in tensors:
        if re.fullmatch(r"decoder\.decoders\.\d+\.src_attn\.linear_[kv]\.weight", name):
            ours, at = tensors[name].double(), f"{name.removesuffix('weight')}bias"
            if ours.shape[1:] != weight.shape[:1] or at not in tensors:
                continue  # refused with the rest
            folded[name] = (ours @ weight).to(torch.float32)
            folded[at] = (ours @ bias + tensors[at].double()).to(torch.float32)
    return folded
