"""Speech recognisers, which tell what is said where there are no subtitles.

A recogniser is any function that takes sound, (N,) float32 in one channel from -1 to 1, and its rate in Hz, and yields
start, end (seconds) and text of what is said. It is named as `module:function`; "faster-whisper" is built in.
"""

import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.extras import missing_extra
from lipscribe.footage.analysis import Recogniser
from lipscribe.units import Seconds

WHISPER = "faster-whisper"
WHISPER_MODEL = "small"


def load_recogniser(name: str) -> Recogniser:
    """The recogniser of a name.

    Args:
        name: "faster-whisper", "faster-whisper:MODEL" with a size or folder that it knows, or "module:function", found
            in the current folder too.

    Raises:
        ConfigError: There is no such function.
        MissingExtraError: faster-whisper is not installed.
    """
    module, _, function = name.partition(":")
    if module == WHISPER:
        return _whisper(function or WHISPER_MODEL)
    if not module or not function:
        raise ConfigError(f"recogniser {name!r} is unknown: want {WHISPER}, or module:function as in my_asr:read")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        found: Any = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"recogniser {name!r} cannot be imported ({error}): want module:function") from None
    finally:
        sys.path.remove(folder)
    if not callable(found):
        raise ConfigError(f"recogniser {name!r} is no function: want one that takes samples and their rate in Hz")
    return cast(Recogniser, found)


def _whisper(size: str) -> Recogniser:
    try:
        whisper: Any = importlib.import_module("faster_whisper")
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from None
    return functools.partial(_by_whisper, whisper.WhisperModel(size, cpu_threads=1))


def _by_whisper(model: Any, samples: np.ndarray, rate: int) -> Iterator[tuple[Seconds, Seconds, str]]:
    """What faster-whisper reads; it takes 16 kHz, which is what `rate` is."""
    segments, _ = model.transcribe(samples, word_timestamps=True, vad_filter=True)
    for segment in segments:
        words = segment.words or [segment]
        yield words[0].start, words[-1].end, segment.text
