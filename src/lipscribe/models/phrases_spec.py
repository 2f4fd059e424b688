"""What a model of phrases adds to the spec of the model whose network it uses."""

from dataclasses import dataclass
from typing import Literal

from lipscribe.schema import within

States = Literal["frontend", "encoder"]
"""An output of the network, one row for each frame."""


@dataclass(frozen=True)
class PhrasesSpec:
    """Recorded phrases; the features of the recordings lie in a file next to the spec.

    Attributes:
        texts: The phrases.
        phrase_of: Index of the phrase of each recording.
        digests: Checksum of each recording's file, which tells that it is there already.
        base: Name or folder of the model whose network is used.
        base_digest: See `lipscribe.zoo.phrases.base_digest`.
        states: Which of its outputs are compared.
        limit, slope, level, pause: See `lipscribe.search.phrases.Calibration`.
    """

    texts: tuple[str, ...]
    phrase_of: tuple[int, ...]
    digests: tuple[str, ...]
    base: str
    base_digest: str
    limit: float = within(1.0, 0)
    slope: float = within(1.0, 0)
    level: float = within(1.0, 0)
    pause: int = within(12, 1)
    states: States = "frontend"

    def faults(self) -> list[str]:
        """Faults across fields (see `from_dict`)."""
        faults = []
        if len(self.digests) != len(self.phrase_of):
            faults.append(f"digests has {len(self.digests)} entries, wanted {len(self.phrase_of)}, as phrase_of")
        if set(self.phrase_of) != set(range(len(self.texts))):
            faults.append(f"phrase_of does not name each of the {len(self.texts)} phrases")
        return faults
