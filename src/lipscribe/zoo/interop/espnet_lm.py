"""ESPnet's language models of the Transformer kind, such as `lm_en_subword`."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.models.spec import Card
from lipscribe.schema import from_dict, to_dict
from lipscribe.zoo.checkpoint import sizes_only
from lipscribe.zoo.interop.names import count_layers, rename, under_our_names_or_refuse
from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model
from lipscribe.zoo.layouts import released_lm_name

_PREFIXES = (("encoder.input_layer.", "encoder.embed."), ("encoder.norm.", "encoder.after_norm."))  # older ESPnets


def is_language_model(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the weights are of a model of tokens without video."""
    names = {name.removeprefix("predictor.") for name in tensors}  # a prefix of ESPnet's recurrent ones
    return "embed.weight" in names and not any("frontend." in name for name in names)


def convert_language_model(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any] | None, name: str, card: Card, source: str
) -> tuple[LanguageModelSpec, dict[str, Tensor]]:
    """The spec and the weights of a language model.

    Args:
        config: Of its `model.json`; without one the number of its heads is unknown.

    Raises:
        CheckpointError: It is of another kind, its heads are not known, or weights do not fit.
    """
    if any(".rnn." in f".{name}" for name in tensors):
        raise CheckpointError(f"{source} is a recurrent language model: only ESPnet's Transformer ones can be read")
    if config is None or not isinstance(config.get("head"), int):
        raise CheckpointError(
            f"{source} is a language model whose number of heads is unknown: put its model.json next to it"
        )
    tensors = rename({name: t for name, t in tensors.items() if not name.endswith(".pe")}, _PREFIXES, source)
    try:
        spec = LanguageModelSpec(
            name=name,
            vocab_size=tensors["embed.weight"].shape[0],
            embedding=tensors["embed.weight"].shape[1],
            hidden=tensors["encoder.embed.0.weight"].shape[0],
            heads=config["head"],
            ff=tensors["encoder.encoders.0.feed_forward.w_1.weight"].shape[0],
            layers=count_layers(tensors, "encoder.encoders."),
            placed=config.get("pos_enc", "sinusoidal") != "none",
            card=card,
        )
    except KeyError as error:
        raise CheckpointError(f"{source} has no {error.args[0]}: give the file of a whole language model") from None
    spec = from_dict(LanguageModelSpec, to_dict(spec), source, CheckpointError)  # which checks the limits
    with sizes_only():
        wanted = build_language_model(spec).state_dict()
    sizes = f"{spec.layers} layers of {spec.hidden}, {spec.heads} heads"
    what = f"a Transformer language model ({sizes})"
    return spec, under_our_names_or_refuse(tensors, wanted, released_lm_name, source, what)
