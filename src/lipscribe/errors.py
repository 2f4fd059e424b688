"""Exceptions. Every message gives the value got, the value wanted and the remedy."""


class LipscribeError(Exception):
    """Base class of all errors that a caller can cause; the message is one line for the user."""


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
