"""Draws the README's picture of synthetic people: `python tools/draw_talkers.py docs/pictures/talkers.jpg`."""

import sys
from pathlib import Path

import cv2
import numpy as np

from lipscribe.talker import Talker

SEEDS = (0, 2, 3, 6, 7, 8, 9, 12, 14, 16)
COLUMNS = 5


def main() -> None:
    path = Path(sys.argv[1])
    pictures = []
    for number, seed in enumerate(SEEDS):
        clip = Talker(seed).say("place red at c seven please", scene={"width": 240, "height": 240, "face": 0.2})
        pictures.append(clip.frames[20 + 3 * number % 20])
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path)


if __name__ == "__main__":
    main()
