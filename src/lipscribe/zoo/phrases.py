"""A model of phrases on disk: a spec, and the features of its recordings, in safetensors."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lipscribe.atomic import writing
from lipscribe.encoded import halved
from lipscribe.errors import CheckpointError
from lipscribe.models.onnx_runtime import ENCODER
from lipscribe.models.phrases_spec import PhrasesSpec
from lipscribe.models.spec import WEIGHTS_FILE, ModelSpec, load_spec, save_spec
from lipscribe.zoo.registry import find_model
from lipscribe.zoo.safetensors_header import check_finite, read_header, write_header

RECORDINGS_FILE = "recordings.safetensors"
LOOKS = "looks"  # of the faces, by which two people are told apart
_HASHED = 1 << 20  # bytes at each end of the weights


def save_phrases(folder: Path, spec: ModelSpec, recordings: Sequence[np.ndarray], looks: np.ndarray) -> None:
    """Writes a model of phrases.

    Args:
        recordings: Features (T, D) of each recording, kept as float16.
        looks: (N, S) the signature of the face in each.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{idx:05d}": features for idx, features in enumerate(recordings)} | {LOOKS: looks}
    _save_arrays(folder / RECORDINGS_FILE, arrays)
    save_spec(folder, spec)


def load_recordings(folder: Path, phrases: PhrasesSpec) -> tuple[list[np.ndarray], np.ndarray]:
    """The features (T, D) float32 of each recording, and the looks (N, S).

    Raises:
        CheckpointError: They are missing or damaged.
    """
    path = folder / RECORDINGS_FILE
    arrays = _load_arrays(path)
    names = [f"{idx:05d}" for idx in range(len(phrases.phrase_of))]
    if {*names, LOOKS} != arrays.keys() or any(arrays[name].ndim != 2 or not len(arrays[name]) for name in names):
        raise CheckpointError(f"{path} does not fit its spec: copy the model again, or record it again")
    return [arrays[name] for name in names], arrays[LOOKS]


def find_base(name: str, phrases: PhrasesSpec) -> Path:
    """The folder of the model whose network a model of phrases uses.

    Raises:
        CheckpointError: It is absent, or another than the phrases were recorded with.
    """
    remedy = f"install it again, or make the phrases again with `lipscribe adapt --phrases --name {name}`"
    try:
        folder = find_model(phrases.base)
    except CheckpointError:
        raise CheckpointError(
            f"model {name} compares phrases by what {phrases.base} sees, which is not installed: {remedy}"
        ) from None
    if base_digest(folder) != phrases.base_digest:
        raise CheckpointError(
            f"model {name} was made with another {phrases.base} than the one that is installed: {remedy}"
        )
    return folder


def base_digest(folder: Path) -> str:
    """A checksum by which the weights of a model are known: of their size, beginning and end."""
    path = folder / WEIGHTS_FILE if (folder / WEIGHTS_FILE).is_file() else folder / ENCODER
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            checksum = hashlib.blake2b(str(size).encode() + file.read(_HASHED), digest_size=16)
            file.seek(max(0, size - _HASHED))
            checksum.update(file.read())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): install the model again") from None
    return checksum.hexdigest()


def load_base_spec(name: str, phrases: PhrasesSpec) -> tuple[Path, ModelSpec]:
    """Folder and spec of the base; raises as `find_base`."""
    folder = find_base(name, phrases)
    return folder, load_spec(folder)


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    stored = {name: np.ascontiguousarray(halved(array), np.dtype("<f2")) for name, array in sorted(arrays.items())}
    with writing(path) as file:
        write_header(file, {name: ("F16", array.shape, array.nbytes) for name, array in stored.items()})
        file.writelines(array.tobytes() for array in stored.values())


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    header = read_header(path)
    if any(tensor.dtype != "F16" for tensor in header.values()):
        raise CheckpointError(f"{path} has other numbers than float16: copy the model again, or record it again")
    check_finite(path, header)
    content = path.read_bytes()
    try:
        return {
            name: np.frombuffer(content, np.dtype("<f2"), tensor.num_bytes // 2, tensor.offset)
            .reshape(tensor.shape)
            .astype(np.float32)
            for name, tensor in header.items()
        }
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy the model again") from None
