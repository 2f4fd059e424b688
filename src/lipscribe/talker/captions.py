"""What a talker says, as a transcript: its captions."""

from collections.abc import Sequence
from dataclasses import replace

from lipscribe.data.manifest import WordTime
from lipscribe.transcript import Segment, Transcript, Word
from lipscribe.units import Seconds

PHRASE_GAP: Seconds = 0.1  # silence between words that begins a new caption


def to_captions(words: Sequence[WordTime], source: str | None = None, duration: Seconds | None = None) -> Transcript:
    """The words of a clip as a transcript, a segment for each stretch without a pause; every word is certain."""
    phrases: list[list[Word]] = []
    for word in words:
        if not phrases or word.start - phrases[-1][-1].end > PHRASE_GAP:
            phrases.append([])
        phrases[-1].append(Word(word.text, word.start, word.end, 1.0))
    segments = tuple(
        Segment(" ".join(word.text for word in phrase), phrase[0].start, phrase[-1].end, tuple(phrase))
        for phrase in phrases
    )
    return Transcript(segments, source=source, model="talker", duration=duration)


def captions_together(parts: Sequence[Transcript]) -> Transcript:
    """The captions of several people in one picture, from left to right; each segment says whose it is."""
    segments = [
        replace(segment, speaker=f"face {number}") for number, part in enumerate(parts) for segment in part.segments
    ]
    duration = max((part.duration or 0.0 for part in parts), default=None)
    return Transcript(tuple(sorted(segments, key=lambda segment: segment.start)), duration=duration, model="talker")
