"""The contact sheet of an inspection: what people look at before they read."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.figures import ACCENT, BAD, DOUBTFUL, FAINT, GOOD, MUTED, SERIES, Page, shortened, wrapped
from lipscribe.inspection.sampling import NUM_SAMPLES, SampleFrame
from lipscribe.mouth.quality import (
    AWAY_GOOD,
    CONTRAST_GOOD,
    COVERAGE_GOOD,
    MOTION_GOOD,
    MOUTH_PX_GOOD,
    OUTSIDE_GOOD,
    SHARPNESS_GOOD,
    FaceQuality,
    Finding,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lipscribe.inspection.inspect import Inspection, Material

WIDTH, MARGIN, GAP = 13.0, 0.45, 0.14  # inches
INNER = WIDTH - 2 * MARGIN
CELL = (INNER - (NUM_SAMPLES - 1) * GAP) / NUM_SAMPLES  # width of a sample
MAX_PICTURE_HEIGHT = 1.4 * CELL  # a portrait picture is shown narrower
LINE = 0.23  # of a finding
LINE_CHARS = 140
MAX_FINDING_LINES = 12
MAX_STRIPS = 6  # faces in the timeline
MIN_OPENING_SHOWN = 0.15  # eye distances: a lively mouth fills the plot, and one at rest looks at rest

NOTHING = "\N{EN DASH}"
COLORS = {"good": GOOD, "doubtful": DOUBTFUL, "bad": BAD, "note": MUTED}
TINTS = {"good": "#e6f4ec", "doubtful": "#fdf2dc", "bad": "#fbe5e2", "none": "#f0f3f6"}
HEADLINES = {
    "good": "this mouth can be read",
    "doubtful": "expect errors",
    "bad": "do not rely on what is read",
}


def draw_contact_sheet(inspection: "Inspection", path: Path) -> None:
    """Writes the page as PNG: verdict, measures, findings, sampled frames with their crops, and a timeline.

    Raises:
        OSError: `path` cannot be written.
    """
    lines = _finding_lines(inspection.findings)
    material = inspection.material
    strips = min(len(material.tracks), MAX_STRIPS)
    picture_height = _picture_height(material.samples)
    heights = {
        "header": 1.05,
        "tiles": 1.05,
        "findings": LINE * len(lines) + 0.2 if lines else 0.0,
        "frames": picture_height + 0.35,
        "crops": CELL + 0.2,
        "timeline": 1.35 + 0.22 * strips,
    }
    page = Page(WIDTH, sum(heights.values()) + 2 * MARGIN)
    tops = dict(zip(heights, np.cumsum([MARGIN, *heights.values()]), strict=False))
    _draw_header(page, tops["header"], inspection)
    _draw_tiles(page, tops["tiles"], inspection)
    for number, (text, color) in enumerate(lines):
        page.text(MARGIN + 0.05, tops["findings"] + LINE * number, text, 10.5, color)
    for column, sample in enumerate(material.samples):
        left = MARGIN + column * (CELL + GAP)
        _draw_frame(page, left, tops["frames"], picture_height, sample, material, inspection.fps)
        _draw_crop(page, left, tops["crops"], sample)
    _draw_timeline(page, tops["timeline"], strips, inspection)
    page.save(path)


def _draw_header(page: Page, top: float, inspection: "Inspection") -> None:
    color, info = COLORS[inspection.verdict], inspection.info
    page.band(MARGIN, top, 2.3, 0.75, color)
    page.text(
        MARGIN + 1.15, top + 0.36, inspection.verdict.upper(), 20, "white", ha="center", va="center", weight="bold"
    )
    headline = HEADLINES[inspection.verdict] if inspection.faces else "nobody to read"
    page.text(MARGIN + 2.5, top, headline, 19, color)
    promised = inspection.promised_duration
    cut = promised is not None and promised - inspection.duration > 0.2
    facts = [
        shortened(Path(info.path).name, 48),
        f"{info.width} x {info.height}" + (f", turned {info.rotation}°" if info.rotation else ""),
        f"{info.fps:.4g} fps" + (" (variable)" if info.variable_fps else ""),
        f"{inspection.duration:.2f} s" + (f" of {promised:.2f} s" if cut else ""),
        info.codec + (", interlaced" if info.interlaced else ""),
        f"{len(inspection.faces)} face{'' if len(inspection.faces) == 1 else 's'}",
    ]
    page.text(MARGIN + 2.52, top + 0.47, "   ·   ".join(facts), 11, MUTED)


def _draw_tiles(page: Page, top: float, inspection: "Inspection") -> None:
    tiles = _tiles(inspection.quality)
    worst = {finding.measure: finding.severity for finding in inspection.findings}
    width = (INNER - (len(tiles) - 1) * GAP) / len(tiles)
    for column, (measure, name, value, wanted) in enumerate(tiles):
        left = MARGIN + column * (width + GAP)
        state = "none" if value == NOTHING else worst.get(measure, "good")
        page.band(left, top, width, 0.86, TINTS[state])
        page.text(left + 0.12, top + 0.09, name, 9, MUTED)
        page.text(left + 0.12, top + 0.29, value, 16, COLORS.get(state, MUTED), weight="bold")
        page.text(left + 0.12, top + 0.63, wanted, 8, MUTED)


def _tiles(quality: FaceQuality | None) -> list[tuple[str, str, str, str]]:
    """Measure, name, value and what is wanted, of each tile."""

    def shown(measure: str, form: str) -> str:
        value = getattr(quality, measure, None)
        return NOTHING if value is None else form.format(value)

    return [
        ("coverage", "face seen", shown("coverage", "{:.0%}"), f"wanted {COVERAGE_GOOD:.0%}"),
        ("mouth_px", "mouth width", shown("mouth_px", "{:.0f} px"), f"wanted {MOUTH_PX_GOOD:.0f} px"),
        ("sharpness", "sharpness", shown("sharpness", "{:.2f}"), f"wanted {SHARPNESS_GOOD:.2f}"),
        ("away_deg", "head turned", shown("away_deg", "{:.0f}°"), f"at most {AWAY_GOOD:.0f}°"),
        ("contrast", "contrast", shown("contrast", "{:.0f}"), f"wanted {CONTRAST_GOOD:.0f} grey levels"),
        ("motion", "lips move", shown("motion", "{:.2f} /s"), f"wanted {MOTION_GOOD:.2f} /s"),
        ("outside", "crop outside", shown("outside", "{:.0%}"), f"at most {OUTSIDE_GOOD:.0%}"),
    ]


def _finding_lines(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """Text and colour of each line, the worst findings first."""
    order = ("bad", "doubtful", "note")
    lines = []
    for finding in sorted(findings, key=lambda finding: order.index(finding.severity)):
        texts = wrapped(f"●  {finding.text}", LINE_CHARS, indent="     ")
        lines += [(text, COLORS[finding.severity]) for text in texts]
    if len(lines) > MAX_FINDING_LINES:
        lines = [*lines[: MAX_FINDING_LINES - 1], ("    more in inspection.json", MUTED)]
    return lines


def _picture_height(samples: tuple[SampleFrame, ...]) -> float:
    height, width = samples[0].picture.shape[:2]
    return min(CELL * height / width, MAX_PICTURE_HEIGHT)


def _draw_frame(
    page: Page, left: float, top: float, height: float, sample: SampleFrame, material: "Material", fps: float
) -> None:
    axes = page.axes(left, top, CELL, height, bare=True)
    axes.imshow(sample.picture, interpolation="antialiased")
    rows, columns = sample.picture.shape[:2]
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    for track in material.tracks:
        if track.start <= sample.frame_idx < track.stop:
            points = track.landmarks[sample.frame_idx - track.start] * sample.scale
            if not np.isnan(points[0, 0]):
                _draw_face(axes, points, track, _color(track, material))
    page.text(left + CELL / 2, top + height + 0.05, f"{sample.frame_idx / fps:.2f} s", 9, MUTED, ha="center")


def _draw_face(axes: "Axes", points: np.ndarray, track: FaceTrack, color: str) -> None:
    for part, strength in ((lm.OVAL, 0.5), (lm.LIPS_OUTER, 1.0), (lm.LIPS_INNER, 1.0)):
        ring = points[part]
        ring = np.concatenate([ring, ring[:1]])
        axes.plot(*ring.T, color=color, lw=0.9, alpha=strength, solid_joinstyle="round")
    axes.scatter(*points[: lm.NOSE.stop].T, s=2, color=color, linewidths=0)
    left, top = points[:, 0].min(), points[:, 1].min()
    label = {"boxstyle": "round,pad=0.25", "facecolor": color, "edgecolor": "none"}
    axes.text(left, top, str(track.id), color="white", fontsize=8, weight="bold", va="bottom", bbox=label, clip_on=True)


def _draw_crop(page: Page, left: float, top: float, sample: SampleFrame) -> None:
    if sample.crop is None:
        page.band(left, top, CELL, CELL, TINTS["none"])
        page.text(left + CELL / 2, top + CELL / 2, "no face", 11, MUTED, ha="center", va="center")
        return
    axes = page.axes(left, top, CELL, CELL, bare=True)
    axes.imshow(sample.crop, cmap="gray", vmin=0, vmax=255, interpolation="bicubic")


def _draw_timeline(page: Page, top: float, strips: int, inspection: "Inspection") -> None:
    material, fps = inspection.material, inspection.fps
    left, width = MARGIN + 0.7, INNER - 0.7
    end = inspection.num_frames / fps
    people: dict[int, list[FaceTrack]] = {}
    for track in material.tracks:
        people.setdefault(track.id, []).append(track)
    shown = sorted(people, key=lambda idx: -sum(int(track.detected.sum()) for track in people[idx]))[:MAX_STRIPS]
    for row, idx in enumerate(sorted(shown)):
        axes = page.axes(left, top + 0.22 * row, width, 0.15, bare=True)
        axes.set(xlim=(0, end), ylim=(0, 1))
        axes.axhspan(0, 1, color=FAINT)
        for track in people[idx]:
            axes.broken_barh(_stretches(track), (0, 1), color=_color(track, material))
        page.text(left - 0.1, top + 0.22 * row + 0.075, f"face {idx}", 9, MUTED, ha="right", va="center")
    if len(people) > strips:
        hidden = len(people) - strips
        page.text(left + width, top - 0.05, f"and {hidden} more", 9, MUTED, ha="right", va="bottom")
    _draw_opening(page.axes(left, top + 0.22 * strips + 0.08, width, 0.95), inspection, end)


def _draw_opening(axes: "Axes", inspection: "Inspection", end: float) -> None:
    material, fps = inspection.material, inspection.fps
    for track in material.chosen:
        seconds = (track.start + np.arange(len(track.landmarks))) / fps
        axes.plot(seconds, lm.mouth_opening(track.landmarks), color=_color(track, material), lw=1.2)
    top = max(axes.get_ylim()[1], MIN_OPENING_SHOWN) if material.chosen else MIN_OPENING_SHOWN
    axes.set(xlim=(0, end), ylim=(0, top))
    for sample in material.samples:
        axes.axvline(sample.frame_idx / fps, color=MUTED, lw=0.8, ls=(0, (2, 3)))
    axes.set_xlabel("seconds", fontsize=9, color=MUTED)
    axes.set_ylabel("lips apart\n(eye distances)", fontsize=8.5, color=MUTED)
    axes.locator_params(axis="y", nbins=3)


def _stretches(track: FaceTrack) -> list[tuple[float, float]]:
    """Begin and length in seconds of each stretch in which the face was found."""
    edges = np.diff(track.detected.astype(int), prepend=0, append=0)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        ((track.start + begin) / track.fps, (end - begin) / track.fps) for begin, end in zip(begins, ends, strict=True)
    ]


def _color(track: FaceTrack, material: "Material") -> str:
    """Blue for who is read, another colour for each of the others."""
    if any(chosen.covers(track) for chosen in material.chosen):
        return ACCENT
    return SERIES[1 + track.id % (len(SERIES) - 1)]
