"""Property tests: the same examples each time, no time limits, no files. `from properties import examples`."""

from typing import Any

import pytest

hypothesis = pytest.importorskip("hypothesis")


def examples(number: int) -> Any:
    """Settings of a test with so many examples."""
    return hypothesis.settings(
        max_examples=number,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
