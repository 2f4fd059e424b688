"""Models on disk: specs, weights, graphs, tokenizers, recorded phrases, and the files that models are imported from."""

import json
import os
import shutil
from functools import cache, partial
from pathlib import Path
from typing import Any

from trust.target import Target, put

UNITS = ("<unk>", "\u2581RED", "\u2581BLUE", "\u2581AT", "S", "'")
WORDS = ("red", "green", "blue")


def _spec(**changes: Any) -> Any:
    from lipscribe.models.encoder_specs import RecurrentEncoderSpec
    from lipscribe.models.frontend_specs import ConvFrontendSpec
    from lipscribe.models.spec import InputSpec, ModelSpec
    from lipscribe.tokenizer import WordTokenizer

    parts: dict[str, Any] = {
        "tokenizer": WordTokenizer(WORDS),
        "input": InputSpec(32, 48),
        "frontend": ConvFrontendSpec((4, 4), features=8),
        "encoder": RecurrentEncoderSpec(hidden=6, layers=1),
        "grammar": (("red", "green"), ("blue",)),
    }
    return ModelSpec("toy", **{**parts, **changes})


@cache
def _weights() -> dict[str, Any]:
    import torch

    from lipscribe.models.builders import build_reader

    torch.manual_seed(0)
    return dict(build_reader(_spec()).state_dict())


def _make_model(folder: Path) -> None:
    from lipscribe.zoo.checkpoint import save_checkpoint

    save_checkpoint(folder, _spec(), _weights())


def _make_exported(folder: Path) -> None:
    from lipscribe.export import export_model

    _make_model(folder)
    export_model(folder)


def _read_spec(folder: Path) -> None:
    """The spec is read, its tokenizer and grammar are used, and the listing describes the model."""
    from lipscribe.models.spec import load_spec
    from lipscribe.search import Grammar
    from lipscribe.zoo import listing

    spec = load_spec(folder)
    listing._lip_reader(folder)
    vocab = spec.tokenizer.vocab
    spec.tokenizer.decode(range(1, min(len(vocab), 50)))
    if spec.grammar is not None:
        Grammar.of_slots(spec.grammar).compile(spec.tokenizer)


def _read_torch(folder: Path) -> None:
    import torch

    from lipscribe.zoo.checkpoint import load_checkpoint

    spec, reader = load_checkpoint(folder)
    for name, tensor in reader.state_dict().items():
        assert bool(torch.isfinite(tensor.float()).all()), f"{name} is not finite"
    with torch.inference_mode():
        reader.encode(torch.zeros(1, 3, 1, spec.input.height, spec.input.width))


def _read_onnx(folder: Path) -> None:
    """What is loaded gives numbers; graphs that load and fail on other shapes are refused by a clear line too."""
    import numpy as np

    from lipscribe.model import Model
    from lipscribe.models.spec import load_spec
    from lipscribe.runtimes import load_runtime

    spec = load_spec(folder)
    model = Model(spec, load_runtime(folder, spec, runtime="onnx", threads=1))
    (found, *_) = model.search(model.encode(np.zeros((3, 96, 96), np.uint8)))
    assert not np.isnan([found.score, found.posterior]).any(), "a score is no number"


def _make_tokenized(folder: Path) -> None:
    """A model whose tokenizer is SentencePiece's."""
    from lipscribe.models.spec import save_spec
    from lipscribe.tokenizer import train_sentencepiece

    texts = ["good morning", "good night", "red green blue", "place red at c seven"] * 5
    save_spec(folder, _spec(tokenizer=train_sentencepiece(texts, 24, folder / "tokenizer.model"), grammar=None))


def _make_units(folder: Path) -> None:
    from lipscribe.models.spec import save_spec
    from lipscribe.tokenizer import UnitsTokenizer

    put(folder / "units.txt", "".join(f"{unit} {idx}\n" for idx, unit in enumerate(UNITS, 1)))
    save_spec(folder, _spec(tokenizer=UnitsTokenizer(str(folder / "units.txt")), grammar=None))


def _make_phrases(folder: Path) -> None:
    import numpy as np

    from lipscribe.models.phrases_spec import PhrasesSpec
    from lipscribe.zoo.phrases import base_digest, save_phrases
    from lipscribe.zoo.registry import find_model

    rng = np.random.default_rng(0)
    phrases = PhrasesSpec(("yes", "no"), (0, 0, 1, 1), ("a", "b", "c", "d"), "grid", base_digest(find_model("grid")))
    recordings = [rng.normal(size=(9 + n, 12)).astype(np.float32) for n in range(4)]
    save_phrases(folder, _spec(phrases=phrases, grammar=None), recordings, rng.normal(size=(4, 8)))


def _read_phrases(folder: Path) -> None:
    import numpy as np

    from lipscribe.models.spec import load_spec
    from lipscribe.search.phrases import Calibration, PhraseMatcher
    from lipscribe.zoo.phrases import find_base, load_recordings

    spec = load_spec(folder)
    if spec.phrases is None:
        return
    find_base(spec.name, spec.phrases)
    recordings, _ = load_recordings(folder, spec.phrases)
    known = Calibration(spec.phrases.limit, spec.phrases.slope, spec.phrases.level, spec.phrases.pause)
    matcher = PhraseMatcher(spec.phrases.texts, recordings, spec.phrases.phrase_of, known)
    assert np.isfinite(matcher.distances(recordings[0])).any(), "no distance is a number"


def _make_lm(folder: Path) -> None:
    import torch

    from lipscribe.schema import to_dict
    from lipscribe.zoo.checkpoint import save_weights
    from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model
    from lipscribe.zoo.registry import LM_FILE

    torch.manual_seed(0)
    spec = LanguageModelSpec("toy", 8, embedding=6, hidden=8, heads=2, ff=12, layers=1)
    put(folder / LM_FILE, json.dumps(to_dict(spec)))
    save_weights(folder / "model.safetensors", build_language_model(spec).state_dict())


def _read_lm(folder: Path) -> None:
    import torch

    from lipscribe.zoo.language_model import load_language_model

    _, model = load_language_model(folder)
    for name, tensor in model.state_dict().items():
        assert bool(torch.isfinite(tensor.float()).all()), f"{name} is not finite"


@cache
def _released() -> dict[str, Any]:
    """Weights of a small Auto-AVSR model under the authors' names."""
    import torch

    from lipscribe.models.builders import build_reader
    from lipscribe.models.decoder_specs import TransformerDecoderSpec
    from lipscribe.models.encoder_specs import RelConformerEncoderSpec
    from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
    from lipscribe.models.spec import InputSpec
    from lipscribe.tokenizer import CharacterTokenizer
    from lipscribe.zoo.layouts import released_name

    torch.manual_seed(0)
    spec = _spec(
        tokenizer=CharacterTokenizer("abcdefg"),
        input=InputSpec(88, 88, crop="auto-avsr", normalisation="fixed"),
        frontend=AutoAVSRFrontendSpec((4, 4, 6, 8)),
        encoder=RelConformerEncoderSpec(hidden=16, layers=1, heads=4, ff=24, kernel=7),
        decoder=TransformerDecoderSpec(hidden=16, layers=1, heads=4, ff=20),
        grammar=None,
    )
    state = {released_name(name): tensor for name, tensor in build_reader(spec).state_dict().items()}
    stem = "frontend.frontend3D.0.weight"
    return {**state, stem: state[stem].unsqueeze(1)} if state[stem].ndim == 4 else state


CONFIG: dict[str, Any] = {
    "transformer_encoder_attn_layer_type": "rel_mha",
    "rel_pos_type": "latest",
    "relu_type": "swish",
    "adim": 16,
    "char_list": ["<blank>", *UNITS, "<eos>"],
}


def _make_import(folder: Path, file: str, legacy: bool = False) -> None:
    import torch
    from safetensors.torch import save_file

    if file.endswith(".safetensors"):
        save_file({name: tensor.contiguous() for name, tensor in _released().items()}, folder / file)
    else:
        torch.save(dict(_released()), folder / file, _use_new_zipfile_serialization=not legacy)
    put((folder / file).with_suffix(".json"), json.dumps([1, 2, CONFIG]))


def _import(folder: Path) -> None:
    """Imports into a cache of its own, which is empty again if the file is refused."""
    from lipscribe.errors import LipscribeError
    from lipscribe.zoo.interop.importing import import_model
    from lipscribe.zoo.registry import models_folder

    os.environ["LIPSCRIBE_CACHE"] = str(folder / "cache")
    file = next(path for path in folder.iterdir() if path.stem == "net" and path.suffix != ".json")
    try:
        import_model(file, "mine")
        _read_torch(models_folder() / "mine")
    except LipscribeError:
        left = list(models_folder().iterdir()) if models_folder().exists() else []
        assert not left, f"a refused import leaves {left[0].name}"
        raise
    finally:
        shutil.rmtree(folder / "cache", ignore_errors=True)


_CHECKPOINT = ("lipscribe.models.spec", "lipscribe.schema", "lipscribe.tokenizer")
MODELS = (
    Target("spec of a model", "spec.json", _make_model, _read_spec, _CHECKPOINT),
    Target("spec beside its weights", "spec.json", _make_model, _read_torch),
    Target("spec with units", "spec.json", _make_units, _read_spec, _CHECKPOINT),
    Target("units of a model", "units.txt", _make_units, _read_spec, _CHECKPOINT),
    Target("weights, torch", "model.safetensors", _make_model, _read_torch),
    Target("weights, ONNX Runtime", "model.safetensors", _make_exported, _read_onnx),
    Target("encoder.onnx", "encoder.onnx", _make_exported, _read_onnx),
    Target("ctc.onnx", "ctc.onnx", _make_exported, _read_onnx),
    Target("SentencePiece model", "tokenizer.model", _make_tokenized, _read_spec),
    Target("recorded phrases", "recordings.safetensors", _make_phrases, _read_phrases, ("lipscribe.zoo.phrases",)),
    Target("spec of phrases", "spec.json", _make_phrases, _read_phrases, _CHECKPOINT),
    Target("spec of a language model", "language_model.json", _make_lm, _read_lm),
    Target("weights of a language model", "model.safetensors", _make_lm, _read_lm),
    Target("import of torch.save", "net.pth", partial(_make_import, file="net.pth"), _import),
    Target("import of an old torch.save", "net.pt", partial(_make_import, file="net.pt", legacy=True), _import),
    Target("import of safetensors", "net.safetensors", partial(_make_import, file="net.safetensors"), _import),
    Target("model.json of an import", "net.json", partial(_make_import, file="net.pth"), _import),
)
