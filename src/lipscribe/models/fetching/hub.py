"""A file from a repository of the Hugging Face Hub, through its own library."""

import re
from pathlib import Path

from lipscribe.errors import LipscribeError, MissingExtraError

TIMEOUT = 30.0  # seconds for the hub to tell of a file
_SHA256 = re.compile(r"[0-9a-f]{64}")


def download_from_hub(repository: str, name: str, revision: str, folder: Path) -> str | None:
    """Fetches a file into `folder`; what broke off is gone on from.

    The hub is the one of the environment variable HF_ENDPOINT, if there is one.

    Returns:
        The SHA-256 that the hub tells of the file, None where it tells none (it does for large files).

    Raises:
        MissingExtraError: The library is not installed.
        LipscribeError: The repository or the file is not there, or the hub cannot be reached.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise MissingExtraError(
            "models of the Hugging Face Hub need its library: pip install 'lipscribe[hub]'"
        ) from None
    where = f"{name} of huggingface.co/{repository}"
    try:
        huggingface_hub.hf_hub_download(
            repository, name, revision=revision, local_dir=folder, etag_timeout=TIMEOUT, library_name="lipscribe"
        )
        address = huggingface_hub.hf_hub_url(repository, name, revision=revision)
        told = huggingface_hub.get_hf_file_metadata(address, timeout=TIMEOUT).etag
    except errors.GatedRepoError:
        raise LipscribeError(
            f"{where} is given only to those who asked its authors: ask on its page, then log in with `hf auth login`"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError):
        raise LipscribeError(f"{where} is not to be had: it has moved or is not public any more") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.FileMetadataError, OSError) as error:
        raise _unreachable(where, error) from None
    except Exception as error:  # its HTTP library differs by version (requests, httpx, httpx2), and so do its errors
        if type(error).__module__.split(".")[0] not in ("requests", "httpx", "httpx2", "httpcore", "httpcore2"):
            raise
        raise _unreachable(where, error) from None
    return told if told and _SHA256.fullmatch(told) else None


def _unreachable(where: str, error: Exception) -> LipscribeError:
    reason = " ".join(str(error.__cause__ or error).split())[:160]
    return LipscribeError(
        f"{where} could not be fetched ({reason}): check the network, the same command goes on from what came"
    )
