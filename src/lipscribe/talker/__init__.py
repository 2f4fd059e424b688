"""A synthetic talker: an English sentence -> a video of a face saying it, with the times of words and phonemes."""

from importlib import import_module

_HOMES = {
    "Person": "lipscribe.talker.person",
    "Scene": "lipscribe.talker.scene",
    **dict.fromkeys(("Talker", "TalkingClip", "together"), "lipscribe.talker.talker"),
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    # Loaded when used: sounds and their times need no picture, and the command line's help needs neither.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
