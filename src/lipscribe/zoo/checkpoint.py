"""A model on disk: a folder with `spec.json` and `model.safetensors`, and the files of its tokenizer, if any.

Nothing is ever unpickled. Our weights are stored as float16: half the size at the same WER (docs/results.md).
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lipscribe.atomic import write_bytes, writing
from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import (
    FORMAT_VERSION,
    SPEC_FILE,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
    ModelSpec,
    load_spec,
    save_spec,
)
from lipscribe.zoo.layouts import under_our_names, version_1_name
from lipscribe.zoo.safetensors_header import check_finite, read_header, write_header

# Weights with a row for each token: CTC's head, and a decoder's embedding and output layer.
BY_TOKEN = ("ctc.project.", "decoder.embedding.", "decoder.project.")
STORED = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}  # as safetensors calls them


def save_checkpoint(
    folder: Path | str, spec: ModelSpec, state_dict: Mapping[str, Tensor], dtype: torch.dtype = torch.float16
) -> None:
    """Writes a model folder; each file is written atomically.

    Args:
        state_dict: The weights, named as in `build_reader(spec)`; read one at a time.
        dtype: Of stored floating-point weights: float16 or float32; see `save_weights`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for field, name in TOKENIZER_FILES.items():
        if (path := getattr(spec.tokenizer, field, None)) is not None:
            write_bytes(folder / name, Path(path).read_bytes())
    for graph in folder.glob("*.onnx"):  # of the weights before, and perhaps of another network
        graph.unlink()
    save_weights(folder / WEIGHTS_FILE, state_dict, dtype)
    save_spec(folder, replace(spec, format_version=FORMAT_VERSION))


def load_checkpoint(folder: Path | str) -> tuple[ModelSpec, LipReader]:
    """Loads a model folder; the network is in float32 and in eval mode.

    float32 weights are memory-mapped: a network of 1 GB loads at once, and is in memory only once.

    Raises:
        CheckpointError: Something is missing or damaged, or the weights are not those of the spec.
    """
    spec = load_spec(folder)
    if spec.phrases is not None:
        raise CheckpointError(
            f"{folder} compares recorded phrases and has no network of its own: give its base, {spec.phrases.base}"
        )
    with sizes_only():  # skips the initialisation of weights that are replaced
        reader = build_reader(spec)
    wanted = reader.state_dict()
    weights = _named_weights(folder, spec, wanted)
    wrong = [name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape]
    wrong += [name for name in weights if name not in wanted]
    if wrong:
        raise CheckpointError(
            f"{Path(folder) / WEIGHTS_FILE} does not fit its {SPEC_FILE} ({len(wrong)} tensors, first {wrong[0]}): "
            "copy both again"
        )
    reader.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()}, assign=True)
    return spec, reader.eval()


def _named_weights(folder: Path | str, spec: ModelSpec, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a model folder under current names, whatever version wrote it."""
    weights = load_weights(folder)
    return under_our_names(weights, wanted, version_1_name(spec)) if spec.format_version == 1 else weights


@contextmanager
def sizes_only() -> Iterator[None]:
    """Networks built in this context have weights without memory (meta device) and skip initialisation."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Skips `torch.nn.init`: on the meta device it would import torch's compiler, 75 MB and a second."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__module__", "") == "torch.nn.init":
            return None
        return function(*args, **(kwargs or {}))


def start_from(reader: LipReader, folder: Path | str, spec: ModelSpec, whole: Collection[str] = ()) -> str:
    """Initialises a network with the weights of a saved one that match by name and shape.

    If the vocabularies differ, even at the same size, weights with a row for each token keep their random values.

    Args:
        reader: The result of `build_reader(spec)`.
        whole: Parts, such as "frontend", whose weights must all be in the saved model.

    Returns:
        One line that names what was loaded and what was not.

    Raises:
        CheckpointError: The model is missing or damaged, nothing of it fits, or not all of the parts in `whole`.
    """
    source, wanted = load_spec(folder), reader.state_dict()
    with sizes_only():
        weights = _named_weights(folder, source, build_reader(source).state_dict())
    other_words = spec.tokenizer.vocab != source.tokenizer.vocab
    fitting = {
        name: tensor
        for name, tensor in weights.items()
        if name in wanted and wanted[name].shape == tensor.shape and not (other_words and name.startswith(BY_TOKEN))
    }
    if not any(weights[name].is_floating_point() for name in fitting):
        raise CheckpointError(f"no weights of {folder} fit this model: start from one of the same frontend and encoder")
    fresh = [name for name in wanted if name not in fitting]
    for part in whole:
        if missing := [name for name in fresh if name.startswith(f"{part}.")]:
            raise CheckpointError(
                f"{folder} has not all of this {part} ({len(missing)} tensors, first {missing[0]}), and what begins "
                f"fresh cannot be frozen: start from a model of the same {part}, or leave it out of freeze"
            )
    reader.load_state_dict(fitting, strict=False)  # tensor by tensor, without a copy of all
    return f"started from {folder}: {len(fitting)} tensors" + (f"; fresh: {', '.join(fresh)}" if fresh else "")


def load_weights(folder: Path | str) -> dict[str, Tensor]:
    """The tensors of a model folder by name, memory-mapped.

    Raises:
        CheckpointError: The weights are missing, damaged, NaN or infinite.
    """
    path = Path(folder) / WEIGHTS_FILE
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError("reading a model needs safetensors: pip install safetensors") from None
    try:
        weights = load_file(path)
        check_finite(path, read_header(path))
        return weights
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no {WEIGHTS_FILE}: copy or train the model again") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or train the model again") from None


def save_weights(path: Path | str, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> None:
    """Writes tensors one at a time as safetensors: 8 bytes of header length, a JSON header, the raw tensors.

    Implemented here, since training runs where only torch, numpy and Lightning are installed; reading foreign files is
    left to the library, which validates them.

    Args:
        dtype: Floating-point tensors are converted to it, but those with numbers beyond its range (65 504 of float16)
            to float32; None keeps theirs.
    """
    stored = {name: _stored_as(tensor, dtype) for name, tensor in sorted(tensors.items())}
    shapes = {name: tuple(tensors[name].shape) for name in stored}
    header = {name: (STORED[kind], shapes[name], prod(shapes[name]) * kind.itemsize) for name, kind in stored.items()}
    # In C order, whatever the layout in memory.
    blobs = (tensors[name].detach().cpu().to(kind).numpy().tobytes() for name, kind in stored.items())
    with writing(path) as file:
        write_header(file, header)
        file.writelines(blobs)


def _stored_as(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    """A running variance may be beyond float16, in which it would be infinite without a word."""
    if dtype is None or not tensor.is_floating_point():
        return tensor.dtype
    overflows = tensor.numel() > 0 and float(tensor.detach().abs().max()) > torch.finfo(dtype).max
    return torch.float32 if overflows else dtype
