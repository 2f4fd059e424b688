"""Words that look the same on the lips: "pat", "bat" and "mat"."""

import functools
from dataclasses import replace

from lipscribe.errors import ConfigError
from lipscribe.talker.phonemes import pronounce
from lipscribe.talker.visemes import DIPHTHONGS, VISEME_OF
from lipscribe.transcript import Alternative, Transcript, Word


@functools.lru_cache(maxsize=10_000)
def visemes_of(text: str) -> tuple[str, ...]:
    """The visual classes of a word or phrase, one after the other, by its first pronunciation.

    Raises:
        ConfigError: It cannot be pronounced as English.
    """
    phonemes = [phoneme.rstrip("012") for word in pronounce(text) for phoneme in word.phonemes]
    return tuple(viseme for name in phonemes for viseme in DIPHTHONGS.get(name) or (VISEME_OF[name],))


def are_homophenes(left: str, right: str) -> bool | None:
    """Whether two texts look the same on the lips; None where one cannot be pronounced as English."""
    try:
        return visemes_of(left) == visemes_of(right)
    except ConfigError:
        return None


def mark_homophenes(transcript: Transcript) -> Transcript:
    """The transcript, each alternative of a word marked whether it looks like the word."""

    def marked(text: str, alternative: Alternative) -> Alternative:
        return replace(alternative, homophene=are_homophenes(text, alternative.text))

    def with_marks(word: Word) -> Word:
        return replace(word, alternatives=tuple(marked(word.text, each) for each in word.alternatives))

    segments = (
        replace(segment, words=tuple(with_marks(word) for word in segment.words)) for segment in transcript.segments
    )
    return replace(transcript, segments=tuple(segments))
