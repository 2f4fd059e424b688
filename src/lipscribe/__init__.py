"""Lipscribe reads the words from a video of a person speaking, by the picture alone.

    import lipscribe

    result = lipscribe.transcribe("clip.mpg")
    print(result.text, result.words[0].start, result.words[0].probability)

The stages are public too; `lipscribe.pipeline` shows their order.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lipscribe.errors import LipscribeError

if TYPE_CHECKING:
    from lipscribe.adaptation.adapt import adapt
    from lipscribe.adaptation.result import Adaptation
    from lipscribe.batch import transcribe_all
    from lipscribe.encoded import Encoded
    from lipscribe.faces import choose_faces, track_faces
    from lipscribe.inspection import inspect_video
    from lipscribe.model import Model
    from lipscribe.mouth import crop_mouth
    from lipscribe.pipeline import load_model, to_transcript, transcribe
    from lipscribe.search import SearchOptions
    from lipscribe.streaming import Stream
    from lipscribe.transcript import Transcript, write_transcript
    from lipscribe.video import Video

__version__ = "0.1.0"

__all__ = [
    "Adaptation",
    "Encoded",
    "LipscribeError",
    "Model",
    "SearchOptions",
    "Stream",
    "Transcript",
    "Video",
    "__version__",
    "adapt",
    "choose_faces",
    "crop_mouth",
    "inspect_video",
    "load_model",
    "to_transcript",
    "track_faces",
    "transcribe",
    "transcribe_all",
    "write_transcript",
]

# Public name -> its module. Names are imported on first use, so `import lipscribe` is fast.
_HOMES = {
    "Adaptation": "adaptation.result",
    "Encoded": "encoded",
    "Model": "model",
    "SearchOptions": "search",
    "Stream": "streaming",
    "Transcript": "transcript",
    "Video": "video",
    "adapt": "adaptation.adapt",
    "choose_faces": "faces",
    "crop_mouth": "mouth",
    "inspect_video": "inspection",
    "load_model": "pipeline",
    "to_transcript": "pipeline",
    "track_faces": "faces",
    "transcribe": "pipeline",
    "transcribe_all": "batch",
    "write_transcript": "transcript",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lipscribe' has no attribute {name!r}")
    value = getattr(import_module(f"lipscribe.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
