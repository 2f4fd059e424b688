"""oneDNN operations for inference: linear layers that are fast for the few rows of a beam and for a clip's frames, and
fused convolution, norm and activation.
"""

import ctypes
import mmap
import sys
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Geometry = tuple[Sequence[int | str], Sequence[int], Sequence[int], int]  # padding, stride, dilation, groups
ROWS = 64  # with more, reordering the weight takes little of the time
PAGEOUT = 21  # MADV_PAGEOUT of Linux 5.4 and later; an older one ignores it
_DTYPES = ({torch.float32}, {torch.bfloat16})
_ACTIVATIONS = {nn.SiLU: "swish", nn.ReLU: "relu"}  # oneDNN's names


class _Reordered(NamedTuple):
    version: tuple[tuple[int, int], ...]  # data pointer and version of each source tensor
    weight: Tensor
    bias: Tensor | None = None


# Kept outside the layers, so that copies, state dicts and saved models do not include it.
_KEPT: WeakKeyDictionary[nn.Module, _Reordered] = WeakKeyDictionary()


@cache
def has_onednn() -> bool:
    """Whether this build of torch has the operations used here, with the same signatures."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        with torch.inference_mode():
            maps, weight, geometry = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1), ([0, 0], [1, 1], [1, 1], 1)
            _linear(maps.flatten(1), _reordered_linear(torch.zeros(3, 4)), None)
            _convolution(maps, _reordered_convolution(weight, geometry, maps), torch.zeros(1), geometry, "swish")
            _convolution_onto(maps.clone(), maps, weight, torch.zeros(1), geometry)
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
    return True


@cache
def has_int8() -> bool:
    """Whether this build of torch has int8 matrix products on the CPU, by oneDNN."""
    return hasattr(torch.ops.onednn, "qlinear_pointwise") and hasattr(torch.ops.onednn, "qlinear_prepack")


def quick(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether oneDNN operations apply to `x` and weights of a dtype: in inference, on the CPU."""
    if not torch.is_inference_mode_enabled() or x.device.type != "cpu" or not x.numel():
        return False
    return {x.dtype, dtype} in _DTYPES and not torch.is_autocast_enabled("cpu") and has_onednn()


class Linear(nn.Linear):
    """`nn.Linear` by oneDNN, whose weight is packed once instead of in every call.

    A published decoder takes half the time with a beam of 10, two thirds with 40. From the first call with 1 to
    `pack_rows` rows the packed weight takes the memory of the weight again, unless that is memory-mapped and can be
    paged out. This applies in inference mode, on the CPU, in float32 or bfloat16, if this build of torch has oneDNN;
    otherwise it is `nn.Linear`.

    Attributes:
        pack_rows: With more rows the weight is used unpacked.
    """

    pack_rows = ROWS

    def forward(self, input: Tensor) -> Tensor:
        """(..., features) -> (..., D)."""
        if not quick(input, self.weight.dtype):
            return super().forward(input)
        few = input.numel() // self.in_features <= self.pack_rows
        return _linear(input, self._packed() if few else self.weight, self.bias)

    def _packed(self) -> Tensor:
        version = _version(self.weight)
        packed = _KEPT.get(self)
        if packed is None or packed.version != version:
            packed = _Reordered(version, _reordered_linear(self.weight.detach()))
            _KEPT[self] = packed
            release(self.weight)
        return packed.weight


class FrameLinear(Linear):
    """`Linear` for the frames of clips, never packed: a fifth faster than torch's at 75 and 250 rows of 768 (AMD EPYC),
    without extra memory."""

    pack_rows = 0


def convolve(
    maps: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d, activation: nn.Module | None = None, onto: Tensor | None = None
) -> Tensor:
    """activation(norm(conv(maps))), plus `onto` before the activation.

    In inference mode, on the CPU and in float32 the norm is folded into the convolution's weight, and the maps pass
    through memory once instead of three or four times. The folded weight is cached until one of its sources changes.

    Args:
        maps: (N, C, H, W).
        conv: Without a bias.
        onto: A residual of the result's shape; may be overwritten.
    """
    if norm.training or not quick(maps, conv.weight.dtype) or maps.dtype != torch.float32:
        out = norm(conv(maps))
        out = out if onto is None else out + onto
        return out if activation is None else activation(out)
    geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
    weight, bias = _folded(conv, norm, maps, geometry)
    name = _ACTIVATIONS.get(type(activation), "none") if onto is None else "none"
    if onto is None:
        out = _convolution(maps, weight, bias, geometry, name)
    else:
        out = _convolution_onto(onto, maps, weight, bias, geometry)
    return out if activation is None or name != "none" else activation(out)


def release(weight: Tensor) -> None:
    """Asks Linux to page out a weight: a memory-mapped one is read from its file when it is needed again.

    No data is lost, and other systems ignore it. A decoder of 250 MB that is packed or converted is then in memory
    once.
    """
    if not sys.platform.startswith("linux") or weight.device.type != "cpu":
        return
    first, size = weight.data_ptr(), weight.untyped_storage().nbytes()
    start, stop = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, (first + weight.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if start < stop <= first + size:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), PAGEOUT)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d, maps: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None, "a norm in eval mode knows what it has seen"
    version = _version(conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    folded = _KEPT.get(conv)
    if folded is None or folded.version != version:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = (conv.weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
        weight = _reordered_convolution(weight, geometry, maps)
        folded = _Reordered(version, weight, norm.bias - norm.running_mean * scale)
        _KEPT[conv] = folded
        release(conv.weight)
    assert folded.bias is not None
    return folded.weight, folded.bias


def _version(*tensors: Tensor) -> tuple[tuple[int, int], ...]:
    return tuple((each.data_ptr(), 0 if each.is_inference() else each._version) for each in tensors)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _reordered_linear(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)


def _convolution(maps: Tensor, weight: Tensor, bias: Tensor, geometry: Geometry, activation: str) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(maps, weight, bias, *geometry, activation, [], "")


def _convolution_onto(onto: Tensor, maps: Tensor, weight: Tensor, bias: Tensor, geometry: Geometry) -> Tensor:
    binary = torch.ops.mkldnn._convolution_pointwise_.binary
    return binary(onto, maps, weight, bias, *geometry, "add", 1.0, None, [], None)


def _reordered_convolution(weight: Tensor, geometry: Geometry, maps: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, list(maps.shape))
