"""A convolution with its norm and activation in one operation is the three, one after the other."""

import copy

import pytest
import torch
from torch import nn

from lipscribe.models import fused, packed
from lipscribe.models.fused import convolve


@pytest.fixture
def layers() -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(8).eval()
    for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
        tensor.normal_()
    norm.running_var.uniform_(0.5, 2)
    return nn.Conv2d(5, 8, 3, stride=2, padding=1, bias=False), norm


def plainly(maps, conv, norm, activation=None, onto=None):
    out = norm(conv(maps)) + (0 if onto is None else onto)
    return out if activation is None else activation(out)


@pytest.mark.parametrize("activation", [None, nn.SiLU(), nn.ReLU(), nn.PReLU(8), nn.SiLU(inplace=True)])
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_in_inference_it_gives_the_same(layers, activation, added: bool, layout):
    maps = torch.randn(3, 5, 9, 11).to(memory_format=layout)
    with torch.inference_mode():
        onto = torch.randn(3, 8, 5, 6).to(memory_format=layout) if added else None
        wanted = plainly(maps, *layers, activation, onto)
        given = maps.clone()
        torch.testing.assert_close(convolve(given, *layers, activation, onto), wanted, rtol=1e-5, atol=1e-5)
        assert torch.equal(given, maps)


def test_a_changed_layer_is_noticed(layers):
    conv, norm = layers
    maps = torch.randn(2, 5, 8, 8)
    with torch.inference_mode():
        convolve(maps, conv, norm)
    twins = copy.deepcopy((conv, norm))
    for change in (lambda: conv.weight.mul_(2), lambda: norm.running_var.mul_(3), lambda: norm.bias.add_(1)):
        with torch.no_grad():
            change()
        with torch.inference_mode():
            for each in (layers, twins):
                torch.testing.assert_close(convolve(maps, *each), plainly(maps, *each), rtol=1e-5, atol=1e-5)


def test_where_it_learns_or_without_onednn_it_is_torchs(layers, monkeypatch):
    conv, norm = layers
    maps = torch.randn(2, 5, 8, 8)
    convolve(maps, conv, norm, nn.ReLU()).sum().backward()
    assert conv.weight.grad is not None
    with torch.inference_mode():
        before = norm.running_mean.clone()
        convolve(maps, conv, norm.train())
        assert not torch.equal(norm.running_mean, before)
        norm.eval()
        with torch.autocast("cpu", torch.bfloat16):
            assert convolve(maps, conv, norm).dtype == torch.bfloat16
        exact = copy.deepcopy(layers)
        assert convolve(maps.double(), *(layer.double() for layer in exact)).dtype == torch.float64
        monkeypatch.setattr(packed, "_ABLE", False)
        convolve(maps, conv, norm)
    assert conv not in fused._FOLDED
