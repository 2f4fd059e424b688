"""Exceptions. Every message gives the value got, the value wanted and the remedy."""

import errno

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # of a disk, and of a user's share of it
MAX_MESSAGE = 4000  # characters of a message
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}


class LipscribeError(Exception):
    """Base class of all errors that a caller can cause; the message is one line for the user.

    It stays one line whatever it quotes of a file: line ends become spaces, characters that control a terminal are
    written as `\\x1b`, and of more than `MAX_MESSAGE` characters the beginning and the end are left.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > MAX_MESSAGE:
            text = f"{text[: MAX_MESSAGE - 1000]} ... {text[-900:]}"
        return text if text.isprintable() else " ".join(text.splitlines()).translate(_CONTROLS)


class VideoError(LipscribeError):
    """The file is missing, is not a video, or has no decodable picture."""


class NoFaceError(LipscribeError):
    """No face was found, or not the requested one."""


class ManifestError(LipscribeError):
    """A manifest, a corpus folder or a shard is invalid."""


class CheckpointError(LipscribeError):
    """A model is unknown, damaged or incompatible."""


class ConfigError(LipscribeError):
    """A setting is unknown, of the wrong type or out of range; all faults are listed at once."""


class MissingExtraError(LipscribeError):
    """An optional dependency is missing; the message gives the command that installs it."""
