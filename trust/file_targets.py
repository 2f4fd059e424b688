"""All kinds of files that are fuzzed but videos."""

from trust.model_targets import MODELS
from trust.state_targets import STATES
from trust.target import Target
from trust.text_targets import TEXTS

__all__ = ["TARGETS", "Target"]
TARGETS = [*TEXTS, *MODELS, *STATES]
