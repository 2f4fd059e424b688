"""Token language models on disk: a folder with `language_model.json` and `model.safetensors`."""

from pathlib import Path

import torch

from lipscribe.errors import CheckpointError
from lipscribe.models.precision import set_precision
from lipscribe.models.scorer import LMScorer
from lipscribe.models.spec import WEIGHTS_FILE
from lipscribe.models.transformer_lm import TransformerLM
from lipscribe.zoo.checkpoint import load_weights, sizes_only
from lipscribe.zoo.language_model_spec import LanguageModelSpec, load_language_model_spec
from lipscribe.zoo.layouts import released_lm_name, under_our_names
from lipscribe.zoo.registry import LM_FILE, find_language_model


def build_language_model(spec: LanguageModelSpec) -> TransformerLM:
    """Builds the network with random weights."""
    sizes = (spec.vocab_size, spec.embedding, spec.hidden, spec.heads, spec.ff, spec.layers)
    return TransformerLM(*sizes, placed=spec.placed)


def load_language_model(folder: Path | str) -> tuple[LanguageModelSpec, TransformerLM]:
    """Loads a language model; the network is in float32 and in eval mode.

    Raises:
        CheckpointError: Something is missing or damaged, or the weights are not those of the record.
    """
    spec, weights = load_language_model_spec(folder), load_weights(folder)
    with sizes_only():  # every weight is replaced
        model = build_language_model(spec)
    wanted = model.state_dict()
    if spec.format_version == 1:
        weights = under_our_names(weights, wanted, released_lm_name)
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in (wanted, weights)]
    if shapes[0] != shapes[1]:
        raise CheckpointError(f"{Path(folder) / WEIGHTS_FILE} does not fit its {LM_FILE}: import it again")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    return spec, model.eval()


def load_token_lm(name: str | Path, device: torch.device | str = "cpu", precision: str = "float32") -> LMScorer:
    """Loads a token language model for `SearchOptions(token_lm=...)`, by name or folder.

    Raises:
        CheckpointError: The model is missing or damaged.
        ConfigError: See `set_precision`.
    """
    _, lm = load_language_model(find_language_model(name))
    return LMScorer(set_precision(lm.to(device), precision))
