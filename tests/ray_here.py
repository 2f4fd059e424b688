"""A Ray cluster on this machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def running_ray() -> Iterator[object]:
    """The engine of a cluster with two processors, whose workers find what tests define."""
    pytest.importorskip("ray")
    from lipscribe.engines.ray_cluster import ray_engine

    with ray_engine(None, 2) as engine:
        yield engine
