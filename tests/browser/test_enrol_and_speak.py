"""Three phrases are recorded, learned, read, and said aloud."""

from pathlib import Path

import pytest
from browsing import PATIENCE_MS, OpenPage, write_camera
from playwright.sync_api import Page, expect

from lipscribe.talker import Talker

PHRASES = ("good morning", "I need some water", "call my family please")
BEFORE, AFTER = 2.5, 2.5  # seconds of a still face: the camera starts with the page's, and recording a moment later

# What the browser would say aloud is written down; one voice is the device's own, the other is on the net.
VOICES = """
  window.said = [];
  window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
  const voices = [
    { name: "Net", lang: "en-US", voiceURI: "net", localService: false },
    { name: "Own", lang: "en-US", voiceURI: "own", localService: true },
  ];
  Object.defineProperty(window, "speechSynthesis", { value: {
    getVoices: () => voices,
    speak: (utterance) => window.said.push([utterance.voice.voiceURI, utterance.text]),
    cancel: () => window.said.push("hush"),
  } });
"""


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the camera sees while each phrase is said."""
    folder, person = tmp_path_factory.mktemp("cameras"), Talker(11)
    clips = [person.say(text) for text in PHRASES]
    return [write_camera(folder / f"{idx}.y4m", [clip.frames], BEFORE, AFTER) for idx, clip in enumerate(clips)]


def record(page: Page, button: str) -> None:
    """Turns the camera on, records from its first moments until the phrase is over."""
    page.click(button)
    expect(page.locator(button)).to_have_text({"#speak-record": "Say a phrase"}.get(button, "Record"))
    page.click(button)
    page.wait_for_timeout(5200)
    page.click(button)


def test_three_phrases_are_enrolled_learned_read_and_spoken(
    server: str, open_page: OpenPage, cameras: list[Path], cache: Path
):
    page = open_page(f"{server}#enrol")
    page.fill("#enrol-name", "mine")
    page.fill("#enrol-texts", "\n".join(PHRASES))
    page.click("#enrol-form button")
    expect(page.locator(".prompt")).to_have_text(PHRASES[0])
    expect(page.locator(".learn .main")).to_have_count(0)  # there is nothing to learn from yet
    # Each in a new browser, as after a crash: the server knows what is recorded.
    for idx, camera in enumerate(cameras):
        page = open_page(f"{server}#enrol/mine", camera)
        expect(page.locator(".prompt")).to_have_text(PHRASES[idx])
        record(page, "#enrol-open .tall")
        expect(page.locator(".verdict[data-verdict=good], .verdict[data-verdict=doubtful]")).to_be_visible()
    page.reload()
    expect(page.locator(".prompt")).to_have_text("Now it can learn.")
    assert len(list((cache / "enrolments" / "mine").glob("*.webm"))) == 3

    page.click(".learn .main")
    expect(page.locator(".lines")).to_contain_text("knows 3 phrases", timeout=PATIENCE_MS)

    for idx in (1, 2):
        page = open_page(f"{server}#speak", cameras[idx], VOICES)
        page.select_option("#model", "mine")
        expect(page.locator("#model-reads")).to_contain_text("good morning")
        page.fill("#bank-new", PHRASES[idx])
        page.click("#bank-form button")
        record(page, "#speak-record")
        expect(page.locator(".candidate").first).to_contain_text(PHRASES[idx])
        page.keyboard.press("1")
        expect(page.locator("#saying")).to_have_text(PHRASES[idx])
        assert ["own", PHRASES[idx]] in page.evaluate("window.said")


def test_a_recording_without_a_face_is_refused_with_the_reason(server: str, open_page: OpenPage, tmp_path: Path):
    import numpy as np

    wall = np.random.default_rng(0).integers(90, 160, (50, 120, 160, 3), np.uint8)
    page = open_page(f"{server}#enrol", write_camera(tmp_path / "wall.y4m", [wall]))
    page.fill("#enrol-name", "wall")
    page.fill("#enrol-texts", "one\ntwo")
    page.click("#enrol-form button")
    page.click("#enrol-open .tall")
    expect(page.locator("#enrol-open .tall")).to_have_text("Record")
    page.click("#enrol-open .tall")
    page.wait_for_timeout(1500)
    page.click("#enrol-open .tall")
    expect(page.locator(".verdict[data-verdict=bad]")).to_contain_text("face")
    expect(page.locator("#enrol-open .tall")).to_be_enabled()


def test_phrases_are_said_undone_and_kept(server: str, open_page: OpenPage):
    page = open_page(f"{server}#speak", script=VOICES)
    page.get_by_role("button", name="thank you", exact=True).click()
    assert page.evaluate("window.said").count(["own", "thank you"]) == 1
    page.click("#speak-undo")
    assert page.evaluate("window.said")[-1] == "hush"
    expect(page.locator("#history li")).to_have_count(0)

    page.fill("#initials", "i n w")  # the first letters alone find it too
    expect(page.locator(".candidate").first).to_contain_text("I need water")
    page.click("#speak h2")
    page.keyboard.press("1")
    expect(page.locator("#saying")).to_have_text("I need water")

    page.fill("#bank-new", "feed the cat")
    page.keyboard.press("Enter")
    page.reload()
    expect(page.get_by_role("button", name="feed the cat", exact=True)).to_be_visible()
    expect(page.locator("#history li")).to_have_text(["I need water"])


def test_a_phrase_is_chosen_by_resting_the_pointer_on_it(server: str, open_page: OpenPage):
    page = open_page(f"{server}#speak", script=VOICES)
    page.click("summary >> text=Voice and settings")
    page.check("#dwell")
    page.fill("#initials", "g m")
    page.hover(".candidate")
    expect(page.locator("#saying")).to_have_text("good morning")


def test_without_a_voice_it_says_so_and_shows_the_phrase(server: str, open_page: OpenPage):
    page = open_page(f"{server}#speak")
    expect(page.locator("#voice-notice")).to_contain_text("no voice of its own")
    page.get_by_role("button", name="thank you", exact=True).click()
    expect(page.locator("#saying")).to_have_text("thank you")
