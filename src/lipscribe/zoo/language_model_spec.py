"""The spec of a token language model, saved next to its weights; read without torch."""

from dataclasses import dataclass
from pathlib import Path

from lipscribe.errors import CheckpointError
from lipscribe.models.spec import FORMAT_VERSION, Card, read_record
from lipscribe.plain_data import check_format
from lipscribe.schema import from_dict, within
from lipscribe.zoo.registry import LM_FILE


@dataclass(frozen=True)
class LanguageModelSpec:
    """The spec of a language model: see `TransformerLM`.

    Attributes:
        vocab_size: V, equal to the lip reader's: same tokens, same ids.
    """

    name: str
    vocab_size: int = within(0, 3, 1_000_000)
    embedding: int = within(128, 1, 65_536)
    hidden: int = within(512, 2, 65_536)
    heads: int = within(8, 1, 65_536)
    ff: int = within(2048, 1, 65_536)
    layers: int = within(16, 1, 64)
    placed: bool = True
    card: Card = Card()
    format_version: int = within(FORMAT_VERSION, 1, FORMAT_VERSION)

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        if self.hidden % 2 or self.hidden % self.heads:
            return [f"hidden is {self.hidden}, wanted an even number that is a multiple of {self.heads}, the heads"]
        return []


def load_language_model_spec(folder: Path | str) -> LanguageModelSpec:
    """Loads only the spec.

    Raises:
        CheckpointError: The spec is missing or damaged.
    """
    path = Path(folder) / LM_FILE
    data = read_record(path, "give the name of a language model", "import it again")
    check_format(data, FORMAT_VERSION, str(path), CheckpointError)
    if isinstance(data, dict):
        data.setdefault("format_version", 1)
    return from_dict(LanguageModelSpec, data, str(path), CheckpointError)
