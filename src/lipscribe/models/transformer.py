"""What the Transformer decoder and the Transformer language model are made of.

Vaswani et al., "Attention is all you need", 2017, with the norms before each part.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipscribe.models.onednn import Linear

NORM_EPS = 1e-12


class KeysValues(NamedTuple):
    """What an attention attends to: keys and values, each (B, heads, M, d)."""

    keys: Tensor
    values: Tensor


class History(NamedTuple):
    """The tokens of N sentences of the same length, kept once where the sentences began alike.

    A node is a token that was the last of one of them at some time; those that continue it share it.

    Attributes:
        layers: Keys and values (1, heads, M, d) of M nodes, of each layer; () before the first token.
        visible: (N, M) bool, the nodes that each sentence is made of.
        length: Tokens so far, the first symbol among them.
    """

    layers: tuple[KeysValues, ...]
    visible: Tensor
    length: int


class Attention(nn.Module):
    """Scaled dot-product attention in several heads, side by side.

    Args:
        hidden: Size of the vectors, a multiple of `heads`.
        heads: Attentions computed side by side.
        dropout: Share of the weights that is dropped in training.
        attended: Size of what is attended to, None for the same.
    """

    def __init__(self, hidden: int, heads: int, dropout: float, attended: int | None = None):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query, self.out = (Linear(hidden, hidden) for _ in range(2))
        self.key, self.value = (Linear(attended or hidden, hidden) for _ in range(2))

    def keys_values(self, x: Tensor) -> KeysValues:
        """The keys and values of (B, M, D)."""
        return KeysValues(self._split(self.key(x)), self._split(self.value(x)))

    def forward(self, x: Tensor, attended: KeysValues, visible: Tensor | None = None) -> Tensor:
        """(B, U, D), each attending to what is visible, bool, broadcast to (B, heads, U, M) -> (B, U, D)."""
        dropout = self.dropout if self.training else 0.0
        means = F.scaled_dot_product_attention(self._split(self.query(x)), *attended, visible, dropout)
        return self.out(means.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, attended: KeysValues) -> Tensor:
        """(B, U, D) -> (B, heads, U, M): how much each attends to what; a row sums to 1."""
        query = self._split(self.query(x))
        return (query @ attended.keys.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with an activation between, the same for every frame or token.

    Args:
        linear: `Linear`, or `FrameLinear` for the frames of clips.
    """

    def __init__(
        self, hidden: int, ff: int, dropout: float, activation: nn.Module | None = None, linear: type[Linear] = Linear
    ):
        super().__init__()
        self.up = linear(hidden, ff)
        self.activation = activation or nn.ReLU()
        self.down = linear(ff, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.down(self.dropout(self.activation(self.up(x))))


def positions(first: int, number: int, like: Tensor) -> Tensor:
    """(number, D) sines in the even and cosines in the odd columns, of the positions `first` on; D, dtype as `like`."""
    size = like.shape[-1]
    position = torch.arange(first, first + number, dtype=torch.float32, device=like.device)[:, None]
    rates = torch.exp(torch.arange(0, size, 2, dtype=torch.float32, device=like.device) * (-math.log(10000.0) / size))
    return torch.stack([(position * rates).sin(), (position * rates).cos()], dim=-1).flatten(1)[:, :size].to(like)


def causal_mask(number: int, device: torch.device) -> Tensor:
    """(number, number) bool: what each token of one sentence may attend to, itself and those before."""
    return torch.ones(number, number, dtype=torch.bool, device=device).tril()


def self_attend(
    norm: nn.Module, attention: Attention, x: Tensor, visible: Tensor, past: KeysValues | None
) -> tuple[Tensor, KeysValues]:
    """Self-attention, without the sum: each of (B, U, D) attends to the past and to its like.

    Returns:
        (B, U, D), and the past with these tokens.
    """
    normed = norm(x)
    attended = attention.keys_values(normed)
    if past is not None:
        attended = KeysValues(*(torch.cat(pair, dim=2) for pair in zip(past, attended, strict=True)))
    return attention(normed, attended, visible), attended


def empty_history(number: int, device: torch.device) -> History:
    """The history of so many empty sentences."""
    return History((), torch.zeros(number, 0, dtype=torch.bool, device=device), 0)


def past_of_layers(history: History, layers: int) -> tuple[KeysValues | None, ...]:
    """Each layer's keys and values, None before the first token."""
    return history.layers or (None,) * layers


def extended(history: History) -> Tensor:
    """(N, M + N) bool: what each of N sentences sees once each is a token longer."""
    number = len(history.visible)
    return torch.cat([history.visible, torch.eye(number, dtype=torch.bool, device=history.visible.device)], dim=1)


def selected(history: History, indices: Tensor) -> History:
    """The history of the sentences at (M,) int64 indices; nodes that no sentence sees go, once they are the most."""
    visible = history.visible[indices]
    seen = visible.any(0).nonzero()[:, 0]
    if 2 * len(seen) >= visible.shape[1]:
        return history._replace(visible=visible)
    layers = tuple(KeysValues(*(part.index_select(2, seen) for part in layer)) for layer in history.layers)
    return History(layers, visible[:, seen], history.length)


def log_softmax(logits: Tensor) -> Tensor:
    """Over the last axis, float32, or float64 where the logits are."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
