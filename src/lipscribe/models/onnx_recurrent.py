"""LSTM and GRU as ONNX has them, for exporting: torch's exporter unrolls them into loops."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 18
# Torch's gates are input, forget, cell, output, and reset, update, new; ONNX's order of them:
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


class OnnxRecurrent(nn.Module):
    """Computes an `nn.LSTM` or `nn.GRU` by ONNX's operation; can be exported, not run.

    Args:
        rnn: With `batch_first`, in eval mode; its parameters are shared, by the same names.
    """

    def __init__(self, rnn: nn.LSTM | nn.GRU):
        super().__init__()
        for name, parameter in rnn.named_parameters():
            self.register_parameter(name, parameter)
        self.operation = "LSTM" if isinstance(rnn, nn.LSTM) else "GRU"
        self.hidden_size, self.num_layers = rnn.hidden_size, rnn.num_layers
        self.suffixes = ("", "_reverse") if rnn.bidirectional else ("",)

    def forward(
        self, sequence: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `nn.LSTM`: (B, T, D) and the state before -> (B, T, directions * H) and the state after."""
        x, last = sequence.transpose(0, 1), []  # (T, B, D)
        for layer in range(self.num_layers):
            before = () if state is None else tuple(part[layer : layer + 1] for part in state)
            x, *after = self._layer(x, layer, before)
            last.append(after)
        return x.transpose(0, 1), tuple(torch.cat(part) for part in zip(*last, strict=True))

    def _layer(self, x: Tensor, layer: int, before: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        num_frames, batch, directions = x.shape[0], x.shape[1], len(self.suffixes)
        inner = (directions, batch, self.hidden_size)
        named = [f"l{layer}{suffix}" for suffix in self.suffixes]
        weight, recurrent = (
            torch.stack([self._reordered(f"{kind}_{name}") for name in named]) for kind in ("weight_ih", "weight_hh")
        )
        bias = torch.stack(
            [torch.cat([self._reordered(f"{kind}_{name}") for kind in ("bias_ih", "bias_hh")]) for name in named]
        )
        attributes: dict[str, Any] = {
            "hidden_size": self.hidden_size,
            "direction": "bidirectional" if directions == 2 else "forward",
        }
        if self.operation == "GRU":
            attributes["linear_before_reset"] = 1  # as torch does it
        states = 2 if self.operation == "LSTM" else 1
        out, *after = torch.onnx.ops.symbolic_multi_out(
            self.operation,
            (x, weight, recurrent, bias, *((None, *before) if before else ())),
            attributes,
            dtypes=[x.dtype] * (1 + states),
            shapes=[(num_frames, directions, batch, self.hidden_size), *([inner] * states)],
            version=OPSET,
        )
        return out.transpose(1, 2).flatten(2), *after

    def _reordered(self, name: str) -> Tensor:
        """A parameter with its gates in ONNX's order."""
        parameter, size = self.get_parameter(name), self.hidden_size
        # Slices, which runtimes compute on loading; `chunk` would be a sequence, which they compute in every call.
        return torch.cat([parameter[gate * size : (gate + 1) * size] for gate in _GATES[self.operation]])


@contextmanager
def recurrent_for_onnx(network: nn.Module) -> Iterator[None]:
    """Inside, all LSTMs and GRUs of a network are `OnnxRecurrent`."""
    found = [
        (module, name, layer)
        for module in network.modules()
        for name, layer in module.named_children()
        if isinstance(layer, nn.LSTM | nn.GRU)
    ]
    for module, name, layer in found:
        setattr(module, name, OnnxRecurrent(layer))
    try:
        yield
    finally:
        for module, name, layer in found:
            setattr(module, name, layer)
