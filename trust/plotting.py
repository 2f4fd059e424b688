"""Pictures of what the harnesses observed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lipscribe.figures import ACCENT, BAD, GOOD, MUTED, Page
from trust.judging import Answer
from trust.server_process import Sample

LEFT, WIDTH, HEIGHT = 0.8, 7.0, 1.5  # inches


def draw_soak(answers: Sequence[Answer], samples: Sequence[Sample], path: Path) -> None:
    """Latency, refusals and memory over time."""
    page = Page(LEFT + WIDTH + 0.3, 3 * (HEIGHT + 0.65) + 0.5)
    read = [each for each in answers if each.status == 200]
    axes = [page.axes(LEFT, 0.4 + row * (HEIGHT + 0.65), WIDTH, HEIGHT) for row in range(3)]
    titles = (
        "seconds until an accepted request is answered",
        "answers a minute: read, refused",
        "memory of all processes, MB",
    )
    for row, title in enumerate(titles):
        page.text(LEFT, 0.12 + row * (HEIGHT + 0.65), title, size=9, color=MUTED)
    axes[0].plot(
        [each.answered / 60 for each in read], [each.seconds for each in read], ".", color=ACCENT, markersize=1.5
    )
    end = max(each.answered for each in answers) / 60
    edges = np.linspace(0, end, max(int(end * 2), 2) + 1)
    for status, color in ((200, GOOD), (429, BAD)):
        count, _ = np.histogram([each.answered / 60 for each in answers if each.status == status], edges)
        axes[1].stairs(count / np.diff(edges), edges, color=color)
    axes[2].plot([each.time / 60 for each in samples], [each.rss_mb for each in samples], color=ACCENT)
    for each in axes:
        each.set_xlim(0, end)
        each.set_ylim(bottom=0)
    axes[2].set_xlabel("minutes", color=MUTED, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
