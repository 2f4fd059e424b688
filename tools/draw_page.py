"""Draws the pictures of docs/page.md: `python tools/draw_page.py docs/pictures`.

The real server, a real browser, and talkers before its camera; wide in both themes, and as on a phone in the dark one.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the tests' server, browser and camera
from browsing import CHROMIUM, FLAGS, SAID, write_camera
from playwright.sync_api import Page, sync_playwright
from running_server import started

from lipscribe.talker import Talker

WIDE: dict[str, Any] = {"viewport": {"width": 1120, "height": 760}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}
LOOKS = (("light", WIDE), ("dark", WIDE), ("phone", PHONE))
PHRASES = ("good morning", "I need some water", "call my family please")
SCENE = {"width": 640, "height": 480, "background": "gradient"}
COLOURS = 256  # of a picture: a third of the size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--looks", nargs="*", default=[name for name, _ in LOOKS])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        person = Talker(900_007)
        clips = [person.say(text, scene=SCENE) for text in (SAID, *PHRASES)]
        clips[0].save(Path(made) / "talker.mp4")
        camera = write_camera(Path(made) / "camera.y4m", [clips[0].frames], 0.5, 1.0)
        phrase = write_camera(Path(made) / "phrase.y4m", [clips[2].frames], 2.0, 2.0)
        with started("--model", "grid", cache=f"{made}/cache") as (_, address), sync_playwright() as playwright:
            for look, size in LOOKS:
                if look not in options.looks:
                    continue
                for file, draw in ((camera, _read), (camera, _live), (phrase, _enrol), (camera, _speak)):
                    flags = [*FLAGS, f"--use-file-for-fake-video-capture={file}"]
                    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
                    theme = "light" if look == "light" else "dark"
                    page = browser.new_context(**size, color_scheme=theme).new_page()
                    page.set_default_timeout(180_000)
                    page.goto(address)
                    page.wait_for_selector("#model option", state="attached")
                    draw(page, Path(made), lambda name, look=look: options.folder / f"page-{name}-{look}.png")
                    browser.close()


def _shoot(page: Page, path: Path, full: bool = True) -> None:
    from PIL import Image

    page.screenshot(path=path, full_page=full)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path)


def _read(page: Page, made: Path, name: Any) -> None:
    _shoot(page, name("read-empty"))
    page.set_input_files("#file", made / "talker.mp4")
    page.wait_for_selector("#words button")
    page.wait_for_selector("#verdict:not([hidden])")
    page.wait_for_selector("#strip:not([hidden])")
    page.locator("#words button").nth(3).click()
    page.wait_for_timeout(1500)
    _shoot(page, name("read"))
    broken = made / "holiday.mp4"
    broken.write_bytes(b"no video" * 1000)
    page.set_input_files("#file", broken)
    page.wait_for_selector("#read-status.bad")
    _shoot(page, name("read-broken"))


def _live(page: Page, made: Path, name: Any) -> None:
    page.click("#tab-live")
    page.click("#live-start")
    page.wait_for_selector("#committed p:nth-child(3)")
    page.wait_for_selector("#tentative:not([hidden])")
    _shoot(page, name("live"))
    page.click("#live-table")
    page.wait_for_timeout(1000)
    _shoot(page, name("live-across"), full=False)


def _enrol(page: Page, made: Path, name: Any) -> None:
    page.click("#tab-enrol")
    page.wait_for_timeout(500)
    _shoot(page, name("enrol-begin"))
    page.fill("#enrol-name", name("").stem.split("-")[-1])
    page.fill("#enrol-texts", "\n".join(PHRASES[1:]))
    page.click("#enrol-form button")
    page.click("#enrol-open .tall")
    keep = page.get_by_role("button", name="Keep and go on")
    while not page.locator(".learn .main").count():  # the camera's phrase may be cut in two, and is then refused
        page.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(4500)
        if not name("enrol-recording").exists():
            _shoot(page, name("enrol-recording"))
        page.get_by_role("button", name="Stop", exact=True).click()
        page.wait_for_selector("#enrol-open .verdict[data-verdict]:not([data-verdict=''])")
        if keep.is_visible():
            _shoot(page, name("enrol"))
            keep.click()
    page.click(".learn .main")
    page.wait_for_selector(".lines")
    _shoot(page, name("enrol-learned"))


def _speak(page: Page, made: Path, name: Any) -> None:
    page.click("#tab-speak")
    page.fill("#bank-new", SAID)
    page.click("#bank-form button")
    for text in ("set blue with f two now", "bin green by m four soon"):
        page.fill("#bank-new", text)
        page.click("#bank-form button")
    page.click("#speak-record")
    page.wait_for_selector("text=Say a phrase")
    page.click("#speak-record")
    page.wait_for_timeout(4000)
    page.click("#speak-record")
    page.wait_for_selector(".candidate")
    page.wait_for_timeout(1500)
    _shoot(page, name("speak"))
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    _shoot(page, name("speak-said"))


if __name__ == "__main__":
    main()
