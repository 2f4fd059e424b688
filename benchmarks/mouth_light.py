"""How light lips, teeth and the inside of a mouth are, of people and of talkers: what `natural_lips.py` is fitted to.

    python benchmarks/mouth_light.py --grid ../shared/grid ../shared/grid-others

Every second frame is tracked. The brightness of the lips and of what shows between them is divided by that of the skin
around the mouth: light and camera then matter little. Models normalise each crop by its mean and deviation, so what
lies around the mouth counts too. The people are train clips alone, and no picture of them is kept.
Talkers of dark skin are counted apart, as the clips here have none of such people.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from mouths import EveryFrame, add_grid, draw_pools, saying, track_of, train_clips

from lipscribe.faces import landmarks as lm
from lipscribe.mouth.cropping import crop_mouth

NAMES = (
    *("line", "upper lip", "lower lip"),
    *("dark inside", "inside", "light inside", "dark corners", "corners", "spread inside"),
)
VIEW = ("contrast", "contrast around", "darkest", "lightest")
SHUT = 0.01  # eye distances between the inner edges of the lips
OPENINGS = ((-1.0, SHUT), (SHUT, 0.03), (0.03, 0.06), (0.06, 0.1), (0.1, 0.2))
DARK = 150  # the brightness of a cheek below which a skin is counted as dark


def lightness(frame: np.ndarray, points: np.ndarray) -> list[float]:
    """The opening, then `NAMES`, of one face: frame (H, W, 3) uint8, points (91, 2) px; NaN where too little shows.

    The line is the darkest row at the middle of the mouth: where shut lips meet, or what is darkest between open ones.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    outer, inner = points[lm.LIPS_OUTER], points[lm.LIPS_INNER]
    eyes = float(np.linalg.norm(points[lm.EYE_CORNERS_LEFT].mean(0) - points[lm.EYE_CORNERS_RIGHT].mean(0)))
    above, below = inner[4:7, 1].mean(), inner[14:17, 1].mean()
    middle = outer.mean(0)
    around = _inside(grey, middle + 1.5 * (outer - middle)) & ~_inside(grey, middle + 1.2 * (outer - middle))
    share = grey / np.median(grey[around])
    open_part = _inside(grey, inner)
    lips = _inside(grey, outer) & ~open_part
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    left, right = inner[:, 0].min(), inner[:, 0].max()
    across = np.abs((columns - (left + right) / 2) / ((right - left) / 2))
    upper, lower = lips & (rows < (above + below) / 2), lips & (rows > (above + below) / 2)
    centre, sides = open_part & (across < 0.4), open_part & (across >= 0.4) & (across < 0.75)
    x, y = int(inner[:, 0].mean()), int((above + below) / 2)
    near, half = round(0.08 * eyes), round(0.06 * eyes)
    line = share[y - near : y + near + 1, x - half : x + half + 1].mean(1).min()
    found = [(below - above) / eyes, line, *(share[lip].mean() if lip.any() else np.nan for lip in (upper, lower))]
    if min(centre.sum(), sides.sum()) < 6:
        return [*found, *[np.nan] * 6]
    inside = np.percentile(share[centre], (10, 50, 90))
    return [*found, *inside, *np.percentile(share[sides], (10, 50)), share[centre | sides].std()]


def _inside(grey: np.ndarray, ring: np.ndarray) -> np.ndarray:
    mask = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def of_view(crops: np.ndarray) -> np.ndarray:
    """`VIEW` of crops (T, 96, 96) uint8, as most models cut and normalise them: (T, 4).

    The deviation of the brightness, of all and of the rim alone, as a share of the median; and the darkest and the
    lightest fiftieth, in these deviations from the mean.
    """
    view = crops[:, 24:72, 12:84].astype(np.float32)
    rim = np.ones(view.shape[1:], bool)
    rim[8:-4, 8:-8] = False
    median, deviation = np.median(view, (1, 2)), view.std((1, 2))
    low, high = (np.quantile(view, level, axis=(1, 2)) for level in (0.02, 0.98))
    mean = view.mean((1, 2))
    around = view[:, rim].std(1)
    return np.stack([deviation / median, around / median, (low - mean) / deviation, (high - mean) / deviation], -1)


def of_film(frames: np.ndarray, detector: EveryFrame) -> list[list[float]]:
    """The opening, `NAMES` and `VIEW` of every second frame of a film in which somebody speaks."""
    found = track_of(frames, detector)
    if found is None:
        return []
    views = of_view(crop_mouth(frames, found))[::2].tolist()
    return [[*lightness(*each), *view] for *each, view in zip(frames[::2], found.landmarks[::2], views, strict=True)]


def people(roots: Iterable[Path], clips: int, detector: EveryFrame) -> np.ndarray:
    """(N, 14) of so many train clips of each speaker."""
    import lipscribe

    by_speaker: dict[str, list[Path]] = {}
    for clip in train_clips(roots, 1):
        by_speaker.setdefault(clip.speaker or "", []).append(Path(clip.path))
    chosen = [path for paths in by_speaker.values() for path in paths[:: max(1, len(paths) // clips)][:clips]]
    return np.array([row for path in chosen for row in of_film(lipscribe.Video(path).read(), detector)])


def talkers(manner: str, clips: int, detector: EveryFrame) -> Iterator[tuple[bool, list[float]]]:
    """Whether the skin is dark, and the measures, of as many talkers."""
    for said in saying(manner, clips):
        is_dark = float(np.dot(said.performances[0].person.skin, (0.3, 0.59, 0.11))) < DARK
        for row in of_film(said.frames, detector):
            yield is_dark, row


def report(name: str, rows: np.ndarray) -> None:
    """Medians and spreads, by opening."""
    for low, high in OPENINGS:
        some = rows[(rows[:, 0] > low) & (rows[:, 0] <= high)][:, 1:]
        if len(some):
            text = ", ".join(
                f"{each} {value:.2f} ± {spread:.2f}"
                for each, value, spread in zip(NAMES + VIEW, np.nanmedian(some, 0), np.nanstd(some, 0), strict=True)
                if np.isfinite(value)
            )
            size = f"{low} to {high}" if low > 0 else f"under {high}"
            print(f"{name}, opening {size}, {len(some)} frames: {text}", flush=True)


def draw(shown: dict[str, np.ndarray], path: Path) -> None:
    """The distributions side by side: of shut lips the line, of open ones the rest."""
    from lipscribe.figures import MUTED, Page

    page = Page(12, 3.4)
    for column, name in enumerate(("line", "upper lip", "inside", "contrast around", "darkest")):
        axes = page.axes(0.4 + 2.35 * column, 0.55, 1.95, 2.2)
        pools = {}
        for who, rows in shown.items():
            some = (rows[:, 0] < SHUT) if name == "line" else (rows[:, 0] > 0.03)
            pool = rows[some, 1 + (NAMES + VIEW).index(name)]
            pools[who] = pool[np.isfinite(pool)]
        draw_pools(axes, f"{name}, lips shut" if name == "line" else name, pools, 24, is_first=column == 0)
    page.text(
        *(0.4, 3.1),
        "brightness as a share of the skin's; contrast and darkest: of the crop, as models normalise it; all but the "
        "first: lips open by over 0.03 eye distances",
        *(8, MUTED),
    )
    page.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_grid(parser)
    parser.add_argument("--clips", type=int, default=8, help="of each person")
    parser.add_argument("--talkers", type=int, default=30, help="of each manner")
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/mouth_light.png"))
    args = parser.parse_args()
    detector = EveryFrame()
    shown = {"people": people(args.grid, args.clips, detector)}
    report("people", shown["people"])
    for manner in ("clear", "natural", "careful"):
        rows = list(talkers(manner, args.talkers, detector))
        light, dark = ([row for is_dark, row in rows if is_dark == wanted] for wanted in (False, True))
        shown[manner] = np.array(light)
        report(manner, shown[manner])
        report(f"{manner}, dark skin", np.array(dark))
    draw(shown, args.picture)


if __name__ == "__main__":
    main()
