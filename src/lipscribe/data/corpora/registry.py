"""The corpora by name. A corpus is a module of this package.

The contract: `prepare_x(root)` finds the clips of a folder in the layout that the corpus's authors publish, and returns
them, sorted by id, with the reason for everything that it leaves out, by path (`findings.Corpus`). It reads names and
texts, never videos: `data.prepare` does. Where a corpus has several protocols, it takes `protocol`, the first of those
listed here being its default. `download_x(download)` fetches the corpus where its licence lets everybody have it; else
the module has `INSTRUCTIONS`, with `{folder}` for the corpus's folder. A module's docstring says where the layout is
documented, and a list of speakers where it is from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipscribe.errors import ManifestError

if TYPE_CHECKING:
    from lipscribe.data.corpora.fetching import Download
    from lipscribe.data.corpora.findings import Corpus


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus as the commands list it, without its module.

    Attributes:
        name: Of the commands; with underscores it is that of the module and in the names of its functions.
        about: Who says what.
        protocols: How it may be split; the first is the default, and none means that there is one only.
        licence, licence_url: Of the corpus.
        gigabytes: Size of the download; 0 where it is given on request.
    """

    name: str
    about: str
    licence: str
    licence_url: str
    protocols: tuple[str, ...] = ()
    gigabytes: float = 0.0

    def prepare(self, root: Path | str, protocol: str | None = None) -> "Corpus":
        """Finds the clips of the corpus (see the contract).

        Raises:
            ManifestError: It has no such protocol, or what `prepare_x` raises.
        """
        if protocol is None:
            return self._function("prepare")(root)
        if not self.protocols or (protocol not in self.protocols and not self.takes_any_protocol):
            wanted = f"wanted one of {', '.join(self.protocols)}" if self.protocols else "it has one only: leave it out"
            raise ManifestError(f"{self.name} has no protocol {protocol!r}, {wanted}")
        return self._function("prepare")(root, protocol)

    @property
    def is_own(self) -> bool:
        """Whether it is made of the user's own videos, so that there is nothing to download."""
        return self.licence == "yours"

    @property
    def takes_any_protocol(self) -> bool:
        """Whether a protocol may be a language too."""
        return "LANGUAGE" in self.protocols

    def download(self, download: "Download") -> None:
        """Downloads the corpus (see the contract).

        Raises:
            OnRequestError: Its authors give it on request: the error has instructions.
            LipscribeError: What `download_x` raises.
        """
        if not self.gigabytes:
            from lipscribe.data.corpora.fetching import OnRequestError

            raise OnRequestError(self.name, self._module().INSTRUCTIONS.format(folder=download.folder))
        self._function("download")(download)

    def _function(self, verb: str) -> Callable[..., Any]:
        return getattr(self._module(), f"{verb}_{self._identifier}")

    def _module(self) -> Any:
        return import_module(f"lipscribe.data.corpora.{self._identifier}")

    @property
    def _identifier(self) -> str:
        return self.name.replace("-", "_")


_CC_BY = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
_BBC = ("BBC's agreement, research only", "https://www.bbc.co.uk/rd/projects/lip-reading-datasets")
CORPORA = (
    CorpusEntry("grid", "33 people, 1000 six-word commands each", *_CC_BY, ("unseen", "overlapped"), 16.0),
    CorpusEntry("lombard-grid", "54 people, 100 such commands each, half of them in noise", *_CC_BY, gigabytes=0.9),
    CorpusEntry("lrw", "500 words from the BBC, up to 1000 clips each", *_BBC),
    CorpusEntry("lrs2", "sentences from the BBC", *_BBC, ("all", "main")),
    CorpusEntry(
        "lrs3",
        "sentences from TED talks",
        "research only, of talks in CC BY-NC-ND 4.0",
        "https://mmai.io/datasets/lip_reading/",
        ("all", "trainval"),
    ),
    CorpusEntry(
        "tcd-timit",
        "62 people reading TIMIT's sentences",
        "research only",
        "https://sigmedia.tcd.ie",
        ("unseen", "overlapped"),
    ),
    CorpusEntry("cmlr", "Mandarin news by 11 people", "research only", "https://www.vipazoo.cn/CMLR.html"),
    CorpusEntry(
        "multivsr",
        "lists of clips in videos, as of YouTube in 13 languages",
        "of each video's owner; the lists on request",
        "https://huggingface.co/datasets/sindhuhegde/multivsr",
        ("all", "LANGUAGE"),
    ),
    CorpusEntry("folder", "any videos beside srt, vtt, json of whisper, TextGrid, ctm or txt", "yours", ""),
)


def find_corpus(name: str) -> CorpusEntry:
    """A corpus by its name.

    Raises:
        ManifestError: There is none; the message lists all.
    """
    for entry in CORPORA:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in CORPORA)
    raise ManifestError(f"no corpus {name!r}: give one of {names}; `prepare manifest` reads a list of your own")
