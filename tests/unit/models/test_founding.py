"""The founding program, proved with an independent framework."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from lipscribe.models.founding import build_conv_lstm

# Keras takes its backend from the environment of a fresh process, and its own warnings are none of ours.
KERAS_PROGRAM = """
import sys, json
import numpy as np, keras
from keras import layers
case = json.load(sys.stdin)
frames = np.array(case["frames"], np.float32)
kernel, bias, lstm = (case["weights"][name] for name in ("kernel", "bias", "lstm"))
conv, cells = layers.Conv2D(5, 3), layers.LSTM(9, return_sequences=True)

inputs = keras.Input((7, 10, 10, 3))
by_layer = keras.Model(inputs, cells(layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(conv)(inputs))))
conv.set_weights([np.array(kernel), np.array(bias)])
cells.set_weights([np.array(weights) for weights in lstm])

maps = conv(frames.reshape(14, 10, 10, 3))
by_hand = cells(keras.ops.reshape(maps, (2, 7, -1)))
assert keras.backend.backend() == "torch"
json.dump([keras.ops.convert_to_numpy(maps).tolist() for maps in (by_layer(frames), by_hand)], sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("keras") is None, reason="needs Keras, the oracle: pip install keras")
def test_equals_keras_both_with_time_distributed_and_folded_by_hand():
    torch.manual_seed(0)
    net, frames = build_conv_lstm(), torch.rand(2, 7, 10, 10, 3)
    weights = {name: tensor.detach() for name, tensor in net.state_dict().items()}
    case = {
        "frames": frames.tolist(),
        "weights": {
            "kernel": weights["conv.weight"].permute(2, 3, 1, 0).tolist(),  # (out, in, h, w) -> (h, w, in, out)
            "bias": weights["conv.bias"].tolist(),
            "lstm": [
                weights["lstm.weight_ih_l0"].T.tolist(),  # gates in the same order: input, forget, cell, output
                weights["lstm.weight_hh_l0"].T.tolist(),
                (weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]).tolist(),  # Keras has one bias
            ],
        },
    }
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    keras = subprocess.run(
        [sys.executable, "-c", KERAS_PROGRAM], input=json.dumps(case), capture_output=True, text=True, env=environment
    )
    assert keras.returncode == 0, keras.stderr
    ours = net(frames).detach().numpy()
    assert ours.shape == (2, 7, 9)
    for theirs in json.loads(keras.stdout):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_every_frame_goes_through_the_same_convolution():
    net = build_conv_lstm()
    still = torch.rand(1, 1, 10, 10, 3).expand(1, 4, 10, 10, 3)
    seen = []
    net.conv.register_forward_hook(lambda module, args, maps: seen.append(maps))
    net(still)
    assert seen[0].shape == (4, 5, 8, 8)
    assert torch.allclose(seen[0], seen[0][:1].expand_as(seen[0]))


def test_sizes_are_arguments():
    net = build_conv_lstm(height=6, width=8, channels=1, filters=2, units=4)
    assert net(torch.rand(3, 1, 6, 8, 1)).shape == (3, 1, 4)
