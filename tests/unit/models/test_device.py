"""Where networks compute."""

import pytest
import torch

from lipscribe.errors import ConfigError
from lipscribe.models.device import pick_device


@pytest.mark.parametrize(
    ("there", "picked"),
    [({"cuda", "mps"}, "cuda"), ({"mps"}, "mps"), (set(), "cpu")],
    ids=["cuda before mps", "mps before cpu", "cpu"],
)
def test_auto_takes_the_first_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch, there: set[str], picked: str):
    class Made:
        def __init__(self, _: int, device: str):
            self.device = torch.device(device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    monkeypatch.setattr(torch, "zeros", Made)
    assert pick_device("auto") == torch.device(picked)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"device 'xpu7' is unavailable \(.+\): give cpu, cuda or mps"):
        pick_device("xpu7")
    with pytest.raises(ConfigError, match=r"device 'gpu' is unavailable \(torch has no device of this name\)"):
        pick_device("gpu")


def test_cpu_is_always_there():
    assert pick_device("cpu") == torch.device("cpu")
