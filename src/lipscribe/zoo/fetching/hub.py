"""A file from a repository of the Hugging Face Hub.

Its own library provides the URL and the checksum of a file, and the user's login; it does not resume interrupted
downloads (version 2.4), so the bytes are downloaded by ours.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

from lipscribe.download import download
from lipscribe.errors import LipscribeError, MissingExtraError
from lipscribe.progress import Progress

TIMEOUT = 30.0  # seconds for the hub to describe a file
_SHA256 = re.compile(r"[0-9a-f]{64}")


def download_from_hub(
    repository: str, name: str, revision: str, folder: Path, progress: Progress | None = None
) -> str | None:
    """Fetches a file into `folder`, if it is not there; resumes an interrupted download.

    The hub is the one of the environment variable HF_ENDPOINT, if there is one.

    Returns:
        The SHA-256 of the file according to the hub, None if it has none (it does for large files).

    Raises:
        MissingExtraError: The library is not installed.
        LipscribeError: The repository or the file does not exist, or the hub cannot be reached.
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
        address = huggingface_hub.hf_hub_url(repository, name, revision=revision)
        found = huggingface_hub.get_hf_file_metadata(address, timeout=TIMEOUT)
    except errors.GatedRepoError:
        raise LipscribeError(
            f"{where} is given only to those who asked its authors: ask on its page, then log in with `hf auth login`"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError):
        raise LipscribeError(f"{where} is unavailable: it has moved or is not public any more") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.FileMetadataError, OSError) as error:
        raise _unreachable(where, error) from None
    except Exception as error:  # its HTTP library differs by version (requests, httpx, httpx2), and so do its errors
        if type(error).__module__.split(".")[0] not in ("requests", "httpx", "httpx2", "httpcore", "httpcore2"):
            raise
        raise _unreachable(where, error) from None
    # Large files are on another host, which needs no login and must not receive it.
    own = urlsplit(found.location).netloc == urlsplit(address).netloc
    if not (folder / name).is_file():
        headers = huggingface_hub.utils.build_hf_headers() if own else None
        download(found.location, folder / name, progress, headers)
    return found.etag if found.etag and _SHA256.fullmatch(found.etag) else None


def _unreachable(where: str, error: Exception) -> LipscribeError:
    reason = " ".join(str(error.__cause__ or error).split())[:160]
    return LipscribeError(f"{where} could not be fetched ({reason}): check the network, and run the same command again")
