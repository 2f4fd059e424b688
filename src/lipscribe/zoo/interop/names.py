"""Names of weights, and messages about those that do not fit."""

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.zoo.layouts import same_but_for_ones, under_our_names

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


def under_our_names_or_refuse(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    name_of: Callable[[str], str],
    source: str,
    what: str,
) -> dict[str, Tensor]:
    """The weights under the names of our network, if they are all there and no other.

    Args:
        wanted: The state dict of the network, on any device.
        name_of: Our name -> the one in the file, which messages use.
        what: The network in words.

    Raises:
        CheckpointError: They differ; the message has the first ten differences and their number.
    """
    theirs = {name_of(name): tensor for name, tensor in wanted.items()}
    faults = [f"{name} is missing" for name in theirs if name not in tensors]
    faults += [f"{name} is not known" for name in tensors if name not in theirs]
    faults += [
        f"{name} is {tuple(tensors[name].shape)}, wanted {tuple(tensor.shape)}"
        for name, tensor in theirs.items()
        if name in tensors and not same_but_for_ones(tensors[name], tensor)
    ]
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise CheckpointError(
            f"{source} does not fit {what}, {len(faults)} of {len(wanted)} weights: "
            f"{'; '.join(faults[:SHOWN])}{more}: give the file of such a model"
        )
    return under_our_names(tensors, wanted, name_of)
