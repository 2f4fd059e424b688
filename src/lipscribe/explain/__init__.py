"""Where in the face and when a model looked for each word: saliency (see `saliency.py`), alignment, pictures of both.

`write_explanation` reads the video once more, for its own.
"""

from lipscribe.explain.explain import HALF, MAX_SECONDS, explain_video
from lipscribe.explain.explanation import ExplainedStretch, ExplainedWord, Explanation
from lipscribe.explain.write import write_explanation

__all__ = [
    "HALF",
    "MAX_SECONDS",
    "ExplainedStretch",
    "ExplainedWord",
    "Explanation",
    "explain_video",
    "write_explanation",
]
