"""Models by name: those in the package, and those that were trained here."""

from collections.abc import Iterator
from pathlib import Path

from lipscribe.errors import CheckpointError
from lipscribe.models.spec import SPEC_FILE

BUNDLED = Path(__file__).parent.parent / "assets" / "models"
RUNS = Path("runs")  # where the configs of this project put what they train
DEFAULT_MODEL = "grid-s1"


def find_model(name: str | Path) -> Path:
    """The folder of a model: a bundled name, a model's folder, or a training run's folder (then its best model).

    Raises:
        CheckpointError: There is none; the models at hand are named.
    """
    bundled = BUNDLED / str(name)
    for folder in (bundled, Path(name), Path(name) / "best", Path(name) / "last"):
        if (folder / SPEC_FILE).is_file():
            return folder
    if Path(name).is_dir():
        raise CheckpointError(
            f"{str(name)!r} holds no model: wanted a folder with {SPEC_FILE}, or one that train wrote"
        )
    names = ", ".join(sorted({label for label, _ in list_models()})) or "none"
    raise CheckpointError(f"no model {str(name)!r}: give one of {names}, or the folder of a model that you trained")


def list_models() -> Iterator[tuple[str, Path]]:
    """Name and folder of each model at hand: the bundled ones, then those under `runs/`."""
    for path in sorted(BUNDLED.glob(f"*/{SPEC_FILE}")):
        yield path.parent.name, path.parent
    for path in sorted(RUNS.glob(f"*/*/{SPEC_FILE}")):
        yield str(path.parent), path.parent
