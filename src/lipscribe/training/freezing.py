"""Parts of a model that training leaves as they are."""

from collections.abc import Iterable

from torch import nn

from lipscribe.models.reader import LipReader


def freeze(reader: LipReader, parts: Iterable[str]) -> None:
    """Takes the weights of `parts`, "frontend" or "encoder", out of training: they get no gradient."""
    for name in parts:
        part = getattr(reader, name).requires_grad_(False)
        for module in part.modules():
            if isinstance(module, nn.RNNBase):
                module.dropout = 0.0  # see `set_training`


def set_training(reader: LipReader, frozen: Iterable[str]) -> None:
    """Training mode for all but the frozen parts: they drop nothing, and statistics of batches stay as they were.

    A frozen LSTM or GRU is in training mode too, with a dropout of 0, which is the same: CUDA passes a gradient through
    it, to a frontend that learns, in no other.
    """
    reader.train()
    for name in frozen:
        part = getattr(reader, name).eval()
        for module in part.modules():
            if isinstance(module, nn.RNNBase):
                module.train()
