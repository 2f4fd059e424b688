"""Models that others published: what they read, under which licence, and where they lie."""

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
    """One file of a published model, in a repository of the Hugging Face Hub or at a plain address.

    Attributes:
        name: What it is called here, and in the repository.
        use: The weights, their `model.json` beside them, the units, or the SentencePiece model that cuts into units.
        repository, revision: On the Hub; the revision is a commit, a tag or a branch.
        url: The address, where there is no repository.
        sha256: As published; None where nobody published it.
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
    """A model that can be fetched.

    Attributes:
        kind: A lip reader, or a language model for the search of one.
        languages: Codes of ISO 639-1.
        wer, wer_source: Word error rate as its authors give it (0.191 is 19.1 %), and where and on what.
        megabytes: To be fetched, roughly.
        companion: A language model that it was published with.
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
    """All that can be fetched."""
    return from_dict(_Registry, json.loads(REGISTRY.read_text(encoding="utf-8")), str(REGISTRY)).models


def find_published(name: str) -> Published:
    """One of them.

    Raises:
        CheckpointError: There is none of that name; all are named.
    """
    for published in list_published():
        if published.name == name:
            return published
    names = ", ".join(published.name for published in list_published())
    raise CheckpointError(f"nothing to fetch is called {name!r}: give one of {names}")
