"""The quick linear layer is a linear layer."""

import copy

import pytest
import torch
from torch.nn import functional as F

from lipscribe.models import packed
from lipscribe.models.packed import ROWS, FrameLinear, Linear, Pointwise


@pytest.mark.parametrize("shape", [(5,), (0, 5), (1, 5), (1, 3, 5), (2, ROWS, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_in_inference_it_gives_the_same(shape, bias: bool):
    layer, x = Linear(5, 7, bias), torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


def test_layers_for_frames_give_the_same_and_keep_no_copy():
    layer, pointwise, x = FrameLinear(5, 7), Pointwise(5, 7), torch.randn(2, 3, 5)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))
        torch.testing.assert_close(pointwise(x), F.linear(x, pointwise.weight[:, :, 0], pointwise.bias))
    assert layer not in packed._PACKED
    assert pointwise(x).requires_grad


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
    assert layer not in packed._PACKED
    monkeypatch.setattr(packed, "_ABLE", False)
    with torch.inference_mode():
        layer(x)
        assert layer not in packed._PACKED
        assert layer.double()(x.double()).dtype == torch.float64
