"""The machine that a benchmark runs on: facts, versions, and what it can do at best."""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench.measure import fastest

PACKAGES = (
    "lipscribe",
    "numpy",
    "av",
    "opencv-python-headless",
    "ai-edge-litert",
    "onnxruntime",
    "torch",
    "keras",
    "lightning-fabric",
)


def facts() -> dict[str, Any]:
    """Processor, cores, memory, system, and the versions of what computes."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "processor": processor(),
        "cores": cores(),
        "memory_gb": memory_gb(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit(),
    }


def identity(machine: dict[str, Any]) -> str:
    """What has to agree for two runs to be comparable."""
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gb() -> int | None:
    """The machine's memory."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (AttributeError, ValueError, OSError):
        return None


def load() -> float | None:
    """Processes that ran or waited for a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def commit() -> str | None:
    """The checkout's commit, with a + where files differ from it."""
    import subprocess

    root = Path(__file__).resolve().parents[2]
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def matmul_rate() -> float:
    """Multiply-adds a second of float32 matrices, by numpy's BLAS on all cores.

    The best of several sizes: a short product is the least likely to be interrupted by other programs.
    """
    rates = []
    for size, rounds in ((256, 200), (512, 50), (1024, 10)):
        a = np.random.default_rng(0).random((size, size), np.float32)
        out = np.empty_like(a)
        rates.append(size**3 / fastest(lambda a=a, out=out: np.matmul(a, a, out=out), rounds))
    return max(rates)


def copy_rate() -> float:
    """Bytes a second that one core copies, between arrays larger than the caches."""
    a = np.ones(64_000_000, np.uint8)
    b = np.empty_like(a)
    return a.nbytes / fastest(lambda: np.copyto(b, a), 10)


def multiply_adds(graph: Path, feed: dict[str, np.ndarray], folder: Path) -> int:
    """Multiply-adds of one run of an ONNX graph: those of its convolutions, matrix products and recurrent layers.

    Args:
        feed: The graph's inputs.
        folder: For ONNX Runtime's profile, which knows the shapes.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # fused nodes hide shapes
    options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    session.run(None, feed)
    events = json.loads(Path(session.end_profiling()).read_text())
    return sum(_of_node(event["args"]) for event in events if "output_type_shape" in event.get("args", {}))


def _of_node(node: dict[str, Any]) -> int:
    inputs = [next(iter(each.values())) for each in node["input_type_shape"]]
    outputs = [next(iter(each.values())) for each in node["output_type_shape"]]
    kind = node["op_name"]
    if kind in ("LSTM", "GRU"):
        frames, batch, _ = inputs[0]
        return frames * batch * (int(np.prod(inputs[1])) + int(np.prod(inputs[2])))
    if kind == "Conv":
        return int(np.prod(outputs[0])) * int(np.prod(inputs[1][1:]))
    if kind in ("MatMul", "Gemm"):
        return int(np.prod(outputs[0])) * inputs[0][-1]
    return 0


def check_python() -> None:
    """Ends with a line where the interpreter is not the one that Lipscribe is installed for."""
    try:
        import lipscribe  # noqa: F401
    except ImportError:
        sys.exit(f"{sys.executable} has no lipscribe: run `make bench`, or this with .venv/bin/python")
