"""The quick layers are the plain ones: linear layers, and a convolution with its norm and activation at once."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lipscribe.models import onednn
from lipscribe.models.onednn import ROWS, FrameLinear, Linear, convolve, has_onednn


@pytest.mark.parametrize("shape", [(5,), (0, 5), (1, 5), (1, 3, 5), (2, ROWS, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_in_inference_a_linear_layer_gives_the_same(shape, bias: bool):
    layer, x = Linear(5, 7, bias), torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


def test_layers_for_frames_give_the_same_and_keep_no_copy():
    layer, x = FrameLinear(5, 7), torch.randn(2, 3, 5)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))
    assert layer not in onednn._KEPT
    assert layer(x).requires_grad


def test_a_changed_weight_is_noticed():
    layer, x = Linear(5, 7), torch.randn(3, 5)
    with torch.inference_mode():
        layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    twin = copy.deepcopy(layer)
    layer.load_state_dict({name: 3 * tensor for name, tensor in twin.state_dict().items()})
    with torch.inference_mode():
        for each in (layer, twin):
            torch.testing.assert_close(each(x), F.linear(x, each.weight, each.bias))


def test_without_onednn_or_in_training_it_is_torchs(monkeypatch):
    layer, x = Linear(5, 7), torch.randn(3, 5)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert layer not in onednn._KEPT
    monkeypatch.setattr(onednn, "has_onednn", lambda: False)
    with torch.inference_mode():
        layer(x)
        assert layer not in onednn._KEPT
        assert layer.double()(x.double()).dtype == torch.float64


@pytest.mark.parametrize("fault", [AttributeError("no such operation"), RuntimeError("other arguments wanted")])
@pytest.mark.parametrize("operation", ["_linear", "_convolution", "_convolution_onto", "_reordered_convolution"])
def test_a_build_of_torch_that_lacks_an_operation_or_wants_it_called_otherwise_is_noticed(
    monkeypatch: pytest.MonkeyPatch, operation: str, fault: Exception
):
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(onednn, operation, fail)
    assert not has_onednn.__wrapped__()
    monkeypatch.undo()
    assert has_onednn.__wrapped__() == has_onednn()


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
def test_in_inference_a_convolution_gives_the_same(layers, activation, added: bool, layout):
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


def test_where_a_convolution_learns_or_without_onednn_it_is_torchs(layers, monkeypatch):
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
        monkeypatch.setattr(onednn, "has_onednn", lambda: False)
        convolve(maps, conv, norm)
    assert conv not in onednn._KEPT
