"""A model on disk: a folder with `spec.json` and `model.safetensors`, and `tokenizer.model` where its tokens are
SentencePiece's.

Nothing is ever unpickled. The weights are stored as float16: half the size, and no word read differently (see
docs/results.md).
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import SPEC_FILE, TOKENIZER_FILE, WEIGHTS_FILE, ModelSpec, load_spec
from lipscribe.typed import to_dict


def save_checkpoint(folder: Path | str, spec: ModelSpec, state_dict: dict[str, Tensor]) -> None:
    """Writes a model folder; each file is complete or not there at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if spec.tokenizer["kind"] == "sentencepiece":  # its model goes with ours
        _replace(folder / TOKENIZER_FILE, Path(spec.tokenizer["model"]).read_bytes())
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state_dict.items()}
    _replace(folder / WEIGHTS_FILE, safetensors_bytes(half))
    save_spec(folder, spec)


def save_spec(folder: Path | str, spec: ModelSpec) -> None:
    """Writes a model's spec alone, complete or not at all. OSError where that can't be done."""
    if spec.tokenizer["kind"] == "sentencepiece":  # whose model lies beside the spec
        spec = replace(spec, tokenizer={**spec.tokenizer, "model": TOKENIZER_FILE})
    _replace(Path(folder) / SPEC_FILE, (json.dumps(to_dict(spec), indent=2) + "\n").encode())


def load_checkpoint(folder: Path | str) -> tuple[ModelSpec, LipReader]:
    """Reads a model folder; the network comes back in float32 and in eval mode.

    Raises:
        CheckpointError: Something is missing or damaged, or the weights are not those of the spec.
    """
    spec, weights = load_spec(folder), _load_weights(folder)
    reader = build_reader(spec)
    wanted = reader.state_dict()
    wrong = [name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape]
    wrong += [name for name in weights if name not in wanted]
    if wrong:
        raise CheckpointError(
            f"{Path(folder) / WEIGHTS_FILE} does not fit its {SPEC_FILE} ({len(wrong)} tensors, first {wrong[0]}): "
            "copy both again"
        )
    reader.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()})
    return spec, reader.eval()


def start_from(reader: LipReader, folder: Path | str) -> str:
    """Gives a network the weights of a saved one, as far as their names and shapes agree: a head for other words stays.

    Returns:
        What was taken and what was not, in a line.

    Raises:
        CheckpointError: The model is missing or damaged, or nothing of it fits.
    """
    weights, wanted = _load_weights(folder), reader.state_dict()
    fitting = {name: w for name, w in weights.items() if name in wanted and wanted[name].shape == w.shape}
    if not any(weights[name].is_floating_point() for name in fitting):
        raise CheckpointError(f"no weights of {folder} fit this model: start from one of the same frontend and encoder")
    reader.load_state_dict({name: w.to(wanted[name].dtype) for name, w in fitting.items()}, strict=False)
    fresh = [name for name in wanted if name not in fitting]
    return f"started from {folder}: {len(fitting)} tensors" + (f"; fresh: {', '.join(fresh)}" if fresh else "")


def _load_weights(folder: Path | str) -> dict[str, Tensor]:
    path = Path(folder) / WEIGHTS_FILE
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError("reading a model needs safetensors: pip install safetensors") from None
    try:
        return load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no {WEIGHTS_FILE}: copy or train the model again") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or train the model again") from None


def safetensors_bytes(tensors: dict[str, Tensor]) -> bytes:
    """The safetensors format: 8 bytes of header length, a JSON header, the raw tensors.

    Written here in a few lines, since training has to run where only torch, numpy and Lightning are installed; reading
    what somebody else wrote is left to the library, which checks it.
    """
    names = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
    header, blobs, offset = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        blob = tensor.detach().cpu().numpy().tobytes()  # in C order, whatever the layout in memory
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(blobs)


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
