"""An evaluation as a page of plots."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipscribe.evaluation.report import facts, headline
from lipscribe.evaluation.result import ClipScore, Evaluation, PositionScore
from lipscribe.evaluation.scores import position_pairs
from lipscribe.figures import ACCENT, BAD, FAINT, INK, MUTED, Page, shortened
from lipscribe.metrics import HIT, align_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, MARGIN = 15.0, 11.4, 0.5  # inches
MAX_MATRIX = 30  # words of a confusion matrix: more are illegible on the page
MAX_CONFUSIONS = 20  # shown where sentences differ in length, so that there is no matrix
MAX_LABELS = 12  # bars that carry their number; more are too narrow for it
NUM_WORST = 10
PALE, PALE_BAD = "#a9bdd3", "#d98880"
DELETED = "(none)"  # the column of deletions


def draw_report(evaluation: Evaluation, path: Path) -> None:
    """Writes the page as PNG.

    Raises:
        OSError: `path` cannot be written.
    """
    page = Page(WIDTH, HEIGHT)
    page.text(MARGIN, 0.4, headline(evaluation), 21, ACCENT, weight="bold")
    about = [f"{shortened(evaluation.model, 40)} on {shortened(evaluation.split, 40)}", evaluation.method + " search"]
    page.text(MARGIN, 0.87, "   ·   ".join([*about, *facts(evaluation)]), 10.5, MUTED)

    _draw_methods(page, 0, evaluation)
    _draw_clip_errors(page, 2, evaluation)
    if evaluation.positions:
        _draw_positions(page, 1, evaluation)
        _draw_matrix(page, evaluation)
        _draw_confusions(page, 7.15, 9.05, 3.2, 1.35, evaluation, 7)
    else:
        _draw_kinds(page, 1, evaluation)
        _draw_confusions(page, 0.6, 4.8, 5.9, 5.2, evaluation, MAX_CONFUSIONS)
    _draw_reliability(page, evaluation)
    _draw_worst_clips(page, evaluation)
    page.save(path)


def _small_axes(page: Page, column: int, title: str) -> "Axes":
    """One of the three plots of the first row."""
    left = (1.35, 6.15, 10.75)[column]
    page.text(left - 0.75, 1.45, title, 12, weight="bold")
    return page.axes(left, 1.85, 3.65, 2.3)


def _draw_methods(page: Page, column: int, evaluation: Evaluation) -> None:
    axes = _small_axes(page, column, "Word error rate by search")
    names = [method.method for method in evaluation.methods]
    rates = [method.wer for method in evaluation.methods]
    colors = [ACCENT if name == evaluation.method else PALE for name in names]
    axes.barh(names, [100 * wer.rate for wer in rates], color=colors, height=0.55)
    end = max(1.0, *(100 * wer.high for wer in rates), *(100 * wer.rate for wer in rates))
    for row, wer in enumerate(rates):
        axes.plot([100 * wer.low, 100 * wer.high], [row, row], color=INK, lw=1.2, marker="|", ms=9)
        label = f"{100 * wer.rate:.1f} %"
        axes.text(100 * max(wer.high, wer.rate) + 0.03 * end, row, label, va="center", fontsize=10, color=INK)
    axes.set(xlim=(0, 1.25 * end), ylim=(len(names) - 0.4, -0.6))
    axes.set_xlabel("% of words wrong, with 95 % interval", fontsize=9, color=MUTED)


def _draw_positions(page: Page, column: int, evaluation: Evaluation) -> None:
    axes = _small_axes(page, column, "Errors by position in the sentence")
    rates = [100 * position.rate for position in evaluation.positions]
    axes.bar(range(len(rates)), rates, color=ACCENT, width=0.65)
    if len(rates) <= MAX_LABELS:
        _label_bars(axes, [f"{rate:.0f}" for rate in rates], rates)
        names = [shortened(position.name, 14) for position in evaluation.positions]
        axes.set_xticks(range(len(rates)), names, rotation=25, ha="right", rotation_mode="anchor")
    axes.set(ylim=(0, 1.15 * max(*rates, 1.0)))
    axes.set_ylabel("% wrong", fontsize=9, color=MUTED)


def _draw_kinds(page: Page, column: int, evaluation: Evaluation) -> None:
    axes = _small_axes(page, column, "Errors by kind")
    wer = evaluation.wer
    counts = [wer.substitutions, wer.deletions, wer.insertions]
    axes.bar(["substitutions", "deletions", "insertions"], counts, color=ACCENT, width=0.65)
    _label_bars(axes, [str(count) for count in counts], counts)
    axes.set(ylim=(0, 1.15 * max(*counts, 1)))
    axes.set_ylabel("words", fontsize=9, color=MUTED)


def _draw_confusions(
    page: Page, left: float, top: float, width: float, height: float, evaluation: Evaluation, number: int
) -> None:
    """The most frequent ones, in a box of that width and height with a title above it."""
    page.text(left, top, "Most frequent confusions", 12, weight="bold")
    labels = 1.5  # inches: room for the words
    axes = page.axes(left + labels, top + 0.4, width - labels, height)
    shown = evaluation.confusions[:number]
    if not shown:
        _nothing(axes, "no substitutions")
        return
    axes.barh(range(len(shown)), [confusion.count for confusion in shown], color=ACCENT, height=0.65)
    names = [f"{shortened(c.reference, 11)} > {shortened(c.hypothesis, 11)}" for c in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=8.5, parse_math=False)
    axes.set(ylim=(number - 0.4, -0.6))
    axes.set_xlabel("times reference > hypothesis", fontsize=9, color=MUTED)
    _whole_numbers(axes)


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def _label_bars(axes: "Axes", labels: list[str], heights: Sequence[float]) -> None:
    for place, (label, height) in enumerate(zip(labels, heights, strict=True)):
        axes.text(place, height, label, ha="center", va="bottom", fontsize=9, color=INK)


def _draw_clip_errors(page: Page, column: int, evaluation: Evaluation) -> None:
    axes = _small_axes(page, column, "Clips by number of errors")
    errors = [clip.errors for clip in evaluation.clips]
    counts = np.bincount(errors)
    axes.bar(range(len(counts)), counts, color=[ACCENT] + [PALE_BAD] * (len(counts) - 1), width=0.75)
    if len(counts) <= MAX_LABELS:
        _label_bars(axes, [str(count) for count in counts], counts.tolist())
    axes.set(xlim=(-0.6, max(len(counts), 3) - 0.4), ylim=(0, 1.15 * counts.max()))
    _whole_numbers(axes)
    axes.set_xlabel("word errors in a clip", fontsize=9, color=MUTED)
    axes.set_ylabel("clips", fontsize=9, color=MUTED)


def _draw_matrix(page: Page, evaluation: Evaluation) -> None:
    left, top, size = 1.35, 5.2, 5.2
    worst = max(evaluation.positions, key=lambda position: position.rate)
    page.text(0.6, 4.8, f"Confusions of '{worst.name}', the worst position", 12, weight="bold")
    rows, columns, table = _matrix(evaluation, worst)
    axes = page.axes(left, top, size, size)
    # Shares of a row, so that rare words show as much as frequent ones.
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    font = 9 if len(columns) <= 16 else 7
    for row, column in zip(*np.nonzero(table), strict=True):
        color = "white" if shares[row, column] > 0.55 else BAD if rows[row] != columns[column] else INK
        axes.text(column, row, str(table[row, column]), ha="center", va="center", fontsize=font, color=color)
    rotation = 90 if max(map(len, columns)) > 2 else 0
    axes.set_xticks(range(len(columns)), columns, rotation=rotation, fontsize=font, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, fontsize=font, parse_math=False)
    axes.set_xticks(np.arange(len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, lw=0.5)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("hypothesis", fontsize=9, color=MUTED)
    axes.set_ylabel("reference", fontsize=9, color=MUTED)


def _matrix(evaluation: Evaluation, position: PositionScore) -> tuple[list[str], list[str], np.ndarray]:
    """Names of the rows (reference) and columns (hypothesis), and the counts; of many words those most often wrong."""
    pairs = position_pairs(evaluation.clips, evaluation.positions.index(position))
    said = sorted({reference for reference, _ in pairs})
    if len(said) > MAX_MATRIX:
        wrong = {word: sum(n for (ref, hyp), n in pairs.items() if ref == word != hyp) for word in said}
        said = sorted(sorted(said, key=lambda word: -wrong[word])[:MAX_MATRIX])
    read = {hypothesis for reference, hypothesis in pairs if reference in said}
    others = sorted(read - set(said) - {None}, key=lambda word: -sum(n for (_, hyp), n in pairs.items() if hyp == word))
    columns = [*said, *others[: max(MAX_MATRIX - len(said), 5)]]
    table = np.array([[pairs[row, column] for column in columns] for row in said])
    if None in read:
        table = np.concatenate([table, [[pairs[row, None]] for row in said]], axis=1)
        columns = [*columns, DELETED]
    return [shortened(word, 12) for word in said], [shortened(word, 12) for word in columns], table


def _draw_reliability(page: Page, evaluation: Evaluation) -> None:
    left, top, width, height = 7.75, 5.2, 2.6, 2.3
    page.text(left - 0.6, 4.8, "Calibration of word probabilities", 12, weight="bold")
    axes = page.axes(left, top, width, height)
    calibration = evaluation.calibration
    if calibration is None:
        _nothing(axes, "no word has a probability")
        return
    bins = calibration.bins
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    shown = axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], color=ACCENT, lw=1.5, marker="o", ms=5)
    shown[0].set_clip_on(False)  # or half the point at (1, 1) would be missing
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xticklabels=[])
    axes.set_ylabel("share right", fontsize=9, color=MUTED)
    off = f"off by {100 * calibration.expected_error:.1f} %\non average"
    axes.text(0.04, 0.97, off, va="top", fontsize=9, color=INK)
    below = page.axes(left, top + height + 0.12, width, 0.65)
    below.bar([b.low for b in bins], [b.count for b in bins], width=0.095, align="edge", color=PALE)
    below.set(xlim=(0, 1))
    below.set_xlabel("probability of a word", fontsize=9, color=MUTED)
    below.set_ylabel("words", fontsize=9, color=MUTED)


def _draw_worst_clips(page: Page, evaluation: Evaluation) -> None:
    left, top = 10.85, 4.8
    page.text(left, top, "Worst clips", 12, weight="bold")
    page.text(left + 1.15, top + 0.04, "reference, and below it the hypothesis", 9, MUTED)
    clips = [*evaluation.failures, *evaluation.worst_clips(NUM_WORST)][:NUM_WORST]
    if not clips:
        page.text(left, top + 0.45, "none: every word is right", 10, MUTED)
    for row, clip in enumerate(clips):
        place = top + 0.42 + 0.59 * row
        page.text(left, place, shortened(clip.id, 60), 8, MUTED)
        _draw_words(page, left, place + 0.16, clip)


def _draw_words(page: Page, left: float, top: float, clip: ClipScore) -> None:
    """Reference over hypothesis, word over word; what is wrong is red."""
    if clip.failure:
        page.text(left, top, shortened(clip.reference, 55), 8.5, family="monospace")
        page.text(left, top + 0.17, shortened(f"not read: {clip.failure}", 55), 8.5, BAD, family="monospace")
        return
    character = 0.0713  # inches: the advance of a monospaced character of 8.5 points (0.602 em in DejaVu Sans Mono)
    column = 0
    for said, read, is_right in _columns(clip):
        width = max(len(said), len(read)) + 1
        if column + width > 54:
            page.text(left + column * character, top, "...", 8.5, MUTED, family="monospace")
            return
        color = INK if is_right else BAD
        page.text(left + column * character, top, said, 8.5, INK, family="monospace")
        page.text(left + column * character, top + 0.17, read, 8.5, color, family="monospace")
        column += width


def _columns(clip: ClipScore) -> Iterator[tuple[str, str, bool]]:
    for edit in align_words(clip.reference, clip.hypothesis):
        yield edit.reference or "*", edit.hypothesis or "*", edit.kind == HIT


def _nothing(axes: "Axes", why: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=MUTED)
