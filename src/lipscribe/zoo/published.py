"""Published models: languages, licences and download locations."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from lipscribe.errors import CheckpointError
from lipscribe.schema import from_dict

REGISTRY = Path(__file__).parent.parent / "assets" / "registry.json"


@dataclass(frozen=True)
class PublishedFile:
    """One file of a published model, in a repository of the Hugging Face Hub or at a URL.

    Attributes:
        name: The file name, here and in the repository.
        use: The weights, their `model.json`, the units, or the SentencePiece model.
        repository, revision: On the Hub; the revision is a commit, a tag or a branch.
        url: The URL, without a repository.
        sha256: As published; None if unpublished.
    """

    name: str
    use: Literal["weights", "config", "units", "tokenizer"]
    repository: str | None = None
    revision: str = "main"
    url: str | None = None
    sha256: str | None = None

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        if (self.repository is None) == (self.url is None):
            return [f"{self.name} wants either a repository or a url"]
        return [] if self.name == Path(self.name).name else [f"name is {self.name!r}, wanted a file's name"]


@dataclass(frozen=True)
class Published:
    """A model that can be pulled.

    Attributes:
        kind: A lip reader, or a language model for the search of one.
        languages: Codes of ISO 639-1.
        wer, wer_source: Word error rate as its authors report it (0.191 is 19.1 %), with source and data set.
        megabytes: Approximate download size.
        companion: A language model published with it.
    """

    name: str
    reads: str
    data: str
    languages: tuple[str, ...]
    megabytes: float
    licence: str
    licence_text: str
    licence_url: str
    files: tuple[PublishedFile, ...]
    kind: Literal["lip reader", "language model"] = "lip reader"
    wer: float | None = None
    wer_source: str = ""
    companion: str | None = None


@dataclass(frozen=True)
class _Registry:
    models: tuple[Published, ...] = field(default_factory=tuple)


@cache
def list_published() -> tuple[Published, ...]:
    """All published models."""
    return from_dict(_Registry, json.loads(REGISTRY.read_text(encoding="utf-8")), str(REGISTRY)).models


def find_published(name: str) -> Published:
    """A published model by name.

    Raises:
        CheckpointError: No model has this name; the message lists all.
    """
    for published in list_published():
        if published.name == name:
            return published
    names = ", ".join(published.name for published in list_published())
    raise CheckpointError(f"no published model {name!r}: give one of {names}")
