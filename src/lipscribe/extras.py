"""Packages that reading does without, and what installs them."""

from lipscribe.errors import MissingExtraError

TRAIN = "pip install 'lipscribe[train]'"
EXPORT = "pip install 'lipscribe[export]'"
SERVE = "pip install 'lipscribe[serve]'"
REMEDIES = {
    "torch": TRAIN,
    "lightning_fabric": TRAIN,
    "safetensors": TRAIN,
    "yaml": TRAIN,
    "matplotlib": "pip install 'lipscribe[plots]'",
    "onnx": EXPORT,
    "onnxscript": EXPORT,
    "PIL": "pip install pillow",
    "pynput": "pip install 'lipscribe[type]'",
    "fastapi": SERVE,
    "starlette": SERVE,
    "uvicorn": SERVE,
    "h11": SERVE,
    "websockets": SERVE,
    "python_multipart": SERVE,
    "prometheus_client": SERVE,
    "ray": "pip install 'lipscribe[ray]'",
    "fsspec": "pip install fsspec",
    "s3fs": "pip install 'lipscribe[s3]'",
    "faster_whisper": "pip install 'lipscribe[asr]'",
    "onnxruntime": "pip install onnxruntime",
}
"""What to run where a package cannot be imported."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """What to tell a user of a package that is not installed; None if it is no optional one."""
    package = (error.name or "").partition(".")[0]
    remedy = REMEDIES.get(package)
    return MissingExtraError(f"this needs {package}, which is not installed: run `{remedy}`") if remedy else None
