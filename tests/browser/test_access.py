"""For keyboards, screen readers and both themes."""

from pathlib import Path

import pytest
from browsing import OpenPage
from playwright.sync_api import Page, expect
from running_server import started


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(server: str, open_page: OpenPage, axe: str, video: Path, theme: str):
    page = open_page(server, color_scheme=theme, reduced_motion="reduce")  # colours are not seen half way
    assert violations(page, axe) == []
    page.set_input_files("#file", video)
    page.wait_for_selector("#words button")
    page.wait_for_selector("#verdict:not([hidden])")
    page.locator("#words button").nth(3).click()
    assert violations(page, axe) == []
    page.click("#tab-live")
    assert violations(page, axe) == []
    page.click("#tab-speak")
    page.fill("#initials", "i")
    page.click("text=Voice and settings")
    page.get_by_role("button", name="thank you", exact=True).click()
    assert violations(page, axe) == []
    page.click("#tab-enrol")
    assert violations(page, axe) == []
    page.fill("#enrol-name", f"axe {theme}")
    page.click("#enrol-form button")
    page.wait_for_selector(".prompt")
    page.click("text=All prompts")
    assert violations(page, axe) == []


def test_tabs_and_words_by_keyboard(server: str, open_page: OpenPage, video: Path):
    page = open_page(server)
    page.focus("#tab-read")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-live")).to_be_focused()
    expect(page.locator("#live")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#enrol")).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator("#read")).to_be_visible()
    page.set_input_files("#file", video)
    page.wait_for_selector("#words button")
    page.focus("#words button")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#alternatives")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#alternatives button").first).to_be_focused()


def test_the_theme_is_the_systems_until_another_is_chosen(server: str, open_page: OpenPage):
    page = open_page(server, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("#theme")
    assert page.evaluate(paper) != dark
    page.reload()
    page.wait_for_selector("#model option", state="attached")
    assert page.evaluate(paper) != dark


def test_the_page_asks_for_the_token_once(tmp_path: Path, open_page: OpenPage, video: Path):
    with started("--token", "open sesame", cache=str(tmp_path)) as (_, address):
        page = open_page(address, until_there="#token-dialog[open]")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-error")).to_be_visible()
        page.fill("#token", "open sesame")
        page.keyboard.press("Enter")
        page.set_input_files("#file", video)
        page.wait_for_selector("#words button")
        page.reload()
        page.wait_for_selector("#model option", state="attached")
        expect(page.locator("#token-dialog")).to_be_hidden()
