"""What can go wrong, by kind. Every message gives the value got, the value wanted and the remedy."""


class LipscribeError(Exception):
    """Base of every error that Lipscribe raises on purpose: one clear line, meant for the user."""


class VideoError(LipscribeError):
    """The file is missing, is no video, or holds no picture that can be decoded."""


class NoFaceError(LipscribeError):
    """No face was found, or the face that was asked for is not there."""


class ManifestError(LipscribeError):
    """A manifest, a corpus folder or a shard is not what it should be."""


class CheckpointError(LipscribeError):
    """A model is unknown, damaged, or made for something else."""


class ConfigError(LipscribeError):
    """A setting is unknown, of the wrong type or out of range; all faults are listed at once."""


class MissingExtraError(LipscribeError):
    """An optional dependency is absent; the message is the command that installs it."""
