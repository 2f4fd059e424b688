"""The page of an explanation: a row a word with the mouth and its saliency, and below where the words lie in time."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipscribe.figures import ACCENT, FAINT, INK, MUTED, WARM, Page, rated_color, shortened
from lipscribe.units import frame_to_seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lipscribe.explain.explanation import ExplainedStretch, ExplainedWord, Explanation

WIDTH, MARGIN = 13.0, 0.45  # inches
TEXT_WIDTH, PICTURE_WIDTH, GAP = 1.75, 1.62, 0.1
PROFILE_LEFT = MARGIN + TEXT_WIDTH + 3 * (PICTURE_WIDTH + GAP) + 0.15
PROFILE_WIDTH = WIDTH - MARGIN - PROFILE_LEFT
STRIP = 10  # crops above the timeline
STRONGEST = 0.8  # opacity of the most salient pixel
TOP_SHARE = 99.8  # percentile of a word's saliency that is shown as the strongest
CUBIC = cv2.INTER_CUBIC


def draw_page(explanation: "Explanation", stretch: "ExplainedStretch", path: Path) -> None:
    """Writes the page as PNG.

    Raises:
        OSError: `path` cannot be written.
    """
    height, width = stretch.pictures.shape[1:]
    picture_height = PICTURE_WIDTH * height / width
    row_height = picture_height + 0.16
    strip_height = PROFILE_WIDTH / STRIP * height / width
    heads_top = MARGIN + 0.5
    rows_top = heads_top + max(strip_height, 0.5) + 0.16
    below_top = rows_top + len(stretch.words) * row_height + 0.1
    maps = _heat_maps(stretch)
    map_height = 0.24 * len(stretch.words) + 0.1
    below = max(2.5, sum(map_height + 0.42 for _ in maps) + 0.3)
    page = Page(WIDTH, below_top + below + MARGIN - 0.15)
    _draw_header(page, explanation, stretch)
    _draw_strip(page, heads_top, strip_height, stretch)
    for column, head in enumerate(("middle of the word", "frame that mattered most", "all frames together")):
        left = MARGIN + TEXT_WIDTH + column * (PICTURE_WIDTH + GAP)
        page.text(left + PICTURE_WIDTH / 2, rows_top - 0.08, head, 9, MUTED, ha="center", va="bottom")
    for row, word in enumerate(stretch.words):
        top = rows_top + row * row_height
        _draw_words_numbers(page, top, word)
        _draw_mouths(page, top, picture_height, word, stretch, explanation.fps)
        _draw_profile(page, top, picture_height, word, stretch, explanation.fps)
    top = below_top + 0.1
    for number, (title, rows) in enumerate(maps):
        page.text(PROFILE_LEFT, top, title, 9.5, INK)
        axes = page.axes(PROFILE_LEFT, top + 0.22, PROFILE_WIDTH, map_height)
        _draw_heat_map(axes, rows, stretch, explanation.fps, last=number + 1 == len(maps))
        top += map_height + 0.42
    _draw_face(page, below_top + 0.1, below - 0.1, stretch)
    page.save(path)


def heat_over(picture: np.ndarray, heat: np.ndarray, zoom: int = 4) -> np.ndarray:
    """A picture with heat laid over it, clear where there is none, from red to yellow where there is most.

    Args:
        picture: (H, W) uint8 grey or (H, W, 3) uint8 RGB.
        heat: (H, W) float, shown from 0 to 1.
        zoom: How many times larger the result is.

    Returns:
        (H * zoom, W * zoom, 3) uint8 RGB.
    """
    size = (picture.shape[1] * zoom, picture.shape[0] * zoom)
    large = cv2.resize(picture, size, interpolation=CUBIC).astype(np.float32)
    large = large if picture.ndim == 3 else large[:, :, None]
    heat = np.clip(cv2.resize(heat.astype(np.float32), size, interpolation=CUBIC), 0, 1)[:, :, None]
    color = np.concatenate([np.full_like(heat, 255), 30 + 215 * heat**1.5, np.full_like(heat, 20)], axis=2)
    opacity = STRONGEST * np.clip(heat * 1.3, 0, 1)
    return np.round(large * (1 - opacity) + color * opacity).astype(np.uint8)


def strongest_heat(saliency: np.ndarray) -> float:
    """What of a word's saliency (T, H, W) is shown as 1: its maximum, but for a few pixels."""
    peak = saliency[saliency.sum((1, 2)).argmax()]
    return max(float(np.percentile(peak, TOP_SHARE)), 1e-12)


def _draw_header(page: Page, explanation: "Explanation", stretch: "ExplainedStretch") -> None:
    text = " ".join(word.word.text for word in stretch.words)
    page.text(MARGIN, MARGIN - 0.1, shortened(text, 78), 17, weight="bold")
    name = shortened(Path(explanation.video.info.path).name, 40)
    page.text(MARGIN, MARGIN + 0.27, f"what {explanation.model} read in {name}, and the evidence for it", 10.5, MUTED)


def _draw_strip(page: Page, top: float, height: float, stretch: "ExplainedStretch") -> None:
    """The mouth over the timeline, so that a time can be seen."""
    side = PROFILE_WIDTH / STRIP
    for i in range(STRIP):
        axes = page.axes(PROFILE_LEFT + i * side + 0.01, top, side - 0.02, height, bare=True)
        at = int((i + 0.5) / STRIP * stretch.num_frames)
        axes.imshow(stretch.pictures[at], cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="bicubic")


def _draw_words_numbers(page: Page, top: float, word: "ExplainedWord") -> None:
    color = rated_color(word.word.probability)
    page.text(MARGIN, top, shortened(word.word.text, 12), 16, weight="bold")
    page.text(MARGIN + TEXT_WIDTH - 0.15, top + 0.05, f"{word.word.probability:.0%}", 11, color, ha="right")
    bar = page.axes(MARGIN, top + 0.34, TEXT_WIDTH - 0.15, 0.05, bare=True)
    bar.barh([0, 0], [1, word.word.probability], color=[FAINT, color], height=1)
    bar.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    page.text(MARGIN, top + 0.47, f"said {word.word.start:.2f} to {word.word.end:.2f} s", 9, MUTED)
    page.text(MARGIN, top + 0.66, f"evidence {word.half[0]:.2f} to {word.half[1]:.2f} s", 9, MUTED)
    page.text(MARGIN, top + 0.85, f"{word.lips_share:.0%} of it on the lips", 9, MUTED)


def _draw_mouths(
    page: Page, top: float, height: float, word: "ExplainedWord", stretch: "ExplainedStretch", fps: float
) -> None:
    scale = strongest_heat(word.saliency)
    middle = middle_frame(word, stretch, fps)
    together = word.saliency.sum(0)
    mean = np.average(stretch.pictures, axis=0, weights=word.profile + 1e-9).astype(np.uint8)
    shown = [
        heat_over(stretch.pictures[middle], word.saliency[middle] / scale),
        heat_over(stretch.pictures[word.strongest], word.saliency[word.strongest] / scale),
        heat_over(mean, together / max(together.max(), 1e-12)),
    ]
    for column, picture in enumerate(shown):
        left = MARGIN + TEXT_WIDTH + column * (PICTURE_WIDTH + GAP)
        page.axes(left, top, PICTURE_WIDTH, height, bare=True).imshow(picture, aspect="auto")


def middle_frame(word: "ExplainedWord", stretch: "ExplainedStretch", fps: float) -> int:
    """The frame of the stretch in the middle of a word."""
    middle = (word.word.start + word.word.end) / 2 * fps - 0.5
    return int(np.clip(round(middle) - stretch.first_frame, 0, stretch.num_frames - 1))


def _draw_profile(
    page: Page, top: float, height: float, word: "ExplainedWord", stretch: "ExplainedStretch", fps: float
) -> None:
    axes = page.axes(PROFILE_LEFT, top, PROFILE_WIDTH, height - 0.02)
    axes.spines["left"].set_visible(False)
    first, last = _to_time(stretch, fps)
    axes.axvspan(word.word.start, word.word.end, color="#e3edf8", zorder=0)
    edges = (stretch.first_frame + np.arange(stretch.num_frames)) / fps
    axes.bar(edges, word.profile, width=1 / fps, align="edge", color=WARM, linewidth=0)
    for at in (middle_frame(word, stretch, fps), word.strongest):
        axes.plot([edges[at] + 0.5 / fps], [0], marker="^", color=INK, ms=5, clip_on=False, zorder=3)
    axes.set(xlim=(first, last), ylim=(0, max(float(word.profile.max()) * 1.12, 1e-9)), yticks=[])
    axes.tick_params(labelbottom=False)
    axes.text(
        (word.word.start + word.word.end) / 2,
        axes.get_ylim()[1],
        shortened(word.word.text, 12),
        color=ACCENT,
        fontsize=9,
        ha="center",
        va="top",
        clip_on=True,
        parse_math=False,
    )


def _heat_maps(stretch: "ExplainedStretch") -> list[tuple[str, np.ndarray]]:
    """Titles and (W, T) numbers from 0 to 1."""
    words = stretch.words
    maps = [
        (
            "which frames mattered for each word (in proportion to the strongest)",
            np.stack([word.profile / max(float(word.profile.max()), 1e-12) for word in words]),
        )
    ]
    if words[0].ctc is not None:
        # By the square root: what is unsure has to be seen too.
        title = "alignment: probability of each word in each frame (CTC; darker is surer)"
        maps.append((title, np.sqrt(np.stack([word.ctc for word in words if word.ctc is not None]))))
    if words[0].attention is not None:
        looked = np.stack([word.attention for word in words if word.attention is not None])
        title = "attention: where the decoder looked for each word (darker is more)"
        maps.append((title, looked / np.maximum(looked.max(1, keepdims=True), 1e-12)))
    return maps


def _draw_heat_map(axes: "Axes", rows: np.ndarray, stretch: "ExplainedStretch", fps: float, last: bool) -> None:
    first, end = _to_time(stretch, fps)
    names = [shortened(word.word.text, 12) for word in stretch.words]
    axes.imshow(
        rows,
        aspect="auto",
        cmap="Blues",
        vmin=0,
        vmax=1,
        extent=(first, end, len(rows) - 0.5, -0.5),
        interpolation="none",
    )
    for row, word in enumerate(stretch.words):
        axes.plot([word.word.start] * 2, [row - 0.5, row + 0.5], color=WARM, lw=1.2)
        axes.plot([word.word.end] * 2, [row - 0.5, row + 0.5], color=WARM, lw=1.2)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(labelbottom=last)
    axes.set_xlim(first, end)
    if last:
        axes.set_xlabel("seconds", fontsize=9, color=MUTED)


def _draw_face(page: Page, top: float, height: float, stretch: "ExplainedStretch") -> None:
    """The face in the middle of the stretch, overlaid with the evidence for all words."""
    transform = stretch.transforms[stretch.frame_idx]
    face, corner = _face_of(stretch)
    heat = np.sum([word.saliency.sum(0) for word in stretch.words], axis=0)
    heat = heat / max(float(heat.max()), 1e-12)
    # From the picture that the model sees back into the face.
    back = transform + np.concatenate([np.zeros((2, 2)), (transform[:, :2] @ corner)[:, None]], axis=1)
    size = (face.shape[1], face.shape[0])
    laid = cv2.warpAffine(heat.astype(np.float32), back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    zoom = max(1, round(500 / max(size)))
    shown = heat_over(face, laid, zoom)
    side = min(height - 0.1, 3.1)
    width = side * face.shape[1] / face.shape[0]
    axes = page.axes(MARGIN, top, width, side, bare=True)
    axes.imshow(shown, aspect="auto")
    box = (seen_box(stretch, stretch.frame_idx) - corner + 0.5) * zoom
    axes.plot(*np.concatenate([box, box[:1]]).T, color="white", lw=1.2)
    axes.set(xlim=(0, shown.shape[1]), ylim=(shown.shape[0], 0))
    _write_legend(page, MARGIN + width + 0.2, top, stretch)


def _write_legend(page: Page, left: float, top: float, stretch: "ExplainedStretch") -> None:
    on_lips = np.mean([word.lips_share for word in stretch.words])
    lines = (
        (f"{on_lips:.0%} of the evidence lies on the lips and", INK),
        (f"between them: {stretch.lips_area:.0%} of what the model sees", INK),
        ("", INK),
        ("box: what the model sees", MUTED),
        ("red: evidence for the word", MUTED),
        ("blue: the time of the word", MUTED),
        ("▲: the frames in the first two pictures", MUTED),
        ("evidence: the shortest time with half", MUTED),
        ("of the word's evidence", MUTED),
    )
    for number, (line, color) in enumerate(lines):
        page.text(left, top + 0.2 * number, line, 9.5, color)


def _face_of(stretch: "ExplainedStretch") -> tuple[np.ndarray, np.ndarray]:
    """The part of the frame with the face, (H, W, 3) uint8, and its top left corner (x, y)."""
    height, width = stretch.frame.shape[:2]
    points = np.concatenate([stretch.oval[stretch.frame_idx], seen_box(stretch, stretch.frame_idx)])
    low, high = points.min(0), points.max(0)
    margin = 0.06 * (high - low).max()
    left, top = np.clip(np.floor(low - margin), 0, [width - 2, height - 2]).astype(int)
    right, bottom = np.clip(np.ceil(high + margin), [left + 1, top + 1], [width, height]).astype(int)
    return stretch.frame[top:bottom, left:right], np.array([left, top])


def seen_box(stretch: "ExplainedStretch", at: int) -> np.ndarray:
    """(4, 2) float: the corners, in pixels of the video, of what the model sees of frame `at` of a stretch."""
    height, width = stretch.pictures.shape[1:]
    transform = stretch.transforms[at]
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    return (corners - transform[:, 2]) @ np.linalg.inv(transform[:, :2]).T


def _to_time(stretch: "ExplainedStretch", fps: float) -> tuple[float, float]:
    return (
        frame_to_seconds(stretch.first_frame, fps),
        frame_to_seconds(stretch.first_frame + stretch.num_frames, fps),
    )
