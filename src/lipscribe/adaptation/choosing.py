"""Which models can be adapted, and where the result goes."""

import contextlib
from collections.abc import Iterator
from math import prod
from pathlib import Path

from lipscribe.atomic import make_private
from lipscribe.errors import CheckpointError, LipscribeError
from lipscribe.models.spec import WEIGHTS_FILE, ModelSpec, load_spec
from lipscribe.resumable import remove_staged, staged
from lipscribe.zoo.registry import FORMER_NAMES, find_model, list_models, models_folder
from lipscribe.zoo.safetensors_header import read_header

MOST_WEIGHTS = 30_000_000  # of larger models a training step takes many seconds of a CPU


def adaptable(base: str | Path) -> tuple[Path, ModelSpec]:
    """The folder and the spec of a model that can be adapted.

    Raises:
        CheckpointError: It does not exist, is damaged, or cannot be adapted; the message names models that can.
    """
    folder = find_model(base)
    spec = load_spec(folder)
    if reason := _obstacle(folder):
        able = ", ".join(name for name, path in list_models() if _is_adaptable(path)) or "none is installed"
        raise CheckpointError(f"model {spec.name} cannot be adapted: {reason}; models that can: {able}")
    return folder, spec


def new_folder(name: str, remedy: str = "give another name") -> Path:
    """Where a new model of this name goes.

    Args:
        remedy: What to do if a model has it.

    Raises:
        CheckpointError: It is no name, or a model has it.
    """
    folder = named_folder(name)
    if name in FORMER_NAMES or any(name == label for label, _ in list_models()):
        remedy += f", or delete it with `lipscribe models remove {name}`" if folder.is_dir() else ""
        raise CheckpointError(f"a model {name!r} exists: {remedy}")
    if folder.exists():
        raise CheckpointError(f"{folder} exists and is no lip reader: give another name, or delete it")
    return folder


def named_folder(name: str) -> Path:
    """Where a model of this name is, if there is one; a killed process may have been replacing it, and it comes back.

    Raises:
        CheckpointError: It is no name.
    """
    if str(name) != Path(name).name or not name.strip() or name.startswith((".", "-")):
        raise CheckpointError(f"the name is {name!r}, wanted one that can be a folder's, such as 'me'")
    remove_staged(models_folder())
    return models_folder() / name


@contextlib.contextmanager
def writing_model(target: Path, replaces: bool = False, remedy: str = "") -> Iterator[Path]:
    """Yields the path of a folder to make, which becomes the model's at the end of the block, or nothing changes.

    Args:
        replaces: Whether the model exists, and is replaced.
        remedy: Added to the message of a full disk, such as what happens next.

    Raises:
        CheckpointError: The folder has come into being meanwhile, or cannot be written.
    """
    try:
        with staged(target, replaces) as made:
            yield made
            make_private(made)  # a person's mouth is in it
    except OSError as error:
        if isinstance(error, FileExistsError) and target.exists():
            raise CheckpointError(f"{target} exists: give another --name, or delete it first") from None
        raise CheckpointError(
            f"{target} cannot be written ({error.strerror}): make room, or set LIPSCRIBE_CACHE to another folder"
            f"{remedy}"
        ) from None


def _obstacle(folder: Path) -> str:
    """Why a model cannot be adapted; empty if it can."""
    if not (folder / WEIGHTS_FILE).is_file():
        return "it has ONNX graphs alone, without the weights that are trained (adapt the model that they are made of)"
    number = sum(prod(tensor.shape) for tensor in read_header(folder / WEIGHTS_FILE).values())
    if number > MOST_WEIGHTS:
        return f"its {number / 1e6:.0f} million weights (at most {MOST_WEIGHTS / 1e6:.0f}) would take hours on a CPU"
    return ""


def _is_adaptable(folder: Path) -> bool:
    try:
        load_spec(folder)
        return not _obstacle(folder)
    except (LipscribeError, OSError):
        return False
