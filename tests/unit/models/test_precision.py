"""Less exact layers say nearly the same, each row by itself."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lipscribe.errors import ConfigError
from lipscribe.models.onednn import Linear, release
from lipscribe.models.precision import BFloat16Linear, Int8Linear, set_precision
from lipscribe.models.transformer_decoder import TransformerDecoder

CLASSES = {"bfloat16": BFloat16Linear, "int8": Int8Linear}
STEP = {"bfloat16": 2**-8, "int8": 1 / 127}  # of the greatest number
INNER = (".query", ".key", ".value", ".out", ".up", ".down")  # linear layers of a block
LOWER = pytest.mark.parametrize("precision", CLASSES)


@LOWER
@pytest.mark.parametrize("shape", [(0, 48), (48,), (1, 48), (2, 3, 48), (2, 70, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_says_nearly_the_same(precision, shape, bias: bool):
    torch.manual_seed(0)
    layer, x = nn.Linear(48, 20, bias), torch.randn(shape)
    with torch.inference_mode():
        exact = layer(x)
        near = CLASSES[precision](layer.weight.detach(), layer.bias.detach() if bias else None)(x)
    assert near.dtype == torch.float32
    torch.testing.assert_close(near, exact, atol=3 * STEP[precision], rtol=0)


def test_a_row_depends_on_no_other():
    layer = Int8Linear(torch.randn(7, 5), torch.randn(7))
    rows = torch.randn(3, 5) * torch.tensor([[1.0], [100.0], [0.0]])
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), torch.cat([layer(row[None]) for row in rows]))
        torch.testing.assert_close(layer(rows)[2], layer.bias.detach())


@LOWER
def test_a_decoder_keeps_its_last_layer_and_its_expectations(precision):
    torch.manual_seed(0)
    decoder = TransformerDecoder(12, 9, 16, heads=2, ff=24, layers=2, dropout=0.0).eval()
    states, lengths, targets = torch.randn(1, 6, 12), torch.tensor([6]), torch.tensor([[3, 1, 4]])
    lower = set_precision(copy.deepcopy(decoder), precision)
    again = set_precision(lower, precision)
    kinds = {name: type(layer) for name, layer in again.named_modules() if name.endswith(INNER)}
    assert set(kinds.values()) == {CLASSES[precision]}
    assert type(again.project) is Linear
    with torch.inference_mode():
        exact, near = (each(states, lengths, targets) for each in (decoder, lower))
        torch.testing.assert_close(near, exact, atol=0.05, rtol=0)
        assert not torch.equal(near, exact)
        memory = lower.remember(states, lengths)  # token by token, as a search asks
        said, state = [], lower.start(memory)
        for token in (lower.end, 3, 1, 4):
            log_probs, state = lower.step(torch.tensor([token]), state, memory)
            said.append(log_probs)
    torch.testing.assert_close(torch.cat(said)[None], near, atol=0.02, rtol=0)


def test_what_is_unavailable():
    with pytest.raises(ConfigError, match="precision is 'half', want one of float32, bfloat16, int8"):
        set_precision(nn.Linear(2, 2), "half")
    with pytest.raises(ConfigError, match="precision int8 is unavailable on meta: want bfloat16, or int8 with dev"):
        set_precision(nn.Linear(2, 2, device="meta"), "int8")


def test_released_weights_are_as_they_were(tmp_path):
    numbers = np.random.default_rng(0).normal(size=50_000)
    numbers.tofile(tmp_path / "weights")
    in_file = torch.from_file(str(tmp_path / "weights"), size=50_000, dtype=torch.float64)
    own = torch.from_numpy(numbers.copy())
    changed = in_file[::1]
    changed[7] = 3.0  # not written to the file
    for tensor in (in_file, own, own[:3], torch.empty(0)):
        release(tensor)
    numbers[7] = own[7] = 3.0
    np.testing.assert_array_equal(in_file.numpy(), numbers)
    np.testing.assert_array_equal(own.numpy(), numbers)
