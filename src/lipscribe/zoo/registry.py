"""Models by name: bundled, pulled or imported, and trained here."""

import errno
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from lipscribe.errors import CheckpointError
from lipscribe.models.spec import SPEC_FILE
from lipscribe.zoo.cache import cache_folder
from lipscribe.zoo.published import list_published

BUNDLED = Path(__file__).parent.parent / "assets" / "models"
RUNS = Path("runs")  # default output of the configs
DEFAULT_MODEL = "grid"
FORMER_NAMES = {"grid-s1": "grid"}  # bundled models that another one replaced
LM_FILE = "language_model.json"  # a language model's SPEC_FILE


def models_folder() -> Path:
    """The folder of pulled and imported models, one subfolder each; it need not exist."""
    return cache_folder() / "models"


def find_model(name: str | Path) -> Path:
    """The folder of a model: a bundled or installed name, a model's folder, or a training run's (then its best model).

    Raises:
        CheckpointError: The model does not exist; the message lists the installed ones.
    """
    if not isinstance(name, str | Path):
        raise CheckpointError(f"a model's name is wanted, or its folder, not a {type(name).__name__}")
    own = [folder / str(name) for folder in (BUNDLED, models_folder()) if _is_name(name)]
    if str(name) in FORMER_NAMES:
        own.append(BUNDLED / FORMER_NAMES[str(name)])
    for folder in (*own, Path(name), Path(name) / "best", Path(name) / "last"):
        if _is_file(folder / SPEC_FILE):
            return folder
    if any(_is_file(folder / LM_FILE) for folder in (*own, Path(name))):
        raise CheckpointError(f"{str(name)!r} is a language model: give the name of a lip reader")
    if _is_file(name, stat.S_ISDIR):
        raise CheckpointError(
            f"{str(name)!r} holds no model: wanted a folder with {SPEC_FILE}, or one that train wrote"
        )
    if any(str(name) == published.name for published in list_published()):
        raise CheckpointError(f"model {str(name)!r} is not installed: fetch it with `lipscribe models pull {name}`")
    names = ", ".join(sorted({label for label, _ in list_models()})) or "none"
    raise CheckpointError(f"no model {str(name)!r}: give one of {names}, or the folder of a model that you trained")


def find_language_model(name: str | Path) -> Path:
    """The folder of a token language model: an installed name, or a folder.

    Raises:
        CheckpointError: The model does not exist; the message lists the installed ones.
    """
    for folder in ([models_folder() / str(name)] if _is_name(name) else []) + [Path(name)]:
        if _is_file(folder / LM_FILE):
            return folder
    if any(str(name) == published.name for published in list_published()):
        raise CheckpointError(f"{str(name)!r} is not installed: fetch it with `lipscribe models pull {name}`")
    names = ", ".join(label for label, _ in list_language_models())
    remedy = f"one of {names}, the folder of one" if names else "the folder of one"
    raise CheckpointError(f"no language model {str(name)!r}: give {remedy}, or an ARPA file")


def _is_file(path: str | Path, kind: Callable[[int], bool] = stat.S_ISREG) -> bool:
    """Whether there is a file of a kind; what cannot be a name is none.

    Raises:
        CheckpointError: The name is too long.
    """
    try:
        return kind(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise CheckpointError(
                f"no model {Path(path).parent.name[:40]!r}...: the name is too long for the system: give a shorter one"
            ) from None
        return False


def list_models() -> Iterator[tuple[str, Path]]:
    """Name and folder of each available model: bundled, installed, then those under `runs/`."""
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
        The deleted folder.

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
    """Model folders, without those being written, whose names start with a dot."""
    return [path for path in sorted(root.glob(f"*/{file}")) if not path.parent.name.startswith(".")]


def _is_name(name: str | Path) -> bool:
    return str(name) == Path(name).name != "" and not str(name).startswith(".")
