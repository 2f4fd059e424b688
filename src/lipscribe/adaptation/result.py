"""What an adaptation hands back."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lipscribe.adaptation.estimate import Rate
from lipscribe.evaluation.result import LeftOut
from lipscribe.text import count_of

SHOWN = 8  # confusions


@dataclass(frozen=True)
class Adaptation:
    """A model adapted to one person, and what to expect of it.

    Attributes:
        name: Of the new model.
        folder: Where it is.
        base: Name of the model that it was adapted from.
        num_recordings: Those it learned from.
        steps: Optimizer steps.
        left_out: Recordings that were not used.
        before: Word error rate of the base on the recordings; None if their texts are not known.
        after: The expected rate of the new model on other recordings of the same kind, by cross-validation.
        outlook: How many recordings in all -> the expected rate.
        confusions: The true word, the one read, and how often, in clips that were held out; most frequent first.
        odd: Recordings that were read all wrong when they were held out, with what was read: their texts may be wrong.
        exported: Whether the model has ONNX graphs, so that reading needs no torch.
    """

    name: str
    folder: Path
    base: str
    num_recordings: int
    steps: int
    left_out: tuple[LeftOut, ...] = ()
    before: Rate | None = None
    after: Rate | None = None
    outlook: tuple[tuple[int, float], ...] = ()
    confusions: tuple[tuple[str, str, int], ...] = ()
    odd: tuple[tuple[str, str], ...] = ()
    exported: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"folder": str(self.folder)}

    def lines(self) -> list[str]:
        """The result in words, a line each."""
        recordings = count_of(self.num_recordings, "recording")
        if self.before is None or self.after is None:
            return [f"{self.name} learned from {recordings} without texts: how well it reads was not measured"]
        lines = [
            f"{self.name} learned from {recordings}",
            f"words wrong before: {show(self.before)}",
            f"words wrong in the next {recordings}, expected: {show(self.after)} (measured on recordings that it did "
            "not learn from)",
        ]
        if self.after.rate >= self.before.rate:
            lines.append(f"it reads this person no better than {self.base}: record more, or go on with {self.base}")
        if self.outlook:
            more = ", ".join(f"about {rate:.0%} with {number}" for number, rate in self.outlook)
            lines.append(f"with more recordings, a rough guess: {more}")
        if self.confusions:
            pairs = ", ".join(
                f"{true} as {read}" + (f" ({number}x)" if number > 1 else "")
                for true, read, number in self.confusions[:SHOWN]
            )
            lines.append(f"still confused: {pairs}")
        lines += [f"{clip_id} was read as {text!r}: is its text right?" for clip_id, text in self.odd]
        return lines


def show(rate: Rate) -> str:
    """Such as "5 % (95 % interval: 1 to 16 %)"."""
    return f"{100 * rate.rate:.0f} % (95 % interval: {100 * rate.low:.0f} to {100 * rate.high:.0f} %)"
