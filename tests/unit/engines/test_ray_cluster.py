"""A cluster that cannot be reached or has other versions: one line with the remedy."""

import socket
import sys

import pytest

from lipscribe.engines import ray_cluster
from lipscribe.engines.ray_cluster import ClusterError, check_versions, ray_engine
from lipscribe.extras import missing_extra

HERE = {"lipscribe": "1.0", "python": "3.12.1", "ray": "2.60.0"}


def test_equal_versions_pass():
    check_versions({"a": HERE, "b": dict(HERE)}, HERE)


@pytest.mark.parametrize(("package", "there"), [("lipscribe", "0.9"), ("python", "3.11.7"), ("ray", "2.50.0")])
def test_other_versions_on_a_worker_are_named(package, there):
    says = f"node7 has {package} {there}, this machine {HERE[package]}: install"
    with pytest.raises(ClusterError, match=says) as caught:
        check_versions({"node1": HERE, "node7": {**HERE, package: there}}, HERE)
    assert "pip install lipscribe==1.0 ray==2.60.0` under Python 3.12.1" in str(caught.value)


def test_a_worker_without_lipscribe():
    with pytest.raises(ClusterError, match=r"node1 has lipscribe no, this machine 1\.0"):
        check_versions({"node1": {**HERE, "lipscribe": "no"}}, HERE)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    "form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "auto", "http://127.0.0.1:{}", "no-such-host:1{}"]
)
def test_a_cluster_that_is_out_of_reach(form, closed_port, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_cluster, "_current_cluster", lambda: f"127.0.0.1:{closed_port}")
    address = form.format(closed_port)
    says = f"the Ray cluster at {address} cannot be reached .*`ray start --head`"
    with pytest.raises(ClusterError, match=says) as caught, ray_engine(address):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            RuntimeError("Version mismatch: The cluster has:\n    Ray: 2.1\n"),
            r"has other versions \(.*Ray: 2.1",
        ),
        (ConnectionError("no\nanswer"), r"cannot be reached \(no answer\)"),
    ],
)
def test_what_ray_refuses(error, says, monkeypatch):
    ray = pytest.importorskip("ray")

    def refuse(*_, **__) -> None:
        raise error

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray_cluster, "_check_address", lambda address: None)
    with pytest.raises(ClusterError, match=says), ray_engine("somewhere:1"):
        pass


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError) as caught, ray_engine():
        pass
    assert "pip install 'lipscribe[ray]'" in str(missing_extra(caught.value))
