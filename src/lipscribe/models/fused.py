"""A convolution, its batch normalisation and its activation as one operation, where nothing is being learned."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lipscribe.models.packed import quick, release

_NAMES = {nn.SiLU: "swish", nn.ReLU: "relu"}  # what oneDNN calls them


class _Folded(NamedTuple):
    version: tuple[tuple[int, int], ...]  # where the tensors lay, and how often they had been changed
    weight: Tensor
    bias: Tensor


# Beside the layers and not in them: copies, state dicts and files of a model know nothing of it.
_FOLDED: WeakKeyDictionary[nn.Module, _Folded] = WeakKeyDictionary()


def convolve(
    maps: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d, activation: nn.Module | None = None, onto: Tensor | None = None
) -> Tensor:
    """activation(norm(conv(maps))), plus `onto` before the activation.

    In inference mode, on the CPU and in float32 the norm is folded into the convolution's weight, and the maps go
    through memory once instead of three or four times. The folded weight is kept until a tensor that it was made of
    changes.

    Args:
        maps: (N, C, H, W).
        conv: Without a bias.
        onto: Of the result's shape; it may be written over.
    """
    if norm.training or not quick(maps, conv.weight.dtype) or maps.dtype != torch.float32:
        out = norm(conv(maps))
        out = out if onto is None else out + onto
        return out if activation is None else activation(out)
    weight, bias = _folded(conv, norm, maps)
    geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
    if onto is None:
        name = _NAMES.get(type(activation), "none")
        out = torch.ops.mkldnn._convolution_pointwise(maps, weight, bias, *geometry, name, [], "")
        return out if activation is None or name != "none" else activation(out)
    out = torch.ops.mkldnn._convolution_pointwise_.binary(
        onto, maps, weight, bias, *geometry, "add", 1.0, None, [], None
    )
    return out if activation is None else activation(out)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d, maps: Tensor) -> tuple[Tensor, Tensor]:
    tensors = (conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    version = tuple((each.data_ptr(), 0 if each.is_inference() else each._version) for each in tensors)
    folded = _FOLDED.get(conv)
    if folded is None or folded.version != version:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = (conv.weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight, conv.padding, conv.stride, conv.dilation, conv.groups, list(maps.shape)
        )
        folded = _Folded(version, weight, norm.bias - norm.running_mean * scale)
        _FOLDED[conv] = folded
        release(conv.weight)
    return folded.weight, folded.bias
