"""Converts a published model into a folder of ours, atomically."""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lipscribe.errors import FULL, CheckpointError, LipscribeError
from lipscribe.models.spec import WEIGHTS_FILE, Card
from lipscribe.resumable import staged
from lipscribe.schema import to_dict
from lipscribe.tokenizer import UnitsTokenizer
from lipscribe.zoo.checkpoint import save_checkpoint, save_weights
from lipscribe.zoo.interop import auto_avsr, espnet_lm, known, usr
from lipscribe.zoo.interop.tensors import read_config, read_tensors
from lipscribe.zoo.interop.vocabulary import find_tokenizer
from lipscribe.zoo.registry import BUNDLED, LM_FILE, models_folder

UNKNOWN_LICENCE = "not given at import: ask who published it"
_SPARE_BYTES = 32_000_000  # of disk space, beside the weights
_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


class Imported(NamedTuple):
    """Result of an import.

    Attributes:
        folder: Of the model.
        sha256: Of the source file.
        notes: Notes for the user, one line each.
    """

    folder: Path
    sha256: str
    notes: tuple[str, ...]


def import_model(
    source: Path | str,
    name: str,
    units: Path | None = None,
    tokenizer: Path | None = None,
    card: Card | None = None,
) -> Imported:
    """Converts a published model of the Auto-AVSR, USR or RAVEn families, or a language model, and installs it in the
    cache as `name`.

    No code in the file is executed. A `model.json` of the file's name, or in the given folder, is read too.

    Args:
        source: A file of weights, or a folder with one.
        units: The file of the model's units; see `find_tokenizer` for the default.
        tokenizer: The SentencePiece model for these units.
        card: The model card; missing fields are filled in.

    Raises:
        CheckpointError: The file cannot be read or is of another kind of model, or the name is taken or invalid.
        LipscribeError: The disk is full.
    """
    check_name(name)
    path = _weights_file(Path(source))
    config = read_config(path.with_suffix(".json")) if path.with_suffix(".json").is_file() else None
    tensors = read_tensors(path)
    _refuse_nonsense(tensors, path)
    digest = sha256_of(path)
    card, notes = known.describe(card or Card(), digest)
    if card.data == Card.data:
        card = replace(card, data=f"unknown; converted from {path.name}, sha256 {digest}")
    if card.licence == Card.licence:
        card = replace(card, licence=UNKNOWN_LICENCE)
    convert = _auto_avsr
    if usr.is_usr(tensors):
        convert = _usr
    elif espnet_lm.is_language_model(tensors):
        convert = _language_model
    with _staged(name, sum(tensor.numel() for tensor in tensors.values()) * 4) as staging:
        notes += convert(staging, _Found(path, tensors, config, name, card), units=units, tokenizer=tokenizer)
    return Imported(models_folder() / name, digest, tuple(notes))


def check_name(name: str) -> None:
    """Checks the name of a new model.

    Raises:
        CheckpointError: The name is invalid, or a model of that name exists.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise CheckpointError(f"{name!r} is no name for a model: use letters, digits, dots, dashes and underscores")
    if (BUNDLED / name).exists():
        raise CheckpointError(f"{name!r} is the name of a bundled model: take another")
    if (models_folder() / name).exists():
        raise CheckpointError(
            f"there is a model {name!r} in {models_folder()}: "
            f"take another name, or run `lipscribe models remove {name}`"
        )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weights_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    found = sorted(path for path in source.iterdir() if path.suffix in _SUFFIXES)
    if len(found) != 1:
        raise CheckpointError(
            f"{source} holds {len(found)} files of weights ({', '.join(_SUFFIXES)}): name the one to import"
        )
    return found[0]


def _refuse_nonsense(tensors: Mapping[str, Tensor], path: Path) -> None:
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if bad:
        raise CheckpointError(
            f"{path} has NaN or infinite values in {len(bad)} weights (first {bad[0]}): fetch it again"
        )


class _Found(NamedTuple):
    """The source of an import: the weights of a file, its model.json if there is one, and the card."""

    path: Path
    tensors: Mapping[str, Tensor]
    config: dict[str, Any] | None
    name: str
    card: Card


def _auto_avsr(folder: Path, found: _Found, units: Path | None, tokenizer: Path | None) -> list[str]:
    path, tensors, config, name, card = found
    theirs = auto_avsr.one_layout(tensors, str(path))
    size = auto_avsr.vocab_size(theirs, str(path))
    symbols = find_tokenizer(size, config, path, folder, units, tokenizer)
    if card.reads == Card.reads:
        card = replace(card, reads=f"sentences, spelled with {size - 2} units")
    spec = auto_avsr.infer_spec(theirs, config, name, symbols, card, str(path))
    save_checkpoint(folder, spec, auto_avsr.our_names(spec, theirs, str(path)), torch.float32)
    notes = []
    if config is None and any(name.startswith("encoder.frontend.") for name in tensors):
        notes.append(
            f"no {path.with_suffix('.json').name} next to {path.name}: positions are assumed to be those of Auto-AVSR; "
            "an older model outputs nonsense then, import it with its model.json"
        )
    return notes + _without_pieces(symbols, "unigram5000.model")


def _usr(folder: Path, found: _Found, units: Path | None, tokenizer: Path | None) -> list[str]:
    path, tensors, _, name, card = found
    spec, weights, notes = usr.convert(
        tensors, name, card, str(path), lambda size: find_tokenizer(size, None, path, folder, units, tokenizer)
    )
    save_checkpoint(folder, spec, weights, torch.float32)
    if isinstance(spec.tokenizer, UnitsTokenizer):
        notes += _without_pieces(spec.tokenizer, "unigram1000.model")
    return notes


def _without_pieces(symbols: UnitsTokenizer, model: str) -> list[str]:
    if symbols.model is not None:
        return []
    return [f"it reads; to train or score it by its units, import it with --tokenizer {model}"]


def _language_model(folder: Path, found: _Found, **unused: Path | None) -> list[str]:
    path, tensors, config, name, card = found
    spec, named = espnet_lm.convert_language_model(tensors, config, name, card, str(path))
    save_weights(folder / WEIGHTS_FILE, named, torch.float32)
    (folder / LM_FILE).write_text(json.dumps(to_dict(spec), indent=2) + "\n", encoding="utf-8", newline="\n")
    given = [f"--{option}" for option, value in unused.items() if value is not None]
    return [f"{' and '.join(given)} not needed: a language model has the units of its lip reader"] if given else []


@contextlib.contextmanager
def _staged(name: str, num_bytes: int) -> Iterator[Path]:
    """Yields a temporary folder that becomes the model's at the end, and is deleted on an error."""
    models = models_folder()
    try:
        models.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(models).free
    except OSError as error:
        raise LipscribeError(
            f"{models} cannot be written ({error.strerror}): set LIPSCRIBE_CACHE to a writable folder"
        ) from None
    if free < num_bytes + _SPARE_BYTES:
        raise LipscribeError(_no_room(num_bytes, models))
    try:
        with staged(models / name) as staging:
            staging.mkdir()
            yield staging
    except OSError as error:
        if error.errno in FULL:
            raise LipscribeError(_no_room(num_bytes, models)) from None
        if (models / name).exists():  # another process was first
            check_name(name)
        raise LipscribeError(
            f"{models / name} cannot be written ({error.strerror}): set LIPSCRIBE_CACHE to a writable folder"
        ) from None


def _no_room(num_bytes: int, models: Path) -> str:
    return (
        f"there is no room for the {(num_bytes + _SPARE_BYTES) / 1e9:.2f} GB of the model in {models}: "
        "make room, or set LIPSCRIBE_CACHE to a folder on another disk"
    )
