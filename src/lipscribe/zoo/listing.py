"""The rows of `lipscribe models`."""

from pathlib import Path
from typing import Any

from lipscribe.errors import LipscribeError
from lipscribe.models.onnx_runtime import has_graphs
from lipscribe.models.phrases_spec import PhrasesSpec
from lipscribe.models.spec import WEIGHTS_FILE, Card, ModelSpec, load_spec
from lipscribe.text import count_of
from lipscribe.zoo.phrases import RECORDINGS_FILE, find_base
from lipscribe.zoo.published import list_published
from lipscribe.zoo.registry import DEFAULT_MODEL, list_language_models, list_models, models_folder


def describe_models() -> list[dict[str, Any]]:
    """A row for each installed model, whose `name` all commands accept; damaged models are listed with their fault.

    Returns:
        Text, but for `default`, which is a bool; `kind` is "lip reader" (for `--model`) or "language model" (`--lm`).
    """
    rows = []
    every = (("lip reader", _lip_reader, list_models()), ("language model", _language_model, list_language_models()))
    for kind, describe, models in every:
        for name, folder in models:
            row = {"name": name, "default": name == DEFAULT_MODEL, "kind": kind, "path": str(folder)}
            try:
                row |= describe(folder) | {"size": f"{_weights_size(folder) / 1e6:.1f} MB"}
            except (LipscribeError, OSError) as error:
                row |= dict.fromkeys(("data", "vocabulary", "wer", "size", "licence", "runtime"), "")
                row |= {"reads": f"damaged: {error}"}
            rows.append(row)
    return rows


def describe_published() -> list[dict[str, Any]]:
    """A row, with the same keys and more, for each published model that is not installed under its name."""
    return [
        {
            "name": model.name,
            "default": False,
            "kind": model.kind,
            "path": "",
            "reads": model.reads,
            "data": model.data,
            "vocabulary": ", ".join(model.languages),
            "wer": f"{model.wer:.1%}" if model.wer is not None else "",
            "wer_source": model.wer_source,
            "size": f"{model.megabytes:.1f} MB",
            "licence": model.licence,
            "licence_url": model.licence_url,
            "runtime": "torch",
            "pull": f"lipscribe models pull {model.name}",
        }
        for model in list_published()
        if not (models_folder() / model.name).is_dir()
    ]


def _weights_size(folder: Path) -> int:
    """Bytes of a model's weights, which are in `model.safetensors` or, in int8, in its graphs."""
    for path in (folder / WEIGHTS_FILE, folder / RECORDINGS_FILE):
        if path.exists():
            return path.stat().st_size
    return sum(graph.stat().st_size for graph in folder.glob("*.onnx"))


def _lip_reader(folder: Path) -> dict[str, str]:
    spec = load_spec(folder)
    if spec.phrases is not None:
        return _phrases(spec, spec.phrases)
    closed = "closed, " if spec.card.closed_vocabulary else ""
    vocabulary = f"{closed}{len(spec.tokenizer.vocab) - 1} {spec.tokenizer.kind}"
    return {
        "reads": spec.card.reads,
        "data": spec.card.data,
        "vocabulary": vocabulary if spec.ctc or spec.decoder is not None else "none",
        "wer": _wer(spec.card),
        "licence": spec.card.licence,
        "runtime": "onnx" if has_graphs(folder, spec) else "torch",
    }


def _phrases(spec: ModelSpec, phrases: PhrasesSpec) -> dict[str, str]:
    base = find_base(spec.name, phrases)
    return {
        "reads": spec.card.reads,
        "data": spec.card.data,
        "vocabulary": f"closed, {count_of(len(phrases.texts), 'phrase')}",
        "wer": _wer(spec.card),
        "licence": spec.card.licence,
        "runtime": "onnx" if has_graphs(base, load_spec(base)) else "torch",
    }


def _language_model(folder: Path) -> dict[str, str]:
    from lipscribe.zoo.language_model_spec import load_language_model_spec

    spec = load_language_model_spec(folder)
    return {
        "reads": "nothing: a language model" if spec.card.reads == Card.reads else spec.card.reads,
        "data": spec.card.data,
        "vocabulary": f"{spec.vocab_size - 1} units",
        "wer": "",
        "licence": spec.card.licence,
        "runtime": "torch",
    }


def _wer(card: Card) -> str:
    if "dev_wer" in card.scores:
        return f"{card.scores['dev_wer']:.1%}"
    return f"{card.scores['published_wer']:.1%} as published" if "published_wer" in card.scores else "not measured"
