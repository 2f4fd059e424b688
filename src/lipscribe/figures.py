"""Layout and colours of all figures: a page with coordinates in inches.

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
WARM = "#e4572e"  # highlights, on blue
# Colours of several series, the most important first. Okabe and Ito's colour-blind safe palette, in an order in which
# neighbours also differ in lightness.
SERIES = (ACCENT, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
SURE, UNSURE = 0.8, 0.5  # words are shown as good from here on, as bad below that
DPI = 120


class Page:
    """A white page with coordinates in inches from the top left corner.

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
        """Text, aligned at its top left corner unless `ha` and `va` say otherwise; markup is not interpreted."""
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
        """Writes the page as PNG.

        Raises:
            OSError: The file cannot be written.
        """
        with warnings.catch_warnings():
            # Characters missing in the font are drawn as boxes; the JSON next to the picture has the same text.
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
    """`text` with its middle elided if it is too long: of a path, the start and the name matter."""
    if len(text) <= max_chars:
        return text
    tail = (max_chars - 3) * 2 // 3
    return f"{text[: max_chars - 3 - tail]}...{text[-tail:]}"
