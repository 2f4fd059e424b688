"""The messages of `WS /v1/stream`, which docs/serve.md describes."""

import json
from dataclasses import dataclass
from typing import Any

from lipscribe.server.errors import ApiError
from lipscribe.server.formats import to_segment, to_verbose, to_word
from lipscribe.transcript import Segment, Transcript

INPUTS = ("frames", "crops", "video")
MAX_BYTES = 4_000_000  # of one message: a frame
MAX_TEXT = 200_000  # characters of one message


@dataclass(frozen=True)
class Start:
    """The first message.

    Attributes:
        input: "frames", "crops" or "video".
        model: A model's name; None is the server's.
        phrases: Restrict the search to these; a text with one a line.
        alternatives: Of each word.
    """

    input: str
    model: str | None
    phrases: str | None
    alternatives: int

    @classmethod
    def parse(cls, text: str) -> "Start":
        """Reads it.

        Raises:
            ApiError: It is no such message.
        """
        message = parse_message(text)
        if message.get("type") != "start":
            raise ApiError(400, 'the first message is no start: send {"type": "start", "input": "frames"}')
        input, model = message.get("input", "frames"), message.get("model")
        phrases, alternatives = message.get("phrases"), message.get("alternatives", 3)
        if input not in INPUTS:
            raise ApiError(400, f"input is {str(input)[:40]!r}: give one of {', '.join(INPUTS)}", "input")
        if model is not None and not isinstance(model, str):
            raise ApiError(400, "model is no text: give a name of /v1/models, or null", "model")
        if phrases is not None and not (isinstance(phrases, list) and all(isinstance(each, str) for each in phrases)):
            raise ApiError(400, "phrases is no list of texts: give one, or null", "phrases")
        if not isinstance(alternatives, int) or isinstance(alternatives, bool) or not 0 <= alternatives <= 20:
            raise ApiError(400, "alternatives is no whole number from 0 to 20: give one", "alternatives")
        return cls(input, model or None, "\n".join(phrases) if phrases else None, alternatives)


def parse_message(text: str) -> dict[str, Any]:
    """A text message.

    Raises:
        ApiError: It is no JSON object, or too long.
    """
    try:
        message = json.loads(text) if len(text) <= MAX_TEXT else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise ApiError(400, f"a text message is no JSON object of at most {MAX_TEXT / 1000:g} kB: send one")
    return message


def segment_message(segment: Segment, number: int) -> dict[str, Any]:
    """A segment with its words."""
    return {**to_segment(segment, number), "words": [to_word(word) for word in segment.words]}


def done_message(transcript: Transcript) -> dict[str, Any]:
    """The last message."""
    return {"type": "done", "transcript": to_verbose(transcript, words=True)}
