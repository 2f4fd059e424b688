"""Draws a synthetic talker explained: python tools/draw_explanation.py docs/pictures/explain.png."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from lipscribe.explain import explain_video, write_explanation
from lipscribe.pipeline import load_model
from lipscribe.talker import Talker

MAX_COLORS = 256  # a third of the size


def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "talker.mp4"
        Talker(seed=7).say("place red at c seven please").save(clip)
        page = write_explanation(explain_video(clip, load_model("talkers")), folder)[0]
        picture = Image.open(page).convert("RGB")
        smaller = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
        smaller.quantize(MAX_COLORS, kmeans=3).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
