"""Reduced precision for inference: linear layers in bfloat16 or int8, frontends in bfloat16.

Norms, softmaxes, sums and the output layers stay in float32: they cost little and affect the scores directly.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

from lipscribe.errors import ConfigError
from lipscribe.models.onednn import FrameLinear, Linear, has_int8, release

PRECISIONS = ("float32", "bfloat16", "int8")
EXACT = (  # layers that stay in float32, by name
    "project",  # the first of an encoder, the last of heads, decoders and language models
    "position",  # of an encoder: done once for windows of the same length
)
Network = TypeVar("Network", bound=nn.Module)
STEPS = 127  # of int8 on either side of 0


class BFloat16Linear(Linear):
    """A linear layer with a bfloat16 weight; input and output keep their dtype."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        with torch.device("meta"):
            super().__init__(weight.shape[1], weight.shape[0], bias is not None)
        self.weight = _frozen(weight.bfloat16())
        self.bias = None if bias is None else _frozen(bias.bfloat16())

    def forward(self, input: Tensor) -> Tensor:
        """(..., features) float -> (..., D)."""
        return super().forward(input.bfloat16()).to(input.dtype)


class Int8Linear(nn.Module):
    """A linear layer in int8, with a scale for each output and for each input row (dynamic quantisation).

    Rows are independent. torch has the matrix product on the CPU, with oneDNN.
    """

    weight: Tensor
    scales: Tensor
    zeros: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        scales = _scales(weight)[:, 0]
        numbers = (weight / scales[:, None]).round().to(torch.int8)
        self.register_buffer("weight", torch.ops.onednn.qlinear_prepack(numbers, None), persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int32), persistent=False)
        self.bias = None if bias is None else _frozen(bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) float32 -> (..., D)."""
        rows = x.reshape(-1, x.shape[-1])
        if not len(rows):
            return x.new_zeros(*x.shape[:-1], len(self.scales))
        scales = _scales(rows)  # (N, 1)
        numbers = (rows / scales).round_().add_(STEPS + 1).to(torch.uint8)  # oneDNN needs uint8, with 128 for 0
        out = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, STEPS + 1, self.weight, self.scales, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        out.mul_(scales)
        return (out if self.bias is None else out.add_(self.bias)).view(*x.shape[:-1], -1)


class BFloat16Frontend(nn.Module):
    """A frontend with bfloat16 convolutions and float32 output."""

    def __init__(self, frontend: nn.Module):
        super().__init__()
        self.exact = frontend
        self.out_features = frontend.out_features

    def forward(self, video: Tensor, video_lengths: Tensor) -> Tensor:
        """See the frontend."""
        with torch.autocast(video.device.type, torch.bfloat16):
            features = self.exact(video, video_lengths)
        return features.float()


def set_precision(model: Network, precision: str) -> Network:
    """Converts a network to a precision for inference, in place.

    Args:
        model: A `LipReader` or `TransformerLM`, on its device.
        precision: "float32" changes nothing. "bfloat16" applies to linear layers and the frontend, "int8" to linear
            layers; the rest stays float32.

    Raises:
        ConfigError: The precision is unknown, or the device does not support it.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}, want one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return model
    device = next(model.parameters()).device
    if precision == "int8" and (device.type != "cpu" or not has_int8()):
        where = f"on {device.type}" if device.type != "cpu" else "with this build of torch"
        raise ConfigError(f"precision int8 is unavailable {where}: want bfloat16, or int8 with device cpu")
    layer_class = {"bfloat16": BFloat16Linear, "int8": Int8Linear}[precision]
    for module in list(model.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, nn.Linear) and type(layer) in (nn.Linear, Linear, FrameLinear) and name not in EXACT:
                weight = layer.weight.detach()
                bias = None if layer.bias is None else layer.bias.detach()
                setattr(module, name, layer_class(weight, bias).train(layer.training))
                release(weight)
    frontend = getattr(model, "frontend", None)
    if precision == "bfloat16" and frontend is not None and not isinstance(frontend, BFloat16Frontend):
        model.frontend = BFloat16Frontend(frontend)
    return model


def _scales(rows: Tensor) -> Tensor:
    """(N, 1) float32 quantisation step of each row."""
    return rows.abs().amax(-1, keepdim=True).clamp(min=1e-12) / STEPS


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)
