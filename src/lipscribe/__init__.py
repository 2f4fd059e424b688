"""Lipscribe reads the words from a video of a person speaking, by the picture alone.

    import lipscribe

    result = lipscribe.transcribe("clip.mpg")
    print(result.text, result.words[0].start, result.words[0].probability)

The stations on the way are public too; `lipscribe.pipeline` shows how they follow each other.
"""

from importlib import import_module
from typing import Any

from lipscribe.errors import LipscribeError

__version__ = "0.1.0"

# Public name -> the module it lives in. They are imported when first used, so that `import lipscribe` costs nothing.
_HOMES = {
    "Video": "lipscribe.video",
    "track_faces": "lipscribe.faces",
    "choose_faces": "lipscribe.faces",
    "crop_mouth": "lipscribe.mouth",
    "load_model": "lipscribe.pipeline",
    "Model": "lipscribe.model",
    "SearchOptions": "lipscribe.search",
    "to_transcript": "lipscribe.pipeline",
    "transcribe": "lipscribe.pipeline",
    "Transcript": "lipscribe.transcript",
    "write_transcript": "lipscribe.transcript",
    "inspect_video": "lipscribe.inspection",
}

__all__ = ["LipscribeError", "__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lipscribe' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
