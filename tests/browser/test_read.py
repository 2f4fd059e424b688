"""Read: a video is given, read, played and downloaded."""

import json
from pathlib import Path

import pytest
from browsing import SAID, OpenPage
from playwright.sync_api import Page, expect

from lipscribe.video import Video


def read(page: Page, video: Path) -> None:
    page.set_input_files("#file", video)
    page.wait_for_selector("#words button")


def words(page: Page) -> str:
    return " ".join(page.locator("#words button").all_inner_texts())


def test_the_words_of_a_talker_are_read_and_shown_with_their_times(server: str, open_page: OpenPage, video: Path):
    page = open_page(server)
    read(page, video)
    assert sum(one == other for one, other in zip(words(page).split(), SAID.split(), strict=True)) >= 4
    expect(page.locator("#read-status")).to_contain_text("Read in")
    expect(page.locator("#verdict h3")).to_be_visible()
    expect(page.locator("#strip canvas")).to_be_visible()

    page.locator("#words button").nth(4).click()  # goes there
    expect(page.locator("#player-captions .now")).to_have_text(words(page).split()[4])
    assert page.evaluate("document.querySelector('#player').currentTime") > 1


def test_a_word_is_corrected_by_an_alternative_and_downloaded_so(server: str, open_page: OpenPage, video: Path):
    page = open_page(server, accept_downloads=True)
    read(page, video)
    letter = page.locator("#words button").nth(3)
    letter.click()
    choices = page.locator("#alternatives button")
    assert choices.count() > 1  # the talker's letter looks like others
    other = choices.nth(1).locator("span").inner_text()
    choices.nth(1).click()
    expect(letter).to_have_text(other)

    for name in ("Text", "SRT", "WebVTT", "Table (TSV)", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert words(page) in " ".join(text.replace("\\n", " ").split()), name
    assert [word["text"] for word in json.loads(text)["segments"][0]["words"]][3] == other


def test_the_captioned_video_is_downloaded(server: str, open_page: OpenPage, video: Path):
    page = open_page(server, accept_downloads=True)
    read(page, video)
    with page.expect_download() as download:
        page.get_by_role("button", name="Captioned video").click()
    assert download.value.suggested_filename == "talker-captioned.mp4"
    assert sum(1 for _ in Video(download.value.path())) > 60


def test_a_broken_file_gets_one_sentence_and_the_next_one_is_read(
    server: str, open_page: OpenPage, video: Path, tmp_path: Path
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 1000)
    page = open_page(server)
    page.set_input_files("#file", broken)
    expect(page.locator("#read-status.bad")).to_contain_text("not a video")
    page.click("#read-again")
    read(page, video)
    assert words(page)


@pytest.mark.parametrize("width", [360, 640])
def test_nothing_is_wider_than_a_phone(server: str, open_page: OpenPage, video: Path, width: int):
    page = open_page(server, viewport={"width": width, "height": 740})
    read(page, video)
    page.wait_for_selector("#strip:not([hidden])")
    for tab in ("read", "live", "speak", "enrol"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
