"""Transcripts in the shapes of OpenAI's API, with what we know beyond it as further fields."""

import math
import zlib
from typing import Any

from lipscribe.transcript import Segment, Transcript, Word, format_srt, format_vtt

TEXTS = {"srt": ("application/x-subrip", format_srt), "vtt": ("text/vtt", format_vtt)}
FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")


def to_json(transcript: Transcript) -> dict[str, Any]:
    """Format json."""
    return {"text": transcript.text, "usage": _usage(transcript)}


def to_verbose(transcript: Transcript, words: bool, segments: bool = True) -> dict[str, Any]:
    """Format verbose_json.

    Args:
        words, segments: What `timestamp_granularities` asks for.
    """
    verbose: dict[str, Any] = {
        "task": "transcribe",
        "language": "english",
        "duration": transcript.duration or 0.0,
        "text": transcript.text,
        "model": transcript.model,
        "warnings": list(transcript.warnings),
        "face_coverage": transcript.face_coverage,
        "usage": _usage(transcript),
    }
    if segments:
        verbose["segments"] = [to_segment(segment, number) for number, segment in enumerate(transcript.segments)]
    if words:
        verbose["words"] = [to_word(word) for word in transcript.words]
    if transcript.nbest:
        verbose["nbest"] = Transcript(nbest=transcript.nbest).to_dict()["nbest"]
    return verbose


def to_diarized(transcript: Transcript) -> dict[str, Any]:
    """Format diarized_json: a speaker is a face."""
    return {
        "task": "transcribe",
        "duration": transcript.duration or 0.0,
        "text": transcript.text,
        "segments": [to_turn(segment, number) for number, segment in enumerate(transcript.segments)],
        "warnings": list(transcript.warnings),
        "usage": _usage(transcript),
    }


def to_turn(segment: Segment, number: int) -> dict[str, Any]:
    """A segment of diarized_json, which is an event of a stream too."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "speaker": segment.speaker or "face 0",
    }


def to_segment(segment: Segment, number: int) -> dict[str, Any]:
    """A segment of verbose_json.

    What Whisper has and a lip reader has not is empty or 0: tokens, temperature, no_speech_prob, seek.
    """
    probabilities = [max(word.probability, 1e-6) for word in segment.words]
    packed = zlib.compress(segment.text.encode())
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(map(math.log, probabilities)) / len(probabilities) if probabilities else 0.0,
        "compression_ratio": len(segment.text.encode()) / len(packed),
        "no_speech_prob": 0.0,
        "familiarity": segment.familiarity,
        "speaker": segment.speaker,
    }


def to_word(word: Word) -> dict[str, Any]:
    """A word, with its probability and alternatives."""
    alternatives = [{"word": other.text, "probability": other.probability} for other in word.alternatives]
    return {
        "word": word.text,
        "start": word.start,
        "end": word.end,
        "probability": word.probability,
        "alternatives": alternatives,
    }


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.duration or 0)}
