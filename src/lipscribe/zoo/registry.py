"""Models by name: those in the package, those that were fetched or imported, and those that were trained here."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from lipscribe.errors import CheckpointError
from lipscribe.models.spec import SPEC_FILE
from lipscribe.zoo.cache import cache_folder
from lipscribe.zoo.published import list_published

BUNDLED = Path(__file__).parent.parent / "assets" / "models"
RUNS = Path("runs")  # where the configs of this project put what they train
DEFAULT_MODEL = "grid-s1"
LM_FILE = "language_model.json"  # what SPEC_FILE is to a language model


def models_folder() -> Path:
    """Where the models are that were fetched or imported, a folder each, by name; it need not exist."""
    return cache_folder() / "models"


def find_model(name: str | Path) -> Path:
    """The folder of a model: a bundled or installed name, a model's folder, or a training run's (then its best model).

    Raises:
        CheckpointError: There is none; the models at hand are named.
    """
    if not isinstance(name, str | Path):
        raise CheckpointError(f"a model's name is wanted, or its folder, not a {type(name).__name__}")
    own = [folder / str(name) for folder in (BUNDLED, models_folder()) if _is_name(name)]
    for folder in (*own, Path(name), Path(name) / "best", Path(name) / "last"):
        if (folder / SPEC_FILE).is_file():
            return folder
    if any((folder / LM_FILE).is_file() for folder in (*own, Path(name))):
        raise CheckpointError(f"{str(name)!r} is a language model, which reads no lips: give the name of a lip reader")
    if Path(name).is_dir():
        raise CheckpointError(
            f"{str(name)!r} holds no model: wanted a folder with {SPEC_FILE}, or one that train wrote"
        )
    if any(str(name) == published.name for published in list_published()):
        raise CheckpointError(f"model {str(name)!r} is not here yet: fetch it with `lipscribe models pull {name}`")
    names = ", ".join(sorted({label for label, _ in list_models()})) or "none"
    raise CheckpointError(f"no model {str(name)!r}: give one of {names}, or the folder of a model that you trained")


def find_language_model(name: str | Path) -> Path:
    """The folder of a language model of tokens: an installed name, or a folder.

    Raises:
        CheckpointError: There is none; those at hand are named.
    """
    for folder in ([models_folder() / str(name)] if _is_name(name) else []) + [Path(name)]:
        if (folder / LM_FILE).is_file():
            return folder
    if any(str(name) == published.name for published in list_published()):
        raise CheckpointError(f"{str(name)!r} is not here yet: fetch it with `lipscribe models pull {name}`")
    names = ", ".join(label for label, _ in list_language_models())
    remedy = f"one of {names}, the folder of one" if names else "the folder of one"
    raise CheckpointError(f"no language model {str(name)!r}: give {remedy}, or an ARPA file")


def list_models() -> Iterator[tuple[str, Path]]:
    """Name and folder of each model at hand: the bundled ones, the installed ones, then those under `runs/`."""
    for root in (BUNDLED, models_folder()):
        for path in _visible(root, SPEC_FILE):
            yield path.parent.name, path.parent
    for path in sorted(RUNS.glob(f"*/*/{SPEC_FILE}")):
        yield str(path.parent), path.parent


def list_language_models() -> Iterator[tuple[str, Path]]:
    """Name and folder of each installed language model."""
    for path in _visible(models_folder(), LM_FILE):
        yield path.parent.name, path.parent


def remove_model(name: str) -> Path:
    """Deletes an installed model.

    Returns:
        The folder that is gone.

    Raises:
        CheckpointError: No such model is installed, or it cannot be deleted.
    """
    folder = models_folder() / name
    if not _is_name(name) or not folder.is_dir():
        installed = ", ".join(sorted(label for label, _ in _installed())) or "none"
        raise CheckpointError(f"no installed model {name!r}: give one of {installed}")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be deleted ({error.strerror}): delete it yourself") from None
    return folder


def _installed() -> Iterator[tuple[str, Path]]:
    for file in (SPEC_FILE, LM_FILE):
        for path in _visible(models_folder(), file):
            yield path.parent.name, path.parent


def _visible(root: Path, file: str) -> list[Path]:
    """Not those still being written, whose folders begin with a dot."""
    return [path for path in sorted(root.glob(f"*/{file}")) if not path.parent.name.startswith(".")]


def _is_name(name: str | Path) -> bool:
    return str(name) == Path(name).name != "" and not str(name).startswith(".")
