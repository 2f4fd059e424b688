"""A model as ONNX graphs beside its weights, and the proof that they read the same words."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.encoded import Encoded
from lipscribe.errors import CheckpointError, MissingExtraError
from lipscribe.extras import EXPORT
from lipscribe.model import Model, Runtime
from lipscribe.models.onnx_export import export_graphs
from lipscribe.models.onnx_runtime import ENCODER, OnnxRuntime
from lipscribe.models.spec import TOKENIZER_FILES, WEIGHTS_FILE, ModelSpec, save_spec
from lipscribe.models.torch_runtime import TorchRuntime
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.safetensors_header import StoredTensor, read_header

if TYPE_CHECKING:
    from onnx import ModelProto

INT8_OPERATIONS = ["MatMul", "Gemm", "LSTM"]  # convolutions in int8 are slower than in float32 on most CPUs


@dataclass(frozen=True)
class Parity:
    """How near an export is to torch's network.

    Attributes:
        num_clips: Clips that were compared.
        same_words: Of them, those from which both read the same words.
        difference: Largest absolute difference of a log-probability: of CTC in any frame, and of the decoder after
            each token of the hypothesis.
    """

    num_clips: int
    same_words: int
    difference: float


def export_model(folder: Path, output: Path | None = None, int8: bool = False) -> Path:
    """Writes the ONNX graphs of a model.

    In float32 they hold no weights, but refer to those in `model.safetensors` next to them: the weights are on disk
    once. In int8 each graph holds its own.

    Args:
        folder: Of the model.
        output: A new folder for the model with its graphs; None adds them to `folder`.
        int8: Quantise the matrix products and LSTMs (dynamic quantisation); needs `output`.

    Returns:
        The folder with the graphs.

    Raises:
        CheckpointError: The model is missing or damaged, `output` exists or cannot be written.
        MissingExtraError: The packages that export are not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError(f"exporting needs onnx and onnxscript: run `{EXPORT}`") from None
    if output is not None and output.exists():
        raise CheckpointError(f"{output} exists: give another --output, or delete it first")
    if int8 and output is None:
        raise CheckpointError("an int8 model has other weights: give --output FOLDER")
    spec, reader = load_checkpoint(folder)
    stored = read_header(folder / WEIGHTS_FILE)
    try:
        target = output or folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".lipscribe-") as temporary:
            made = Path(temporary) / "model"
            made.mkdir()
            for name, graph in export_graphs(reader, spec):
                if int8:
                    onnx.save(_quantised(graph, Path(temporary)), made / name)
                else:
                    _share_weights(graph, stored)
                    onnx.save(graph, made / name)
            if output is None:
                for path in made.iterdir():
                    path.replace(folder / path.name)
            else:
                _copy_rest(folder, made, spec, weights=not int8)
                made.rename(output)
    except OSError as error:
        raise CheckpointError(
            f"{output or folder} cannot be written ({error.strerror}): give another --output"
        ) from None
    return target


def compare(folder: Path, exported: Path, clips: Sequence[np.ndarray]) -> Parity:
    """Reads clips by torch and by ONNX Runtime.

    Args:
        folder: The model.
        exported: The result of `export_model`.
        clips: Crops (T, 96, 96) uint8 of the model's kind.
    """
    spec, reader = load_checkpoint(folder)
    runtimes: tuple[Runtime, Runtime] = (TorchRuntime(reader), OnnxRuntime(exported, spec))
    models = [Model(spec, runtime) for runtime in runtimes]
    same, difference = 0, 0.0
    for crops in clips:
        encoded = [model.encode(crops) for model in models]
        found = [model.search(each)[0] for model, each in zip(models, encoded, strict=True)]
        same += found[0].text == found[1].text
        if encoded[0].log_probs is not None and encoded[1].log_probs is not None:
            difference = max(difference, float(np.abs(encoded[0].log_probs - encoded[1].log_probs).max()))
        if spec.decoder is not None:
            both = zip(runtimes, encoded, strict=True)
            scores = [_forced_scores(runtime, each, found[0].tokens) for runtime, each in both]
            difference = max(difference, float(np.abs(scores[0] - scores[1]).max()))
    return Parity(len(clips), same, difference)


def _forced_scores(runtime: Runtime, encoded: Encoded, tokens: Sequence[int]) -> np.ndarray:
    """(U + 1, V) log-probabilities by the decoder after each of the tokens."""
    scorer = runtime.decoder(encoded.by_view())
    state, rows = scorer.start(), []
    for token in (scorer.end, *tokens):
        scores, state = scorer.step(np.array([token], np.int64), state)
        rows.append(scores[0])
    return np.stack(rows)


def _share_weights(graph: "ModelProto", stored: dict[str, StoredTensor]) -> None:
    """Replaces a graph's weights by references into the file of the model's weights."""
    from onnx import TensorProto, helper

    types = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    casts = []
    for initializer in graph.graph.initializer:
        tensor = stored.get(initializer.name)
        if tensor is None or tensor.dtype not in types or tuple(initializer.dims) != tensor.shape:
            continue
        initializer.ClearField("raw_data")
        initializer.data_type, initializer.data_location = types[tensor.dtype], TensorProto.EXTERNAL
        where = {"location": WEIGHTS_FILE, "offset": str(tensor.offset), "length": str(tensor.num_bytes)}
        for key, value in where.items():
            entry = initializer.external_data.add()
            entry.key, entry.value = key, value
        if tensor.dtype != "F32":  # runtimes convert it once, on loading
            name, initializer.name = initializer.name, f"{initializer.name}.stored"
            casts.append(helper.make_node("Cast", [initializer.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.graph.node.insert(0, cast)


def _quantised(graph: "ModelProto", folder: Path) -> "ModelProto":
    """The graph with int8 weights, which it holds itself."""
    import logging

    import onnx
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    raw, folded, quantised = (folder / f"{step}.onnx" for step in ("raw", "folded", "quantised"))
    onnx.save(graph, raw)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)  # with its weights computed, which quantisation needs
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a preparation that the folding above is
    try:
        quantize_dynamic(folded, quantised, op_types_to_quantize=INT8_OPERATIONS, weight_type=QuantType.QInt8)
    finally:
        logging.disable(before)
    made = onnx.load(quantised)
    entry = made.metadata_props.add()
    entry.key, entry.value = "precision", "int8"
    return made


def _copy_rest(folder: Path, made: Path, spec: ModelSpec, weights: bool) -> None:
    """Copies everything of a model but its graphs."""
    save_spec(made, spec)
    for field, name in TOKENIZER_FILES.items():
        if getattr(spec.tokenizer, field, None) is not None:
            shutil.copyfile(getattr(spec.tokenizer, field), made / name)
    if weights:
        shutil.copyfile(folder / WEIGHTS_FILE, made / WEIGHTS_FILE)
    assert (made / ENCODER).is_file()
