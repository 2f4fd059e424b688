"""Weight names in other layouts: of published models, and of our own before version 2."""

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from lipscribe.models.encoder_specs import ConformerEncoderSpec, RelConformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec, ResNetFrontendSpec
from lipscribe.models.spec import ModelSpec

_Rules = Iterable[tuple[str, str]]  # patterns of our names, and their replacements

_ATTENTION: _Rules = tuple(
    (rf"\.{ours}\.", rf".linear_{theirs}.")
    for ours, theirs in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "out"), ("position", "pos"))
)
_FEED: _Rules = ((r"\.up\.", ".w_1."), (r"\.down\.", ".w_2."))
# Our names -> those in the files of Auto-AVSR, RAVEn and ESPnet.
RELEASED: Mapping[str, _Rules] = {
    "frontend": ((r"^stem\.", "frontend3D."), (r"\.activation([12])\.", r".relu\1.")),
    "encoder": (
        (r"^project\.", "embed.0."),
        (r"^norm\.", "after_norm."),
        (r"\.convolution\.gate\.", ".conv_module.pointwise_cov1."),
        (r"\.convolution\.out\.", ".conv_module.pointwise_cov2."),
        (r"\.convolution\.depthwise\.", ".conv_module.depthwise_conv."),
        (r"\.convolution\.", ".conv_module."),
        *_ATTENTION,
        *_FEED,
        (r"\.content_bias$", ".pos_bias_u"),
        (r"\.distance_bias$", ".pos_bias_v"),
        (r"\.attention\.", ".self_attn."),
        (r"\.feed_before\.", ".feed_forward_macaron."),
        (r"\.feed(_after)?\.", ".feed_forward."),
        (r"\.norm_before\.", ".norm_ff_macaron."),
        (r"\.norm_attention\.", ".norm_mha."),
        (r"\.norm_convolution\.", ".norm_conv."),
        (r"\.norm_(after|feed)\.", ".norm_ff."),
        (r"\.scale_attention$", ".gamma_mha"),
        (r"\.scale_feed$", ".gamma_ff"),
        (r"^(blocks\.\d+)\.norm\.", r"\1.norm_final."),
        (r"^blocks\.", "encoders."),
    ),
    "decoder": (
        (r"^embedding\.", "embed.0."),
        (r"^norm\.", "after_norm."),
        (r"^project\.", "output_layer."),
        *_ATTENTION,
        *_FEED,
        (r"\.self_attention\.", ".self_attn."),
        (r"\.source_attention\.", ".src_attn."),
        (r"\.feed\.", ".feed_forward."),
        (r"\.norm_self\.", ".norm1."),
        (r"\.norm_source\.", ".norm2."),
        (r"\.norm_feed\.", ".norm3."),
        (r"^layers\.", "decoders."),
    ),
}
RELEASED_LM: _Rules = (
    (r"^embedding\.", "embed."),
    (r"^input\.", "encoder.embed.0."),
    (r"^input_norm\.", "encoder.embed.1."),
    (r"^norm\.", "encoder.after_norm."),
    (r"^project\.", "decoder."),
    *_ATTENTION,
    *_FEED,
    (r"\.self_attention\.", ".self_attn."),
    (r"\.feed\.", ".feed_forward."),
    (r"\.norm_self\.", ".norm1."),
    (r"\.norm_feed\.", ".norm2."),
    (r"^layers\.", "encoder.encoders."),
)
# Our names -> those of version 1, for the conformer and the ResNet; the others are unchanged.
_CONFORMER_1: _Rules = (
    (r"\.convolution\.norm\.", ".convolution.norm_frames."),
    (r"\.norm_convolution\.", ".convolution.norm."),
    (r"\.norm_(before|after)\.", r".feed_\1.0."),
    (r"\.up\.", ".1."),
    (r"\.down\.", ".4."),
)
_RESNET_1: _Rules = (
    *((rf"^trunk\.layer{s}\.{b}\.", f"frames.net.{2 + 2 * s + b}.") for s in range(1, 5) for b in range(2)),
    *((rf"\.{name}\.", f".net.{place}.") for name, place in (("conv1", 0), ("bn1", 1), ("conv2", 3), ("bn2", 4))),
    (r"\.downsample\.", ".around."),
    (r"^stem\.", "frames.net."),
    *((rf"^tail\.{place}\.", f"frames.net.{12 + place}.") for place in range(5)),
)


def released_name(name: str) -> str:
    """The name of our weight in Auto-AVSR's files, after the importer has unified their layouts."""
    part, _, rest = name.partition(".")
    return f"{part}.{_replaced(rest, RELEASED.get(part, ()))}"


def released_lm_name(name: str) -> str:
    """The name of our language model's weight in ESPnet's files."""
    return _replaced(name, RELEASED_LM)


def version_1_name(spec: ModelSpec) -> Callable[[str], str]:
    """The weight names of such a model in version 1."""
    parts: dict[str, _Rules] = {}
    if isinstance(spec.frontend, AutoAVSRFrontendSpec):
        parts["frontend"] = RELEASED["frontend"]
    elif isinstance(spec.frontend, ResNetFrontendSpec):
        parts["frontend"] = _RESNET_1
    if isinstance(spec.encoder, RelConformerEncoderSpec):
        parts["encoder"] = RELEASED["encoder"]
    elif isinstance(spec.encoder, ConformerEncoderSpec):
        parts["encoder"] = _CONFORMER_1
    if spec.decoder is not None and spec.decoder.own_end:
        parts["decoder"] = RELEASED["decoder"]

    def earlier(name: str) -> str:
        part, _, rest = name.partition(".")
        return f"{part}.{_replaced(rest, parts.get(part, ()))}"

    return earlier


def under_our_names(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name_of: Callable[[str], str]
) -> dict[str, Tensor]:
    """Renames weights of another layout to ours, and reshapes those that differ only in axes of size 1.

    Nothing is copied. Unknown weights keep their name, so the caller can refuse them.

    Args:
        wanted: Our network's state dict, on any device.
        name_of: Our name -> the other layout's.
    """
    left, ours = dict(tensors), {}
    for name, like in wanted.items():
        if (tensor := left.pop(name_of(name), None)) is not None:
            ours[name] = tensor.reshape(like.shape) if same_but_for_ones(tensor, like) else tensor
    return ours | left


def same_but_for_ones(one: Tensor, other: Tensor) -> bool:
    """Whether two shapes are equal except for axes of size 1."""
    return [size for size in one.shape if size != 1] == [size for size in other.shape if size != 1]


def _replaced(name: str, rules: _Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
