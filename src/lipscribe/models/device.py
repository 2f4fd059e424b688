"""Selects the device of networks."""

import torch
from torch import Tensor

from lipscribe.errors import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """The device of a name, after checking that it works.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps"; "auto" is the first available of cuda, mps and cpu.

    Raises:
        ConfigError: torch does not know the device, or it is unavailable.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = "torch has no device of this name" if "Expected one of" in str(error) else str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is unavailable ({reason}): give cpu, cuda or mps") from None


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor.to(device)`, which on CUDA does not wait for the work that is queued there.

    CUDA has copied a tensor in ordinary memory when the call returns. MPS may copy it later, so there the call waits.
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
