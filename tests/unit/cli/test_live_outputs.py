"""What is done with words as they come: display, lines, JSON, the captions file, typing."""

import io
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from lipscribe.cli.live_outputs import (
    CAPTION_CHARS,
    CLEARED_AFTER,
    CaptionsFile,
    JsonLines,
    Lines,
    Output,
    Screen,
    Segments,
    Typing,
    last_words,
)
from lipscribe.errors import LipscribeError, MissingExtraError
from lipscribe.streaming import Framing, StreamUpdate
from lipscribe.transcript import Segment, Word


def word(text: str, probability: float = 0.9) -> Word:
    return Word(text, 0.0, 0.5, probability)


RED, SURE, TWO, NOW = word("red"), word("one"), word("two", 0.3), word("now")
SAID = (RED, TWO, NOW)
UPDATES = [
    StreamUpdate(1.0, 0, tentative=(RED,)),
    StreamUpdate(1.2, 0, committed=(RED,), tentative=(SURE,)),
    StreamUpdate(1.5, 0, committed=(TWO,), tentative=(NOW,)),
    StreamUpdate(2.0, 0, committed=(NOW,), segment=Segment("red two now", 0.0, 1.7, SAID)),
]


def test_a_line_for_each_utterance_with_unsure_words_marked(capsys):
    for unsure_below, line in ((0, "red two now\n"), (0.5, "red [two?] now\n")):
        output = Lines(unsure_below)
        for update in UPDATES:
            output.show(update)
        assert capsys.readouterr().out == line


def test_an_object_for_each_update(capsys):
    output = JsonLines()
    for update in UPDATES:
        output.show(update)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["time"] for record in records] == [1.0, 1.2, 1.5, 2.0]
    assert [word["text"] for record in records for word in record["committed"]] == ["red", "two", "now"]
    assert records[1]["tentative"][0]["text"] == "one"
    assert [record["segment"] and record["segment"]["text"] for record in records] == [None, None, None, "red two now"]


@pytest.mark.parametrize("kept", [True, False])
def test_utterances_are_counted_and_kept_only_if_they_are_wanted(kept: bool):
    output = Segments(kept)
    for update in UPDATES * 2:
        output.show(update)
    assert (output.num_segments, output.num_words) == (2, 6)
    assert len(output.segments) == 2 * kept


def shown(updates: list[StreamUpdate], hints: tuple[str, ...] = ()) -> str:
    """All that a terminal gets."""
    stream = io.StringIO()
    screen = Screen(
        Console(file=stream, force_terminal=True, width=80, color_system="standard", _environ={"TERM": "xterm"}), 0.5
    )
    for update in updates:
        screen.show(update)
        screen.tick(update.time, Framing(None, hints))
    screen.close()
    return stream.getvalue()


def test_the_display_has_committed_words_bold_tentative_grey_and_unsure_ones_marked():
    bold, grey, yellow = "\x1b[1m", "\x1b[90m", "\x1b[33m"
    assert f"{bold}red" in shown(UPDATES[:2])
    assert f"{grey}one" in shown(UPDATES[:2])
    assert f"{yellow}[two?]" in shown(UPDATES[:3])


def test_finished_utterances_scroll_away_above():
    text = shown([*UPDATES, StreamUpdate(4.0, 1, tentative=(SURE,))])
    lines = [line for line in text.split("\n") if "two?" in line and "now" in line]
    assert lines
    assert "\x1b[90mone" in text.rsplit("now", 1)[1]  # the next one is drawn below it


def test_the_display_tells_how_to_sit():
    assert "Come nearer: the mouth is small." in shown(UPDATES[:1], ("Come nearer: the mouth is small.", "Light"))
    assert "Ctrl-C" in shown(UPDATES[:1])


def play(output: Output, path: Path, updates: list[StreamUpdate], until: float) -> list[tuple[float, str]]:
    """The file's content whenever it changes, by the time of the frame."""
    seen, content = [], None
    for n in range(round(until * 25)):
        now = n / 25
        for update in updates:
            if now <= update.time < now + 1 / 25:
                output.show(update)
        output.tick(now, None)
        if path.read_text(encoding="utf-8") != content:
            content = path.read_text(encoding="utf-8")
            seen.append((now, content))
    return seen


def test_the_captions_file_has_the_present_line_and_is_emptied_some_seconds_after_it(tmp_path: Path):
    path = tmp_path / "captions.txt"
    path.write_text("what was there", encoding="utf-8")
    output = CaptionsFile(path)
    seen = play(output, path, UPDATES, 8)
    assert [text for _, text in seen] == ["", "red", "red one", "red two now", ""]
    assert seen[-1][0] == pytest.approx(2.0 + CLEARED_AFTER, abs=0.05)
    assert list(tmp_path.iterdir()) == [path]  # no temporary file is left


def test_a_new_utterance_takes_the_place_of_the_last_one_and_a_vanished_guess_does_not(tmp_path: Path):
    path = tmp_path / "captions.txt"
    gone = [StreamUpdate(2.5, 1, tentative=(SURE,)), StreamUpdate(2.8, 1), StreamUpdate(3.2, 1, tentative=(NOW,))]
    seen = play(CaptionsFile(path), path, [*UPDATES, *gone], 4)
    assert [text for _, text in seen][-3:] == ["one", "", "now"]


def test_the_captions_file_is_empty_at_the_end_and_one_that_cannot_be_written_is_told(tmp_path: Path):
    path = tmp_path / "captions.txt"
    output = CaptionsFile(path)
    play(output, path, UPDATES[:3], 1.6)
    output.close()
    assert path.read_text(encoding="utf-8") == ""
    with pytest.raises(LipscribeError, match=r"captions file .* cannot be written .*: give another file"):
        CaptionsFile(tmp_path / "no folder" / "captions.txt")


def test_of_a_long_utterance_the_last_whole_words_are_shown():
    words = [f"word{n}" for n in range(100)]
    text = last_words(words, CAPTION_CHARS)
    assert len(text) <= CAPTION_CHARS
    assert text.split() == words[-len(text.split()) :]
    assert len(f"{words[-len(text.split()) - 1]} {text}") > CAPTION_CHARS  # no other word has room
    assert last_words(["a", "b"], 10) == "a b"
    assert last_words(["abc", "de"], 2) == "de"


def pynput(monkeypatch, controller: type) -> None:
    package, keyboard = ModuleType("pynput"), ModuleType("pynput.keyboard")
    keyboard.Controller = controller
    package.keyboard = keyboard
    monkeypatch.setitem(sys.modules, "pynput", package)
    monkeypatch.setitem(sys.modules, "pynput.keyboard", keyboard)


def test_committed_words_are_typed_once_with_a_space_after_each(monkeypatch):
    typed = []

    class Controller:
        def type(self, text: str) -> None:
            typed.append(text)

    pynput(monkeypatch, Controller)
    output = Typing()
    for update in UPDATES:
        output.show(update)
    assert "".join(typed) == "red two now "


def test_typing_without_pynput_or_without_a_display_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynput", None)
    monkeypatch.setitem(sys.modules, "pynput.keyboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lipscribe\[type\]'"):
        Typing()

    class Controller:
        def __init__(self) -> None:
            raise RuntimeError("no display")

    pynput(monkeypatch, Controller)
    with pytest.raises(LipscribeError, match="--type finds no desktop"):
        Typing()
