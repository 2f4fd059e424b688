"""Weights spread over the processes of a training (FSDP), and how they come together again."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh


def shard(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Spreads the weights of a reader over the processes: part by part, and long stacks layer by layer."""
    from torch.distributed.fsdp import fully_shard

    # What leaves a part is a view, which nothing here changes in place.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    if mesh.ndim > 1:
        mesh = mesh["data_parallel"]
    for part in model.children():
        for module in part.modules():
            if isinstance(module, nn.ModuleList):
                for layer in module:
                    if any(True for _ in layer.parameters()):
                        fully_shard(layer, mesh=mesh)
        fully_shard(part, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def whole(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module whose weights may be spread: whole tensors, in the memory of the CPU. All have to ask."""
    return {
        name: (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).cpu()
        for name, tensor in module.state_dict().items()
    }


def save_sharded(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module) -> None:
    """Writes weights, optimizer and averaged weights, each process its own part."""
    import torch.distributed.checkpoint as dcp

    dcp.save(_state(model, optimizer, average), checkpoint_id=folder)


def load_sharded(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module) -> None:
    """Reads what `save_sharded` wrote, also with another number of processes."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import set_model_state_dict, set_optimizer_state_dict

    state = _state(model, optimizer, average)
    dcp.load(state, checkpoint_id=folder)
    set_model_state_dict(model, state["model"])
    set_optimizer_state_dict(model, optimizer, state["optimizer"])
    set_model_state_dict(average, state["average"])


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module) -> dict[str, Any]:
    from torch.distributed.checkpoint.state_dict import get_model_state_dict, get_optimizer_state_dict

    return {
        "model": get_model_state_dict(model),
        "optimizer": get_optimizer_state_dict(model, optimizer),
        "average": get_model_state_dict(average),
    }
