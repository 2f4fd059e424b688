"""The units of a published model, in the file that a `UnitsTokenizer` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.tokenizer import BLANK_NAME, END_NAME, UnitsTokenizer

PUBLISHED_UNITS = {  # of V symbols (blank, units, <eos>): the file, and where it is
    5049: ("unigram5000_units.txt", "https://github.com/mpc001/auto_avsr/tree/main/spm/unigram"),  # English Auto-AVSR
    1049: ("unigram1000_units.txt", "https://github.com/ahaliassos/raven/tree/main/labels"),  # USR, RAVEn and BRAVEn
}


def find_tokenizer(
    size: int,
    config: Mapping[str, Any] | None,
    source: Path,
    staging: Path,
    units: Path | None = None,
    model: Path | None = None,
) -> UnitsTokenizer:
    """The tokenizer of a model with `size` symbols.

    Its units are those of `units`, else of the `char_list` in `config`, else of a `*units*.txt` next to the weights.

    Args:
        source: The file of weights.
        staging: A folder for new files.
        model: The SentencePiece model for these units, which training and evaluation may need; None looks for one of
            the same name next to the units.

    Raises:
        CheckpointError: There are no units, or their number is not the model's.
    """
    if units is not None:
        _refuse_other_size(units, size)
    elif config is not None and config.get("char_list"):
        units = _write_units(config["char_list"], size, staging / "units.txt")
    else:
        units = _beside(source, size)
    if model is None:
        beside = units.with_name(units.name.replace("_units.txt", ".model"))
        model = beside if beside != units and beside.is_file() else None
    elif not model.is_file():
        raise CheckpointError(f"no tokenizer {model}: give a SentencePiece model such as unigram5000.model")
    return UnitsTokenizer(str(units), None if model is None else str(model))


def _read(path: Path) -> UnitsTokenizer:
    try:
        return UnitsTokenizer(str(path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def _refuse_other_size(units: Path, size: int) -> None:
    got = len(_read(units).vocab)
    if got != size:
        raise CheckpointError(
            f"{units} holds {got - 2} units, and the model has {size - 2}: give the file that it was trained with"
        )


def _write_units(names: Any, size: int, path: Path) -> Path:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError("char_list in model.json is no list of names: fetch it again")
    if len(names) != size or names[0] != BLANK_NAME or names[-1] != END_NAME:
        raise CheckpointError(
            f"char_list in model.json has {len(names)} names from {names[0]!r} to {names[-1]!r}, and the model has "
            f"{size} from {BLANK_NAME!r} to {END_NAME!r}: they are of two models, use the right one"
        )
    lines = [f"{name} {idx}\n" for idx, name in enumerate(names[1:-1], start=1)]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    _read(path)
    return path


def _beside(source: Path, size: int) -> Path:
    for path in sorted(source.parent.glob("*units*.txt")):
        try:
            if len(_read(path).vocab) == size:
                return path
        except CheckpointError:  # another file of that name
            continue
    if size in PUBLISHED_UNITS:
        file, where = PUBLISHED_UNITS[size]
        raise CheckpointError(
            f"the {size} symbols of {source} need their names: pass --units {file}, published at {where}"
        )
    raise CheckpointError(
        f"the {size} symbols of {source} need their names: pass --units FILE, "
        f"the {size - 2} units that it was trained with, each a line with its number"
    )
