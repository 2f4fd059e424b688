"""The model file that the newer MediaPipe reads faces with: where it lies, and how it gets there."""

import hashlib
import http.client
import logging
import os
import urllib.request
import zipfile
from pathlib import Path

from lipscribe.cache import cache_folder
from lipscribe.errors import CheckpointError, MissingExtraError

FACE_MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
FACE_MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
FACE_MODEL_BYTES = 3_758_596
FACE_MODEL_VARIABLE = "LIPSCRIBE_FACE_MODEL"
_TIMEOUT = 20.0  # seconds without an answer

_log = logging.getLogger(__name__)


def find_face_model() -> Path:
    """Path of MediaPipe's `face_landmarker.task`, downloaded into the cache if it is nowhere.

    The environment variable LIPSCRIBE_FACE_MODEL names it; otherwise it lies in the
    `cache_folder`.

    Raises:
        CheckpointError: The variable names no model file.
        MissingExtraError: There is no file, and it cannot be downloaded.
    """
    if named := os.environ.get(FACE_MODEL_VARIABLE):
        if not zipfile.is_zipfile(named):
            raise CheckpointError(
                f"{FACE_MODEL_VARIABLE} names {named}, which is no MediaPipe model: want the file {FACE_MODEL_URL}"
            )
        return Path(named)
    path = cache_folder() / "face_landmarker.task"
    if not zipfile.is_zipfile(path):
        _download(path)
    return path


def _download(path: Path) -> None:
    _log.info("downloading MediaPipe's face model (%.1f MB) to %s", FACE_MODEL_BYTES / 1e6, path)
    try:
        with urllib.request.urlopen(FACE_MODEL_URL, timeout=_TIMEOUT) as answer:
            data = answer.read(FACE_MODEL_BYTES + 1)
        if hashlib.sha256(data).hexdigest() != FACE_MODEL_SHA256:
            raise OSError(f"what came, {len(data)} bytes, is another file")
        _write_whole(path, data)
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())
        raise MissingExtraError(
            f"this MediaPipe needs a face model, which could not be downloaded ({reason}): fetch {FACE_MODEL_URL} "
            f"and put it at {path}, or set {FACE_MODEL_VARIABLE} to it"
        ) from error


def _write_whole(path: Path, data: bytes) -> None:
    """Writes beside `path` and renames, so that no reader ever meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
