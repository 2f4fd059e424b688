"""Names of weights, and what to say of those that do not fit."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from lipscribe.errors import CheckpointError

SHOWN = 10  # of the names that do not fit


def rename(tensors: Mapping[str, Tensor], prefixes: Iterable[tuple[str, str]], source: str) -> dict[str, Tensor]:
    """The weights with other prefixes: the first that fits is replaced, and then the next ones are tried as well.

    Raises:
        CheckpointError: Two weights come to have one name.
    """
    renamed: dict[str, Tensor] = {}
    prefixes = list(prefixes)
    for name, tensor in tensors.items():
        new = name
        for old, ours in prefixes:
            if new.startswith(old):
                new = ours + new.removeprefix(old)
        if new in renamed:
            raise CheckpointError(f"{source} holds two weights for {new}: give the file of one network")
        renamed[new] = tensor
    return renamed


def count_layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many layers there are whose weights are called `prefix`, a number, and so on."""
    numbers = [re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in tensors]
    return max((int(found[1]) + 1 for found in numbers if found), default=0)


def refuse_misfits(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str, what: str) -> None:
    """Compares names and shapes.

    Args:
        wanted: The state dict of the network, on any device.
        what: The network in words.

    Raises:
        CheckpointError: They differ; the first ten differences and their number are told.
    """
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is not known" for name in tensors if name not in wanted]
    faults += [
        f"{name} is {tuple(tensors[name].shape)}, wanted {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise CheckpointError(
            f"{source} does not fit {what}, {len(faults)} of {len(wanted)} weights: "
            f"{'; '.join(faults[:SHOWN])}{more}: give the file of such a model"
        )
