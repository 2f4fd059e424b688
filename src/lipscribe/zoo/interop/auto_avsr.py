"""The published visual-only Auto-AVSR models: their weight names and sizes in our terms.

They come in two layouts (mpc001's auto_avsr, and that of Visual_Speech_Recognition_for_Multiple_Languages and Chaplin)
which differ in two names only. Sizes come from the shapes of the weights, the rest from the `model.json` of the
second layout.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import TransformerDecoderSpec
from lipscribe.models.encoder_specs import RelConformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.spec import Card, InputSpec, ModelSpec
from lipscribe.schema import from_dict, to_dict
from lipscribe.tokenizer import UnitsTokenizer
from lipscribe.zoo.checkpoint import sizes_only
from lipscribe.zoo.interop.names import count_layers, encoder_sizes, rename, under_our_names_or_refuse
from lipscribe.zoo.layouts import released_name

CROP_PX = 88  # input size of all of them
_PREFIXES = (
    ("encoder.frontend.", "frontend."),  # the second layout
    ("proj_encoder.", "encoder.embed.0."),  # the first
    ("ctc.ctc_lo.", "ctc.project."),  # both
    ("encoder.input_layer.", "encoder.embed."),  # older ESPnets
    ("encoder.norm.", "encoder.after_norm."),
    ("decoder.output_norm.", "decoder.after_norm."),
)
_SIZES = {  # name in model.json: place in a spec
    "adim": ("encoder", "hidden"),
    "aheads": ("encoder", "heads"),
    "eunits": ("encoder", "ff"),
    "elayers": ("encoder", "layers"),
    "cnn_module_kernel": ("encoder", "kernel"),
    "dunits": ("decoder", "ff"),
    "dlayers": ("decoder", "layers"),
}


def one_layout(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Weights of either layout under the same names; computed tables of positions are dropped.

    Raises:
        CheckpointError: They are not of a visual-only network.
    """
    renamed = rename({name: t for name, t in tensors.items() if not name.endswith(".pe")}, _PREFIXES, source)
    stem = renamed.get("frontend.frontend3D.0.weight")
    if stem is None or stem.ndim != 5:
        kind = (
            "reads audio, or is of another family" if any(n.startswith("frontend.") for n in renamed) else "is unknown"
        )
        some = ", ".join(sorted(tensors)[:3])
        raise CheckpointError(
            f"{source} holds a network that {kind} (it has {some}, ...): "
            "wanted a visual-only model of Auto-AVSR, whose first layer is frontend.frontend3D, or of USR, RAVEn or "
            "BRAVEn (docs/weights.md)"
        )
    return renamed


def vocab_size(tensors: Mapping[str, Tensor], source: str) -> int:
    """V, of weights in one layout.

    Raises:
        CheckpointError: They have no head that predicts tokens.
    """
    for name in ("ctc.project.weight", "decoder.output_layer.weight"):
        if name in tensors:
            return tensors[name].shape[0]
    raise CheckpointError(f"{source} has neither a CTC head nor a decoder: give the file of a whole lip reader")


def infer_spec(
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any] | None,
    name: str,
    tokenizer: UnitsTokenizer,
    card: Card,
    source: str,
) -> ModelSpec:
    """Infers the spec of the network from its weights.

    Args:
        tensors: In one layout.
        config: Of `model.json`; without it, positions are those of Auto-AVSR itself, and the decoder has as many heads
            as the encoder.

    Raises:
        CheckpointError: A size cannot be found, or `config` is of another model.
    """
    try:
        encoder, decoder = _encoder(tensors, _positions(config or {}, source)), _decoder(tensors, config or {})
        stem = tensors["frontend.frontend3D.0.weight"].shape
        stages = [tensors[f"frontend.trunk.layer{n}.0.conv1.weight"].shape[0] for n in range(1, 5)]
    except KeyError as error:
        raise CheckpointError(f"{source} has no {error.args[0]}: give the file of a whole Auto-AVSR model") from None
    spec = ModelSpec(
        name=name,
        tokenizer=tokenizer,
        input=InputSpec(height=CROP_PX, width=CROP_PX, crop="auto-avsr", normalisation="fixed"),
        frontend=AutoAVSRFrontendSpec(
            channels=tuple(stages),
            stem_frames=stem[2],
            activation=_activation(tensors, config or {}),
        ),
        encoder=encoder,
        decoder=decoder,
        ctc="ctc.project.weight" in tensors,
        card=card,
    )
    _refuse_other_config(spec, config or {}, source)
    return from_dict(ModelSpec, to_dict(spec), source, CheckpointError)  # which checks the limits


def our_names(spec: ModelSpec, tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Weights in one layout under the names of what `build_reader` makes of the spec.

    Raises:
        CheckpointError: Names or shapes differ.
    """
    with sizes_only():
        wanted = build_reader(spec).state_dict()
    assert isinstance(spec.encoder, RelConformerEncoderSpec)
    sizes = f"{spec.encoder.layers} layers of {spec.encoder.hidden}, {spec.encoder.heads} heads"
    return under_our_names_or_refuse(tensors, wanted, released_name, source, f"an Auto-AVSR model ({sizes})")


def _encoder(tensors: Mapping[str, Tensor], positions: Literal["latest", "legacy"]) -> RelConformerEncoderSpec:
    return RelConformerEncoderSpec(
        **encoder_sizes(tensors),
        kernel=tensors["encoder.encoders.0.conv_module.depthwise_conv.weight"].shape[-1],
        positions=positions,
    )


def _decoder(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> TransformerDecoderSpec | None:
    layers = count_layers(tensors, "decoder.decoders.")
    if not layers:
        return None
    heads = config.get("aheads")
    return TransformerDecoderSpec(
        hidden=tensors["decoder.embed.0.weight"].shape[1],
        layers=layers,
        heads=heads if isinstance(heads, int) else tensors["encoder.encoders.0.self_attn.pos_bias_u"].shape[0],
        ff=tensors["decoder.decoders.0.feed_forward.w_1.weight"].shape[0],
    )


def _positions(config: Mapping[str, Any], source: str) -> Literal["latest", "legacy"]:
    """Whether positions are those of early ESPnet, whose bug its models depend on."""
    kind = config.get("transformer_encoder_attn_layer_type", "rel_mha")
    if kind not in ("rel_mha", "legacy_rel_mha"):
        raise CheckpointError(f"{source} has attention of kind {kind!r}: only rel_mha can be read, as in Auto-AVSR")
    if not config or (kind == "rel_mha" and config.get("rel_pos_type") == "latest"):
        return "latest"
    return "legacy"


def _activation(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Literal["relu", "swish", "prelu"]:
    if "frontend.frontend3D.2.weight" in tensors:
        return "prelu"
    return "relu" if config.get("relu_type") == "relu" else "swish"


def _refuse_other_config(spec: ModelSpec, config: Mapping[str, Any], source: str) -> None:
    for key, (part, field) in _SIZES.items():
        block = getattr(spec, part)
        if block is not None and key in config and config[key] != getattr(block, field):
            raise CheckpointError(
                f"{source} has {getattr(block, field)} but the model.json next to it has {key} {config[key]}: "
                "they are of two models, use the right one"
            )
