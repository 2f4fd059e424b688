"""Pictures of a run, for docs/results.md."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.bench.measure import Row
from benchmarks.bench.stations import STATIONS

# Seconds of the stations before, from docs/results.md; network and search were one number each. Another day's machine.
BEFORE = {
    "through MediaPipe (4eb506e)": (0.029, 0.269, 0.007, 0.025, 0.0, 0.050),
    "MediaPipe's networks, torch": (0.031, 0.178, 0.004, 0.021, 0.0, 0.063),
}


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def plot(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Writes the pictures that the rows are enough for, and returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    stations = {row.name: row for row in rows if row.group == "stations"}
    if all(name in stations for name in STATIONS):
        written.append(plot_stations(stations, folder / "bench-stations.png"))
    speeds = [row for row in rows if row.unit == "x real time"]
    if speeds:
        written.append(plot_speeds(speeds, folder / "bench-speed.png"))
    return written


def plot_stations(stations: dict[str, Row], path: Path) -> Path:
    """A stacked bar of the stations: before, now, and what the machine allows."""
    from lipscribe.figures import INK, MUTED, SERIES, Page

    bars = dict(BEFORE)
    bars["now"] = tuple(stations[name].median for name in STATIONS)
    bars["this machine's limit"] = tuple(stations[name].limit or 0.0 for name in STATIONS)
    page = Page(9, 3.6)
    page.text(0.3, 0.2, "Reading a clip of 3 s, warm: seconds of each station", 12)
    axes = page.axes(2.3, 0.95, 6.3, 2.2)
    for idx, name in enumerate(STATIONS):
        left = [sum(bar[:idx]) for bar in bars.values()]
        width = [bar[idx] for bar in bars.values()]
        axes.barh(list(bars), width, left=left, color=SERIES[idx % len(SERIES)], label=name, height=0.6)
    for position, bar in enumerate(bars.values()):
        axes.text(sum(bar) + 0.004, position, f"{sum(bar):.3f} s", va="center", fontsize=9, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(sum(bar) for bar in bars.values()))
    axes.set_xlabel(
        "seconds, stations one after the other; the first two bars are of another day", fontsize=9, color=MUTED
    )
    axes.legend(ncols=6, loc="lower left", bbox_to_anchor=(-0.36, 1.0), frameon=False, fontsize=8, handlelength=1)
    page.save(path)
    return path


def plot_speeds(rows: Sequence[Row], path: Path) -> Path:
    """How many times as fast as it is played a video is read."""
    from lipscribe.figures import ACCENT, INK, MUTED, Page

    names = [f"{row.name.removesuffix(', speed')} ({row.group})" for row in rows]
    page = Page(8, 1.3 + 0.36 * len(rows))
    page.text(0.3, 0.2, "Reading videos: times real time", 12)
    axes = page.axes(2.8, 0.6, 4.8, 0.36 * len(rows))
    axes.barh(names, [row.median for row in rows], color=ACCENT, height=0.6)
    for position, row in enumerate(rows):
        axes.text(row.median, position, f" {row.median:.1f}", va="center", fontsize=9, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(row.median for row in rows))
    axes.set_xlabel("seconds of video read in a second", fontsize=9, color=MUTED)
    page.save(path)
    return path
