from itertools import pairwise

import numpy as np
import pytest

from lipscribe.search import arcs as module
from lipscribe.search.arcs import Arcs


@pytest.mark.parametrize("add", [np.maximum, np.logaddexp])
@pytest.mark.parametrize("most", [2, 9])
def test_columns_are_what_each_state_collects(add, most, monkeypatch):
    rng = np.random.default_rng(most)
    degrees = rng.integers(1, most + 1, size=40)
    sources, into = rng.integers(0, 40, size=degrees.sum()), np.concatenate([[0], np.cumsum(degrees)])
    mass = np.where(rng.random(40) < 0.3, -np.inf, 300 * rng.normal(size=40))
    wanted = [add.reduce(mass[sources[start:stop]]) for start, stop in pairwise(into)]
    for large in (0, 10_000):
        monkeypatch.setattr(module, "LARGE", large)
        out = np.empty(40)
        Arcs(sources, into, add).collect(mass, out)
        np.testing.assert_allclose(out, wanted)
    assert -np.inf in out
