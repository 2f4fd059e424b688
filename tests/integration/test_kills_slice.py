"""A slice of `make kills`: the cheapest tasks, killed for real."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs lipscribe[train]")
if not Path("/proc/self/stat").exists():
    pytest.skip("needs Linux, to see that a whole group is dead", allow_module_level=True)

from trust.kills import kill_all, table


@pytest.mark.slow
def test_nothing_is_lost():
    tallies = kill_all(["prepare", "label", "align"], 2, None, seed=1, say=lambda line: print(line, file=sys.stderr))
    assert {name: tally.losses for name, tally in tallies.items()} == {"prepare": [], "label": [], "align": []}
    assert all(tally.kills >= 2 for tally in tallies.values())
    assert "| label | 2 |" in table(tallies) or "| label | 3 |" in table(tallies)
