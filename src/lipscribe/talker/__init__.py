"""A synthetic talker: an English sentence -> a video of a face saying it, with the times of words and phonemes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipscribe.talker.person import Person
    from lipscribe.talker.scene import Scene
    from lipscribe.talker.talker import Talker, TalkingClip, together

__all__ = ["Person", "Scene", "Talker", "TalkingClip", "together"]

# Loaded when used: sounds and their times need no picture, and the command line's help needs neither.
_HOMES = {"Person": "person", "Scene": "scene", "Talker": "talker", "TalkingClip": "talker", "together": "talker"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
