"""A real browser (Chromium) on a real server; cameras are videos of synthetic talkers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import CHROMIUM, FLAGS, PATIENCE_MS, SAID, OpenPage, write_camera

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from lipscribe.talker import TalkingClip

NEEDED = [name for name in ("playwright", "fastapi", "uvicorn", "multipart", "httpx") if find_spec(name) is None]
AXE = "axe-core@4.10.3"  # MPL-2.0: fetched for the test, not a part of Lipscribe


if NEEDED or CHROMIUM is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header() -> str | None:
    """Says why these tests are left out."""
    missing = [*NEEDED, *(["a Chromium"] if CHROMIUM is None else [])]
    return f"tests/browser is left out: it needs {', '.join(missing)}" if missing else None


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def server(cache: Path) -> Iterator[str]:
    from running_server import started

    with started(cache=str(cache)) as (_, address):
        yield address


@pytest.fixture(scope="session")
def talker(tmp_path_factory: pytest.TempPathFactory) -> "TalkingClip":
    """Somebody who says `SAID`."""
    from lipscribe.talker import Talker

    return Talker(900_001).say(SAID, duration=3.0)


@pytest.fixture(scope="session")
def video(talker: "TalkingClip", tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "talker.mp4"
    talker.save(path)
    return path


@pytest.fixture(scope="session")
def camera(talker: "TalkingClip", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a camera sees of the same person, again and again."""
    return write_camera(tmp_path_factory.mktemp("cameras") / "talker.y4m", [talker.frames], after=1.0)


@pytest.fixture
def open_page() -> Iterator[OpenPage]:
    """Opens an address in a browser of its own.

    The fake camera starts with the video's first frame when the page opens it. Errors in the page fail the test.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    errors: list[str] = []
    with ExitStack() as until:
        playwright = until.enter_context(sync_playwright())

        def open_it(
            address: str,
            camera: Path | None = None,
            script: str = "",
            until_there: str = "#model option",
            **options: Any,
        ) -> "Page":
            flags = [*FLAGS, *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            until.callback(browser.close)
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            if script:
                page.add_init_script(script)
            page.goto(address)
            page.wait_for_selector(until_there, state="attached")
            return page

        yield open_it
    assert not errors, errors


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, the checker of accessibility."""
    if given := os.environ.get("LIPSCRIBE_AXE"):
        return Path(given).read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core is fetched with npm, which is not installed (or give LIPSCRIBE_AXE=axe.min.js)")
    packed = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, timeout=120)
    if packed.returncode:
        pytest.skip(f"axe-core cannot be fetched: {packed.stderr.strip()[-200:]}")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")
