"""Linear layers: quick ones for the few rows of a beam and for a clip's frames, and one that published files call a
convolution."""

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


def quick(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether oneDNN's own operations can be called for `x` and weights of a dtype: in inference, on the CPU."""
    if not _ABLE or not torch.is_inference_mode_enabled() or x.device.type != "cpu" or not x.numel():
        return False
    return {x.dtype, dtype} in _DTYPES and not torch.is_autocast_enabled("cpu")


class Linear(nn.Linear):
    """`nn.Linear` by oneDNN, whose weight is put in the processor's order once instead of with every call.

    A beam of 10 goes through a released decoder in half the time, one of 40 in two thirds. It costs the memory of the
    weight again, from the first call with 1 to `pack_rows` rows on, unless the weight lies in a file: then it is left
    there. It is done in inference mode, on the CPU, in float32 or bfloat16, and where this build of torch has oneDNN;
    otherwise this is `nn.Linear`.

    Attributes:
        pack_rows: With more rows than these the weight is taken as it lies.
    """

    pack_rows = ROWS

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., D)."""
        if not quick(x, self.weight.dtype):
            return super().forward(x)
        few = x.numel() // self.in_features <= self.pack_rows
        weight = self._packed() if few else self.weight
        return torch.ops.mkldnn._linear_pointwise(x, weight, self.bias, "none", [], "")

    def _packed(self) -> Tensor:
        version = (self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version)
        packed = _PACKED.get(self)
        if packed is None or packed.version != version:
            packed = _Packed(version, torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), ROWS))
            _PACKED[self] = packed
            release(self.weight)
        return packed.weight


class FrameLinear(Linear):
    """`Linear` for the frames of clips, never packed: a fifth quicker than torch's own at 75 rows and at 250 of 768
    (AMD EPYC), and no memory more."""

    pack_rows = 0


class Pointwise(nn.Conv1d):
    """A convolution that sees one frame is a linear layer: no axes to turn round for it."""

    def __init__(self, features: int, hidden: int):
        super().__init__(features, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., D)."""
        weight = self.weight[:, :, 0]
        if not quick(x, weight.dtype):
            return nn.functional.linear(x, weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, weight, self.bias, "none", [], "")
