"""What was found in a video -> a verdict: the file here, the mouth in `mouth/quality.py`."""

from collections.abc import Iterator
from typing import Literal

from lipscribe.mouth.quality import Finding

Verdict = Literal["good", "doubtful", "bad"]

# 20 fps and more (8 %), 18 (11 %), 16 (12 %), 10 (19 %), 8 (24 %).
FPS_BAD = 18.0


def judge_source(
    fps: float, model_fps: float, warnings: list[str], rate_warning: str | None = None
) -> Iterator[Finding]:
    """Findings about the file itself.

    Args:
        fps: The source's rate.
        model_fps: The rate that the model reads.
        warnings: What `Video` had to say, a line each.
        rate_warning: That of them which is about a rate below the model's; a finding here says it more clearly.
    """
    if fps < min(FPS_BAD, model_fps):
        text = f"{fps:.4g} fps: far under the model's {model_fps:g}; words will be lost; film at {model_fps:g} or more"
        yield Finding("fps", "bad", text, fps, model_fps)
        warnings = [warning for warning in warnings if warning != rate_warning]
    for text in warnings:
        yield Finding("file", "doubtful", text)


def overall(findings: list[Finding]) -> Verdict:
    """The worst of the findings."""
    severities = {finding.severity for finding in findings}
    return "bad" if "bad" in severities else "doubtful" if "doubtful" in severities else "good"
