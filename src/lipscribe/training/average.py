"""Exponential moving average of the weights, which is evaluated and saved."""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from lipscribe.models.reader import LipReader


class MovingAverage(nn.Module):
    """An exponential moving average of a model's weights and buffers.

    It takes the memory of a second model, except for frozen parts, which are shared. With a decay of 0 the average is
    the model itself.

    Args:
        model: The model to average.
        decay: Share of the average that is kept at each step.
        frozen: Names of parts that never change.
    """

    def __init__(self, model: LipReader, decay: float, frozen: Iterable[str] = ()):
        super().__init__()
        self.decay = decay
        shared = [getattr(model, name) for name in frozen] if decay else [model]
        self.module: LipReader = deepcopy(model, {id(part): part for part in shared})  # shared parts are not copied
        self.register_buffer("num_steps", torch.tensor(0))
        # Whether a step was added; None if only the buffer knows, since reading it would synchronise with the GPU.
        self._begun: bool | None = None
        self.register_load_state_dict_post_hook(_forget_begun)

    @torch.no_grad()
    def update(self, model: LipReader) -> None:
        """Adds the weights after a step; the first step sets the average."""
        if self._begun is None:
            self._begun = bool(self.num_steps)
        decay = self.decay if self._begun else 0.0
        pairs = [(own, new) for own, new in zip(_tensors(self.module), _tensors(model), strict=True) if own is not new]
        means = [(own, new) for own, new in pairs if own.is_floating_point() and decay]
        if means:
            owned, updated = [own for own, _ in means], [new for _, new in means]
            # All tensors in one call, for which torch has no public name.
            torch._foreach_lerp_(owned, updated, 1 - decay)  # pyright: ignore[reportPrivateUsage]
        for own, new in pairs:
            if not (own.is_floating_point() and decay):
                own.copy_(new)
        self.num_steps += 1
        self._begun = True


def _forget_begun(average: MovingAverage, _: object) -> None:
    average._begun = None  # pyright: ignore[reportPrivateUsage]  its own hook, which torch calls as a function


def _tensors(model: nn.Module) -> list[Tensor]:
    tensors = (*model.parameters(), *model.buffers())
    # Of weights that are spread over processes (FSDP) the part that is here.
    return [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
