"""What `lipscribe live` does with what is read: a display in the terminal, lines, JSON, a file for captions, typing."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipscribe.atomic import write_text
from lipscribe.errors import LipscribeError
from lipscribe.extras import missing_extra
from lipscribe.transcript import Segment, Transcript, Word, mark_unsure
from lipscribe.units import Seconds

if TYPE_CHECKING:  # what loads the networks is imported where it is used
    from rich.console import Console, RenderableType
    from rich.text import Text

    from lipscribe.streaming import Framing, StreamUpdate

CLEARED_AFTER: Seconds = 3.0  # without a new word, a captions file is emptied once the utterance is over
CAPTION_CHARS = 84  # two lines of subtitles; of a longer utterance the last words are shown


class Output:
    """Where words go. All methods but `show` do nothing by default."""

    def show(self, update: "StreamUpdate") -> None:
        """Takes what the stream has read."""
        raise NotImplementedError

    def tick(self, time: Seconds, framing: "Framing | None") -> None:
        """Is called after each frame, with its capture time and how the person is seen."""

    def close(self) -> None:
        """Ends it."""


class Segments(Output):
    """Keeps the finished utterances.

    Attributes:
        segments: All of them, if they are kept.
        num_segments, num_words: How many there were.
    """

    def __init__(self, kept: bool):
        self._kept = kept
        self.segments: list[Segment] = []
        self.num_segments = self.num_words = 0

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        if update.segment is not None:
            self.num_segments += 1
            self.num_words += len(update.segment.words)
            if self._kept:
                self.segments.append(update.segment)


class Lines(Output):
    """Prints a line for each finished utterance.

    Args:
        unsure_below: Words below this probability are printed as `[word?]`.
    """

    def __init__(self, unsure_below: float):
        self._unsure_below = unsure_below

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        if update.segment is not None:
            print(mark_unsure(Transcript((update.segment,)), self._unsure_below).text, flush=True)


class JsonLines(Output):
    """Prints a JSON object for each update (JSON Lines)."""

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        print(json.dumps(asdict(update), ensure_ascii=False), flush=True)


class PresentLine:
    """The words of the present utterance.

    Attributes:
        committed, tentative: Its words so far.
    """

    def __init__(self) -> None:
        self.committed: tuple[Word, ...] = ()
        self.tentative: tuple[Word, ...] = ()

    def add(self, update: "StreamUpdate") -> None:
        """Takes an update; the first one after the end of an utterance begins another line."""
        if update.segment is not None:
            self.committed = self.tentative = ()
        else:
            self.committed += update.committed
            self.tentative = update.tentative


class Screen(Output):
    """Draws the present utterance at the foot of the terminal; the finished ones scroll away above it.

    Args:
        console: The terminal.
        unsure_below: Words below this probability are marked.
    """

    def __init__(self, console: "Console", unsure_below: float):
        from rich.live import Live

        self._unsure_below, self._line = unsure_below, PresentLine()
        self._hints: tuple[str, ...] = ()
        self._live = Live(self._drawn(), console=console, auto_refresh=False, transient=True)
        self._live.start(refresh=True)

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        self._line.add(update)
        if update.segment is not None:
            self._live.console.print(self._text(update.segment.words, "bold"))
        self._live.update(self._drawn(), refresh=True)

    def tick(self, time: Seconds, framing: "Framing | None") -> None:
        """See `Output.tick`."""
        hints = framing.hints if framing is not None else ()
        if hints != self._hints:
            self._hints = hints
            self._live.update(self._drawn(), refresh=True)

    def close(self) -> None:
        """See `Output.close`."""
        self._live.stop()

    def _drawn(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        hint = Text(self._hints[0] if self._hints else "Speak. Ctrl-C ends.", "yellow" if self._hints else "dim")
        words = self._text(self._line.committed, "bold")
        if self._line.tentative:
            words.append(" " if words else "").append(" ".join(w.text for w in self._line.tentative), "bright_black")
        return Group(hint, words)

    def _text(self, words: tuple[Word, ...], style: str) -> "Text":
        from rich.text import Text

        marked = [(f"[{w.text}?]", "yellow") if w.probability < self._unsure_below else (w.text, style) for w in words]
        return Text(" ").join(Text(text, style) for text, style in marked)


class CaptionsFile(Output):
    """Keeps the present line in a file, such as a text source of OBS reads it.

    Args:
        path: Replaced with each change; it never holds half a line.

    Raises:
        LipscribeError: It cannot be written.
    """

    def __init__(self, path: Path):
        self._path, self._line = path, PresentLine()
        self._wanted, self._written = "", None
        self._over_since: Seconds | None = None
        try:
            write_text(path, "")
        except OSError as error:
            raise LipscribeError(
                f"captions file {path} cannot be written ({error.strerror}): give another file"
            ) from error

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        self._line.add(update)
        words = update.segment.words if update.segment else self._line.committed + self._line.tentative
        if words or self._over_since is None:  # a guess that came to nothing leaves the last utterance there
            self._over_since = update.time if update.segment else None
            self._wanted = last_words([word.text for word in words], CAPTION_CHARS)

    def tick(self, time: Seconds, framing: "Framing | None") -> None:
        """See `Output.tick`."""
        if self._over_since is not None and time - self._over_since >= CLEARED_AFTER:
            self._wanted, self._over_since = "", None
        if self._wanted != self._written:
            with suppress(PermissionError):  # on Windows while another program reads it: the next frame tries again
                write_text(self._path, self._wanted)
                self._written = self._wanted

    def close(self) -> None:
        """Empties the file."""
        write_text(self._path, "")


class Typing(Output):
    """Types the committed words where the cursor is, each with a space after it.

    Raises:
        MissingExtraError: pynput is not installed.
        LipscribeError: There is no display.
    """

    def __init__(self) -> None:
        try:
            from pynput.keyboard import Controller  # pyright: ignore[reportMissingModuleSource]

            self._keyboard: Any = Controller()
        except ModuleNotFoundError as error:
            raise missing_extra(error) or error from error
        except Exception as error:  # of its own kind on each system
            raise LipscribeError(
                "--type finds no desktop to type into: run it in a session with a display (DISPLAY on Linux, under X11 "
                "or XWayland), and on macOS allow this terminal under Accessibility"
            ) from error

    def show(self, update: "StreamUpdate") -> None:
        """See `Output.show`."""
        if update.committed:
            self._keyboard.type("".join(f"{word.text} " for word in update.committed))


def last_words(words: list[str], num_chars: int) -> str:
    """The last of some words, as many as have room."""
    text = " ".join(words)
    if len(text) <= num_chars:
        return text
    return text[-num_chars - 1 :].partition(" ")[2]
