"""Live: a camera's words appear as they are spoken."""

import socket
from pathlib import Path

from browsing import SAID, OpenPage
from playwright.sync_api import expect
from running_server import started


def test_words_appear_and_stay(server: str, open_page: OpenPage, camera: Path):
    page = open_page(f"{server}#live", camera)
    page.click("#live-start")
    page.wait_for_selector("#committed .word")
    first = page.locator("#committed .word").first.inner_text()
    assert first
    expect(page.locator("#live-camera .hint")).not_to_be_empty()
    expect(page.locator("#delay")).to_contain_text("From the camera to the word")
    expect(page.locator("#committed p").nth(1)).to_be_visible()  # the next sentence is on a line of its own
    assert page.locator("#committed .word").first.inner_text() == first  # committed words never change

    page.click("#live-table")
    expect(page.locator("#stage")).to_have_class("stage card across")
    page.click("#live-turn")
    expect(page.locator("#stage")).to_have_class("stage card across turned")
    page.keyboard.press("Escape")
    expect(page.locator("#stage")).to_have_class("stage card")
    page.click("#live-start")
    expect(page.locator(".camera-off").first).to_be_visible()


def test_hold_to_talk_reads_only_what_is_said_while_the_space_bar_is_down(
    server: str, open_page: OpenPage, camera: Path
):
    page = open_page(f"{server}#live", camera)
    page.click("text=Hold to talk >> nth=0")
    page.click("#live-start")
    page.wait_for_selector("#live-hold")
    page.click("#live h2")
    page.wait_for_timeout(4000)
    assert page.locator("#committed .word").count() == 0
    page.keyboard.down("Space")
    expect(page.locator("#live-hold")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(4500)
    page.keyboard.up("Space")
    page.wait_for_selector("#committed .word")
    expect(page.locator("#tentative")).to_be_hidden()


def test_a_server_that_is_started_again_goes_on(tmp_path: Path, open_page: OpenPage, camera: Path, video: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with started("--port", port, cache=str(tmp_path)) as (_, address):
        page = open_page(f"{address}#live", camera)
        page.click("#live-start")
        page.wait_for_selector("#committed .word")
    expect(page.locator("#live-status.bad")).to_contain_text("lost")
    words = page.locator("#committed .word").count()
    page.click("#tab-read")
    page.set_input_files("#file", video)
    expect(page.locator("#read-status.bad")).to_contain_text("does not answer")

    with started("--port", port, cache=str(tmp_path)):
        page.set_input_files("#file", video)
        page.wait_for_selector("#words button")
        assert len(page.locator("#words button").all()) == len(SAID.split())
        page.click("#tab-live")
        page.click("#live-start")
        page.wait_for_selector(f"#committed .word >> nth={words}")
