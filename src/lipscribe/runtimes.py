"""Selects what computes a model: ONNX Runtime or torch."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from lipscribe.errors import CheckpointError, ConfigError, MissingExtraError
from lipscribe.extras import TRAIN
from lipscribe.model import Runtime
from lipscribe.models.onnx_runtime import OnnxRuntime, has_graphs, refers_to_weights
from lipscribe.models.spec import WEIGHTS_FILE, ModelSpec
from lipscribe.zoo.safetensors_header import check_finite, read_header

RuntimeName = Literal["auto", "onnx", "torch"]


def load_runtime(
    folder: Path,
    spec: ModelSpec,
    device: str = "auto",
    precision: str = "float32",
    runtime: RuntimeName = "auto",
    threads: int | None = None,
) -> Runtime:
    """Loads the network of a model folder.

    Args:
        folder: Of the model.
        spec: Its spec.
        device: "cpu", "cuda", "mps"; "auto" is the CPU with ONNX Runtime, and with torch a GPU if there is one.
        precision: See `set_precision`; ONNX Runtime has the one that was exported.
        runtime: "onnx", "torch", or "auto": ONNX Runtime if the folder has the graphs, it is installed, and device and
            precision are the defaults or "cpu"; otherwise torch.
        threads: That the network computes with; None is the runtime's default.

    Raises:
        CheckpointError: The model is damaged, or has no ONNX graphs and they are asked for.
        ConfigError: The runtime is unknown, or does not support the device or precision.
        MissingExtraError: The runtime is not installed.
    """
    if runtime not in get_args(RuntimeName):
        raise ConfigError(f"runtime is {runtime!r}, wanted one of {', '.join(get_args(RuntimeName))}")
    exported = has_graphs(folder, spec)
    plain = device in ("auto", "cpu") and precision == "float32"
    if runtime == "auto":
        runtime = "onnx" if exported and plain and find_spec("onnxruntime") else "torch"
    if runtime == "torch":
        return _load_torch(folder, spec, device, precision, threads, exported)
    if not exported:
        raise CheckpointError(
            f"{folder} has no ONNX graphs: write them with `lipscribe export {spec.name}`, or leave --runtime out"
        )
    if not plain:
        raise ConfigError(
            f"device {device} with precision {precision} is not for ONNX Runtime: leave them out, or take --runtime "
            "torch (`lipscribe export --int8` makes a model in int8)"
        )
    if refers_to_weights(folder):
        # Its messages are clearer than those of ONNX Runtime.
        check_finite(folder / WEIGHTS_FILE, read_header(folder / WEIGHTS_FILE))
    return OnnxRuntime(folder, spec, threads)


def _load_torch(
    folder: Path, spec: ModelSpec, device: str, precision: str, threads: int | None, exported: bool
) -> Runtime:
    if find_spec("torch") is None:
        why = "device and precision are of torch" if exported else "it has no ONNX graphs"
        remedy = "leave them out" if exported else "export it where torch is, with `lipscribe export`"
        raise MissingExtraError(f"model {spec.name} needs torch, since {why}: run `{TRAIN}`, or {remedy}")
    if not (folder / WEIGHTS_FILE).is_file() and exported:
        raise CheckpointError(f"{folder} has ONNX graphs only, which torch does not read: leave --runtime out")
    import torch

    from lipscribe.models.torch_runtime import TorchRuntime
    from lipscribe.zoo.checkpoint import load_checkpoint

    if threads is not None:
        torch.set_num_threads(threads)
    return TorchRuntime(load_checkpoint(folder)[1], device, precision)
