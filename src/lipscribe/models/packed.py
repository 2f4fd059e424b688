"""Linear layers: one that is quick for the few rows of a beam, and one that is a convolution in published files."""

import ctypes
import mmap
import sys
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

ROWS = 64  # with more, ordering the weight anew takes little of the time


class _Packed(NamedTuple):
    version: tuple[int, int]  # where the weight lay, and how often it had been changed
    weight: Tensor


# Beside the layers and not in them: copies, state dicts and files of a model know nothing of it.
_PACKED: WeakKeyDictionary[nn.Module, _Packed] = WeakKeyDictionary()
PAGEOUT = 21  # MADV_PAGEOUT of Linux 5.4 and later; an older one refuses, which is no harm
_DTYPES = ({torch.float32}, {torch.bfloat16})
_ABLE = (
    torch.backends.mkldnn.is_available()
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
)


def release(weight: Tensor) -> None:
    """Tells Linux that a weight is not needed for now: one that lies in a file is read again from there when it is.

    Nothing is lost whatever the tensor is, and elsewhere nothing happens. A decoder of 250 MB that is packed, or made
    less precise, is then in memory once.
    """
    if not sys.platform.startswith("linux") or weight.device.type != "cpu":
        return
    first, size = weight.data_ptr(), weight.untyped_storage().nbytes()
    start, stop = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, (first + weight.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if start < stop <= first + size:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), PAGEOUT)


class Linear(nn.Linear):
    """`nn.Linear`, whose weight is put in the processor's order once instead of with every call.

    A beam of 10 goes through a released decoder in half the time, one of 40 in two thirds. It costs the weight's memory
    again, from the first call with 1 to `ROWS` rows on, unless the weight lies in a file: then it is left there. It is
    done in inference mode, on the CPU, in float32 or bfloat16, and where this build of torch has oneDNN; otherwise this
    is `nn.Linear`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., D)."""
        rows = x.numel() // self.in_features
        few = _ABLE and torch.is_inference_mode_enabled() and 0 < rows <= ROWS
        if not few or x.device.type != "cpu" or {x.dtype, self.weight.dtype} not in _DTYPES:
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(x, self._packed(), self.bias, "none", [], "")

    def _packed(self) -> Tensor:
        version = (self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version)
        packed = _PACKED.get(self)
        if packed is None or packed.version != version:
            packed = _Packed(version, torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), ROWS))
            _PACKED[self] = packed
            release(self.weight)
        return packed.weight


class Pointwise(nn.Conv1d):
    """A convolution that sees one frame is a linear layer: no axes to turn round for it."""

    def __init__(self, features: int, hidden: int):
        super().__init__(features, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., D)."""
        return nn.functional.linear(x, self.weight[:, :, 0], self.bias)
