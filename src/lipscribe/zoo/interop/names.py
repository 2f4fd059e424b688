"""Renames weights, and reports those that do not fit."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.zoo.layouts import same_but_for_ones, under_our_names

SHOWN = 10  # mismatches in a message


def rename(tensors: Mapping[str, Tensor], prefixes: Iterable[tuple[str, str]], source: str) -> dict[str, Tensor]:
    """Replaces prefixes of weight names, each rule in order.

    Raises:
        CheckpointError: Two weights get the same name.
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
    """The number of layers whose weight names are `prefix`, a number, and the rest."""
    numbers = [re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in tensors]
    return max((int(found[1]) + 1 for found in numbers if found), default=0)


class EncoderSizes(TypedDict):
    """What an encoder's spec takes from the shapes of its weights."""

    hidden: int
    layers: int
    heads: int
    ff: int


def encoder_sizes(tensors: Mapping[str, Tensor]) -> EncoderSizes:
    """Sizes of an ESPnet encoder with relative positions.

    Raises:
        KeyError: A weight that has one of them is missing.
    """
    block = "encoder.encoders.0"
    return {
        "hidden": tensors["encoder.embed.0.weight"].shape[0],
        "layers": count_layers(tensors, "encoder.encoders."),
        "heads": tensors[f"{block}.self_attn.pos_bias_u"].shape[0],
        "ff": tensors[f"{block}.feed_forward.w_1.weight"].shape[0],
    }


def under_our_names_or_refuse(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    name_of: Callable[[str], str],
    source: str,
    what: str,
) -> dict[str, Tensor]:
    """Renames the weights to those of our network, if exactly these are present.

    Args:
        wanted: The state dict of the network, on any device.
        name_of: Our name -> the one in the file, which messages use.
        what: The network in words.

    Raises:
        CheckpointError: Names or shapes differ; the message has the first ten differences and their number.
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
