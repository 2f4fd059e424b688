"""Draws docs/pictures/program.png: what happens to five frames of a talker on their way through a real network.

    python tools/draw_program.py

The maps are those of the bundled model `talkers`, a synthetic person says the word.
"""

from pathlib import Path

import numpy as np
import torch

import lipscribe
from lipscribe.figures import ACCENT, FAINT, INK, MUTED, SERIES, Page
from lipscribe.models.frontend import stack_neighbours
from lipscribe.talker import Talker
from lipscribe.transforms import crops_to_video
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.registry import find_model

SENTENCE, WORD = "place red at f nine soon", 3  # the letter f: teeth on the lip
FRAMES = 5
LEFT, STEP, SIZE = 2.75, 1.42, 1.18  # inches


def mouths() -> tuple[np.ndarray, slice]:
    """The crops (T, 96, 96) of a synthetic person, and five frames around the word."""
    clip = Talker(seed=7).say(SENTENCE)
    crops = lipscribe.crop_mouth(clip.frames, lipscribe.choose_faces(lipscribe.track_faces(clip.frames))[0].runs()[0])
    word = clip.words[WORD]
    middle = round((word.start + word.end) / 2 * clip.fps)
    return crops, slice(middle - FRAMES // 2, middle + FRAMES // 2 + 1)


@torch.inference_mode()
def maps_of(crops: np.ndarray) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Input (T, 1, H, W) and the maps (T, C, H', W') after each convolution, of the whole clip."""
    spec, reader = load_checkpoint(find_model("talkers"))
    video = crops_to_video(crops, spec.input.height, spec.input.width)
    now = stack_neighbours(video[None], torch.tensor([len(video)]), spec.frontend.stem_frames)[0]
    maps = []
    for layer in reader.frontend.frames.net:
        now = layer(now)
        if isinstance(layer, torch.nn.ReLU) and now.ndim == 4:
            maps.append(now)
    return video, maps


def tiled(maps: torch.Tensor, rows: int, columns: int) -> np.ndarray:
    """The strongest rows * columns of the maps (C, H, W), side by side, with a line between."""
    best = maps.amax((1, 2)).argsort(descending=True)[: rows * columns].sort().values
    tiles = torch.nn.functional.pad(maps[best] / maps[best].amax((1, 2), keepdim=True).clamp(min=1e-6), (0, 1, 0, 1))
    height, width = tiles.shape[1:]
    return tiles.unflatten(0, (rows, columns)).permute(0, 2, 1, 3).reshape(rows * height, columns * width).numpy()


def draw(path: Path) -> None:
    crops, place = mouths()
    video, maps = maps_of(crops)
    last = maps[-1]
    channels, height, width = last.shape[1:]
    page = Page(10.1, 8.0)
    page.text(0.4, 0.3, "From frames to a sentence", size=15, weight="bold")
    page.text(0.4, 0.65, "the numbers are those of the bundled model talkers, reading one clip", size=10, color=MUTED)
    steps = (
        (1.2, "video", f"[batch, frames, height, width, channels]\nB, T, {video.shape[2]}, {video.shape[3]}, 1"),
        (2.6, "fold, convolve", "[batch * frames, ...]\nthe same layers on each frame"),
        (4.3, "feature maps", f"B * T, {height}, {width}, {channels}"),
        (5.5, "flatten", f"[batch, frames, features]\nB, T, {height * width * channels}"),
        (6.35, "LSTM", "over the frames"),
        (7.2, "a sentence", "CTC, attention, or both"),
    )
    for top, name, shape in steps:
        page.text(0.4, top, name, size=11.5, weight="bold")
        page.text(0.4, top + 0.24, shape, size=8.5, color=MUTED)
    for i in range(FRAMES):
        left = LEFT + STEP * i
        axes = page.axes(left, 1.1, SIZE, SIZE * video.shape[2] / video.shape[3], bare=True)
        axes.imshow(video[place][i, 0], cmap="gray", aspect="auto")
        page.axes(left, 2.2, SIZE, 1.55, bare=True).imshow(tiled(maps[1][place][i], 4, 3), cmap="Blues", aspect="auto")
        page.axes(left, 4.0, SIZE, 1.05, bare=True).imshow(tiled(last[place][i], 6, 6), cmap="Blues", aspect="auto")
        vector = last[place][i].permute(1, 2, 0).reshape(-1)  # height, width, channels, as a channels-last framework
        strip = page.axes(left, 5.55, SIZE, 0.22, bare=True)
        strip.imshow(
            vector.reshape(1, -1).expand(8, -1).sqrt(), cmap="Blues", aspect="auto", interpolation="antialiased"
        )
        arrows(page, left)
    lstm(page)
    for i, word in enumerate(SENTENCE.split()):
        style = {"weight": "bold", "color": ACCENT} if i == WORD else {"color": INK}
        page.text(LEFT + 0.55 + 1.17 * i, 7.25, word, size=13, ha="center", **style)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def arrows(page: Page, left: float) -> None:
    """Down from one thing to what is made of it."""
    for top, length in ((1.92, 0.2), (3.78, 0.18), (5.1, 0.36), (5.82, 0.36)):
        axes = page.axes(left, top, SIZE, length, bare=True)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.annotate("", (0.5, 0), (0.5, 1), arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.2})


def lstm(page: Page) -> None:
    """A cell under every frame, and what it hands on to the next."""
    for i in range(FRAMES):
        left = LEFT + STEP * i
        page.band(left, 6.25, SIZE, 0.42, SERIES[4])
        page.text(left + SIZE / 2, 6.46, "cell", size=9.5, ha="center", va="center")
        if i + 1 < FRAMES:
            axes = page.axes(left + SIZE, 6.35, STEP - SIZE, 0.22, bare=True)
            axes.set(xlim=(0, 1), ylim=(0, 1))
            axes.annotate("", (1, 0.5), (0, 0.5), arrowprops={"arrowstyle": "<|-|>", "color": INK, "lw": 1.2})
    page.band(LEFT, 6.86, STEP * (FRAMES - 1) + SIZE, 0.04, FAINT, rounding=0.02)


if __name__ == "__main__":
    target = Path("docs/pictures/program.png")
    draw(target)
    print(target)
