"""Pulls a published model: downloads, verifies and imports it, and deletes the download."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from lipscribe.download import download
from lipscribe.errors import CheckpointError, LipscribeError
from lipscribe.models.spec import Card
from lipscribe.progress import Progress
from lipscribe.resumable import locked
from lipscribe.zoo.cache import cache_folder
from lipscribe.zoo.fetching.hub import download_from_hub
from lipscribe.zoo.interop.importing import Imported, check_name, import_model, sha256_of
from lipscribe.zoo.published import Published, PublishedFile
from lipscribe.zoo.registry import models_folder

_LOG = logging.getLogger(__name__)
_SPARE_BYTES = 32_000_000


def pull_model(
    published: Published,
    name: str | None = None,
    say: Callable[[str], None] = _LOG.info,
    progress: Progress | None = None,
) -> Imported:
    """Downloads a published model into the cache.

    The caller has shown its licence, and the user has accepted it. The next call resumes an interrupted
    download; what does not have its published SHA-256 is deleted.

    Args:
        name: The name to install it under; None is its own.
        say: Called with a line for each step.
        progress: Called with the bytes of each file.

    Raises:
        CheckpointError: The name is taken, or a file differs from the published one or cannot be read.
        LipscribeError: A file cannot be downloaded, the disk is full, or another process fetches the same.
        MissingExtraError: The library of the Hugging Face Hub is needed and not installed.
    """
    name = name or published.name
    folder = cache_folder() / "downloads" / published.name
    if (models_folder() / name).exists():
        _remove_left(folder)
    check_name(name)
    with _locked_folder(folder, published):
        check_name(name)  # again: another process may have installed it just now
        paths = {}
        for file in published.files:
            say(f"fetching {file.name} from {file.url or f'huggingface.co/{file.repository}'}")
            paths[file.use] = _fetch(file, folder, say, progress)
        imported = import_model(
            paths["weights"],
            name,
            units=paths.get("units"),
            tokenizer=paths.get("tokenizer"),
            card=_card(published, name),
        )
        shutil.rmtree(folder, ignore_errors=True)
    return imported


def _card(published: Published, name: str) -> Card:
    return Card(
        reads=published.reads,
        data=published.data,
        licence=published.licence,
        notice=f"the weights of {name} are licensed for {published.licence} ({published.licence_url})",
        scores={"published_wer": published.wer} if published.wer is not None else {},
    )


def _remove_left(folder: Path) -> None:
    """Removes the download of a process that was killed when the model was installed already."""
    if folder.is_dir():
        with contextlib.suppress(LipscribeError, OSError), locked(folder):  # refused: it is fetched under another name
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked_folder(folder: Path, published: Published) -> Iterator[None]:
    """The folder of a download, for this process alone, once there is room for it."""
    # The file and the model made of it, until the file is deleted.
    needed = 2 * published.megabytes * 1e6 + _SPARE_BYTES
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder, "wait until it has finished"))
            there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise LipscribeError(
                f"{folder} cannot be written ({error.strerror}): set LIPSCRIBE_CACHE to a writable folder"
            ) from None
        if free + there < needed:
            raise LipscribeError(
                f"{published.name} needs {needed / 1e9:.1f} GB in {folder.parent} until it is installed, and "
                f"{free / 1e9:.1f} GB are free: make room, or set LIPSCRIBE_CACHE to a folder on another disk"
            )
        yield


def _fetch(file: PublishedFile, folder: Path, say: Callable[[str], None], progress: Progress | None) -> Path:
    path, published = folder / file.name, file.sha256
    if file.repository is not None:
        from_hub = download_from_hub(file.repository, file.name, file.revision, folder, progress)
        published = file.sha256 or from_hub
    elif not path.is_file():
        download(file.url or "", path, progress)
    digest = sha256_of(path)
    if published is None:
        say(f"no sha256 of {file.name} is published; computed: {digest}")
    elif digest != published:
        path.unlink()
        raise CheckpointError(
            f"{file.name} came with sha256 {digest}, wanted {published}: it was deleted, fetch it again; "
            "if that does not help, what is published has changed"
        )
    return path
