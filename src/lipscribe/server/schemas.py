"""What OpenAPI says of forms and errors, which are read by hand (`uploads`, `transcriptions`)."""

from typing import Any

_TEXT = {"type": "string"}
_FIELDS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "format": "binary", "description": "The video, in any format that FFmpeg reads."},
    "model": {**_TEXT, "description": "One of /v1/models."},
    "response_format": {
        **_TEXT,
        "enum": ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"],
        "default": "json",
    },
    "timestamp_granularities[]": {
        "type": "array",
        "items": {**_TEXT, "enum": ["word", "segment"]},
        "description": "For verbose_json.",
    },
    "stream": {"type": "boolean", "default": False, "description": "Answer with server-sent events."},
    "face": {**_TEXT, "description": "Whom to read: moving, largest, all, or a face's number."},
    "stream_index": {"type": "integer", "minimum": 0, "maximum": 999, "description": "Number of the video stream."},
    "nbest": {"type": "integer", "minimum": 1, "maximum": 50, "description": "Other readings of the whole."},
    "alternatives": {"type": "integer", "minimum": 0, "maximum": 20, "description": "Other readings of each word."},
    "phrases": {**_TEXT, "description": "The result is one of these or nothing: a JSON list, or a phrase a line."},
    "grammar": {**_TEXT, "description": "Restricts the search to a grammar's sentences: the text of a grammar file."},
    "initials": {**_TEXT, "description": "The first letter of each word, such as p r a; ? for an unknown one."},
    "language": {**_TEXT, "description": "Changes nothing."},
    "prompt": {**_TEXT, "description": "Changes nothing."},
    "temperature": {"type": "number", "description": "Changes nothing."},
    "include": {"type": "array", "items": _TEXT, "description": "Changes nothing."},
    "chunking_strategy": {**_TEXT, "description": "Changes nothing."},
    "known_speaker_names": {"type": "array", "items": _TEXT, "description": "Changes nothing."},
    "known_speaker_references": {"type": "array", "items": _TEXT, "description": "Changes nothing."},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "One sentence: what is wrong, and the remedy.",
        "content": {"application/json": {"schema": _ERROR}},
    }
}
"""For `responses` of a route."""


def form(*fields: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form with a file and these fields."""
    names = ["timestamp_granularities[]" if name == "timestamp_granularities" else name for name in fields]
    schema = {
        "type": "object",
        "required": ["file"],
        "properties": {name: _FIELDS[name] for name in ("file", *names)},
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
