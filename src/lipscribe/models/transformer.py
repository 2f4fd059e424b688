"""Layers of the Transformer decoder and language model.

Vaswani et al., "Attention is all you need", 2017, in the pre-norm form.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipscribe.models.onednn import Linear

NORM_EPS = 1e-12


class KeysValues(NamedTuple):
    """Keys and values of an attention, each (B, heads, M, d)."""

    keys: Tensor
    values: Tensor


class History(NamedTuple):
    """Key-value cache of N sentences of the same length, with common prefixes stored once.

    A node is a token at the end of some prefix; all sentences with that prefix share it.

    Attributes:
        layers: Keys and values (1, heads, M, d) of M nodes, of each layer; () before the first token.
        visible: (N, M) bool, the nodes of each sentence.
        length: Number of tokens, including the start symbol.
    """

    layers: tuple[KeysValues, ...]
    visible: Tensor
    length: int


class Attention(nn.Module):
    """Multi-head scaled dot-product attention.

    Args:
        hidden: Size of the vectors, a multiple of `heads`.
        heads: Number of attention heads.
        dropout: Dropout probability of attention weights.
        attended: Size of the key and value input, None for `hidden`.
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
        """(B, U, D) -> (B, heads, U, M): the attention weights; a row sums to 1."""
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
    """(number, number) bool: the causal mask: each token may attend to itself and previous ones."""
    return torch.ones(number, number, dtype=torch.bool, device=device).tril()


def self_attend(
    norm: nn.Module, attention: Attention, x: Tensor, visible: Tensor, past: KeysValues | None
) -> tuple[Tensor, KeysValues]:
    """Self-attention without the residual sum: each of (B, U, D) attends to the cache and to these tokens.

    Returns:
        (B, U, D), and the cache with these tokens.
    """
    normed = norm(x)
    attended = attention.keys_values(normed)
    if past is not None:
        attended = KeysValues(*(torch.cat(pair, dim=2) for pair in zip(past, attended, strict=True)))
    return attention(normed, attended, visible), attended


def empty_history(number: int, device: torch.device) -> History:
    """The cache of so many empty sentences."""
    return History((), torch.zeros(number, 0, dtype=torch.bool, device=device), 0)


def past_of_layers(history: History, layers: int) -> tuple[KeysValues | None, ...]:
    """Each layer's keys and values, None before the first token."""
    return history.layers or (None,) * layers


def extended(history: History) -> Tensor:
    """(N, M + N) bool: the nodes visible to each of N sentences after one more token."""
    number = len(history.visible)
    return torch.cat([history.visible, torch.eye(number, dtype=torch.bool, device=history.visible.device)], dim=1)


def selected(history: History, indices: Tensor) -> History:
    """The cache of the sentences at (M,) int64 indices; unused nodes are dropped once they are the majority."""
    visible = history.visible[indices]
    seen = visible.any(0).nonzero()[:, 0]
    if 2 * len(seen) >= visible.shape[1]:
        return history._replace(visible=visible)
    layers = tuple(KeysValues(*(part.index_select(2, seen) for part in layer)) for layer in history.layers)
    return History(layers, visible[:, seen], history.length)


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax over the last axis, in float32, or float64 for float64 logits."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
