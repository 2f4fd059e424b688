"""The look of every picture that Lipscribe writes: one page, measured in inches, with one set of colours.

Matplotlib's objects are used directly, without pyplot, whose global state belongs to the user.
"""

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipscribe.atomic import writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, FAINT, PAPER = "#1f2933", "#6b7785", "#dde3ea", "#ffffff"
ACCENT = "#2563a8"
GOOD, DOUBTFUL, BAD = "#2e8b57", "#c27c0e", "#c0392b"
WARM = "#e4572e"  # what matters, over what is there in blue
# What tells several things apart; the first is the one that matters. Okabe and Ito's colours, safe for colour-blind
# eyes, in an order in which neighbours differ in lightness too.
SERIES = (ACCENT, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
SURE, UNSURE = 0.8, 0.5  # probabilities from which a word is shown as good, and below which as bad
DPI = 120


class Page:
    """A white page whose places are given in inches from its top left corner.

    Args:
        width, height: Inches.
    """

    def __init__(self, width: float, height: float):
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self._figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)

    def axes(self, left: float, top: float, width: float, height: float, bare: bool = False) -> "Axes":
        """An empty plot; `bare` leaves out its frame, ticks and labels."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(box)
        if bare:
            axes.set_axis_off()
            return axes
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(MUTED)
        axes.tick_params(colors=MUTED, labelsize=9, length=3)
        axes.set_axisbelow(True)
        return axes

    def text(self, left: float, top: float, text: str, size: float = 10, color: str = INK, **style: Any) -> None:
        """Text whose top left corner (or what `ha` and `va` say) is there; no character of it is a command."""
        style = {"ha": "left", "va": "top", "parse_math": False, **style}
        self._figure.text(left / self.width, 1 - top / self.height, text, fontsize=size, color=color, **style)

    def band(self, left: float, top: float, width: float, height: float, color: str, rounding: float = 0.08) -> None:
        """A filled rectangle with round corners, behind everything else."""
        from matplotlib.patches import FancyBboxPatch

        axes = self.axes(left, top, width, height, bare=True)
        axes.set(xlim=(0, width), ylim=(0, height), zorder=-1)
        style = f"round,pad=0,rounding_size={rounding}"
        axes.add_patch(FancyBboxPatch((0, 0), width, height, boxstyle=style, facecolor=color, edgecolor="none"))

    def save(self, path: Path) -> None:
        """Writes the page as PNG. OSError where that can't be done."""
        with warnings.catch_warnings():
            # A script that the font lacks is drawn as boxes; the same text stands in the JSON beside the picture.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            with writing(path) as file:
                self._figure.savefig(file, format="png")


def rated_color(probability: float) -> str:
    """The colour of a word by its probability, 0 to 1."""
    return GOOD if probability >= SURE else BAD if probability < UNSURE else DOUBTFUL


def rgb(color: str) -> tuple[int, ...]:
    """One of the colours above as red, green and blue, 0 to 255."""
    return tuple(bytes.fromhex(color[1:]))


def wrapped(text: str, max_chars: int, indent: str = "") -> list[str]:
    """`text` in lines of at most `max_chars`, all but the first indented."""
    return textwrap.wrap(text, max_chars, subsequent_indent=indent) or [""]


def shortened(text: str, max_chars: int) -> str:
    """`text`, its middle left out where it is too long: of a path, the beginning and the name matter."""
    if len(text) <= max_chars:
        return text
    tail = (max_chars - 3) * 2 // 3
    return f"{text[: max_chars - 3 - tail]}...{text[-tail:]}"
