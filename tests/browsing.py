"""What tests and benchmarks of the page share: which browser, how it is started, and what its camera sees."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PATIENCE_MS = 120_000  # on a busy machine
SAID = "place red at c seven please"

OpenPage = Callable[..., Any]
"""See the fixture `open_page`."""


def write_camera(
    path: Path, clips: Sequence[np.ndarray], before: float = 0.0, after: float = 0.0, fps: int = 25
) -> Path:
    """Writes frames as the uncompressed video (Y4M) that Chromium takes for a camera, with a still face around each.

    Args:
        clips: (T, H, W, 3) uint8 RGB each, with even H and W.
        before, after: Seconds of the first and last frame around each clip.
    """
    import cv2

    height, width = clips[0].shape[1:3]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for frames in clips:
            for frame in (*[frames[0]] * round(before * fps), *frames, *[frames[-1]] * round(after * fps)):
                file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path
