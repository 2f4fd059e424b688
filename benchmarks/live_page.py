"""How late words appear in the page: `python benchmarks/live_page.py --seconds 60`.

A browser (Chromium) opens the live page of a real server; its camera is the video of a talker, or with `--clips` real
clips, one after the other with a pause between. For each committed word the page measures the time from the moment
at which the camera took the word's last frame to the moment at which the word is on the page. The table has the
distribution, and how busy the machine was meanwhile: with less than a free core for the server and one for the browser
it measures the machine.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the tests' server, browser and camera
from browsing import CHROMIUM, FLAGS, write_camera
from playwright.sync_api import Page, sync_playwright
from running_server import started

from lipscribe.talker import Talker
from lipscribe.video import Video

SENTENCES = (
    "place red at c seven please",
    "set blue with f two now",
    "bin green by m four soon",
    "lay white in k nine again",
)
PAUSE = 1.0  # seconds of a still face after each sentence
SHARES = (5, 25, 50, 75, 90, 95, 99)
LISTEN = """
  window.late = [];
  document.addEventListener("lipscribe:committed", ({ detail }) => {
    for (const word of detail.words) window.late.push([word.word, detail.now - word.end]);
  });
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of the measurement")
    parser.add_argument("--model", default="grid")
    parser.add_argument("--clips", nargs="*", help="videos of one size as the camera; talkers by default")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="of the talkers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        camera = write_camera(Path(folder) / "camera.y4m", list(_clips(options)), after=PAUSE)
        with started("--model", options.model, cache=f"{folder}/cache") as (process, address):
            before = _cpu(process.pid), os.times(), time.monotonic()
            late = _measure(address, camera, options.seconds)
            report(late, (time.monotonic() - before[2]), _cpu(process.pid) - before[0])


def _clips(options: argparse.Namespace) -> Iterator[np.ndarray]:
    if options.clips:
        for path in options.clips:
            yield np.stack(list(Video(path, 25)))
        return
    width, height = options.size
    for take, text in enumerate(SENTENCES):
        yield Talker(900_001).say(text, take=take, scene={"width": width, "height": height}, duration=3.0).frames


def _measure(address: str, camera: Path, seconds: float) -> list[tuple[str, float]]:
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.add_init_script(LISTEN)
        page.goto(f"{address}#live")
        page.wait_for_selector("#model option", state="attached")
        page.click("#live-start")
        page.wait_for_selector("#committed .word", timeout=120_000)
        page.evaluate("window.late.length = 0")  # the first words waited for the networks to be loaded
        page.wait_for_timeout(seconds * 1000)
        late = _late(page)
        browser.close()
    return late


def _late(page: Page) -> list[tuple[str, float]]:
    found: list[Any] = page.evaluate("window.late")
    return [(str(word), float(seconds)) for word, seconds in found]


def report(late: list[tuple[str, float]], wall: float, cpu: float) -> None:
    """Prints the distribution."""
    if not late:
        sys.exit("no word was committed: the machine is too busy, or the camera shows nobody who speaks")
    seconds = np.array([each for _, each in late])
    print(f"{len(late)} words; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    print(f"the server's own process took {cpu / wall:.2f} CPUs")
    print("camera to committed word, s: " + ", ".join(f"{s} %: {np.percentile(seconds, s):.2f}" for s in SHARES))
    edges = np.arange(0, max(1.0, seconds.max()) + 0.1, 0.1)
    counts, _ = np.histogram(seconds, edges)
    for low, count in zip(edges, counts, strict=False):
        if count:
            print(f"{low:4.1f} s {'#' * round(60 * count / counts.max())} {count}")


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if shutil.which("chromium") is None and CHROMIUM is None:
        sys.exit("this needs a Chromium: apt-get install chromium")
    main()
