"""What the Transformer decoder and the Transformer language model are made of.

Vaswani et al., "Attention is all you need", 2017, with the norms before each part. Parts and weights have the names of
the released models, so that their files load as they are.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipscribe.models.packed import Linear

NORM_EPS = 1e-12


class Looked(NamedTuple):
    """What an attention looks at: keys and values, each (B, heads, M, d)."""

    keys: Tensor
    values: Tensor


class History(NamedTuple):
    """What N sentences of the same length have said, kept once where they began alike.

    A node is a token that one of them said last at some time; those that went on from it share it.

    Attributes:
        layers: Keys and values (1, heads, M, d) of M nodes, of each layer; () before anything is said.
        visible: (N, M) bool, the nodes that each sentence is made of.
        length: Tokens said, the first symbol among them.
    """

    layers: tuple[Looked, ...]
    visible: Tensor
    length: int


class Attention(nn.Module):
    """Scaled dot-product attention in several heads, side by side.

    Args:
        hidden: Size of the vectors, a multiple of `heads`.
        heads: Looks taken side by side.
        dropout: Share of the weights that is dropped in training.
        looked: Size of what is looked at, None for the same.
    """

    def __init__(self, hidden: int, heads: int, dropout: float, looked: int | None = None):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.linear_q, self.linear_out = (Linear(hidden, hidden) for _ in range(2))
        self.linear_k, self.linear_v = (Linear(looked or hidden, hidden) for _ in range(2))

    def look_at(self, x: Tensor) -> Looked:
        """The keys and values of (B, M, D)."""
        return Looked(self._split(self.linear_k(x)), self._split(self.linear_v(x)))

    def forward(self, x: Tensor, looked: Looked, visible: Tensor | None = None) -> Tensor:
        """(B, U, D), each looking at what is visible, bool, broadcast to (B, heads, U, M) -> (B, U, D)."""
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(self._split(self.linear_q(x)), *looked, visible, dropout)
        return self.linear_out(seen.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, looked: Looked) -> Tensor:
        """(B, U, D) -> (B, heads, U, M): how much each looks at what; a row sums to 1."""
        query = self._split(self.linear_q(x))
        return (query @ looked.keys.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between, at every place alike."""

    def __init__(self, hidden: int, ff: int, dropout: float):
        super().__init__()
        self.w_1 = Linear(hidden, ff)
        self.w_2 = Linear(ff, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.w_2(self.dropout(self.w_1(x).relu()))


def positions(first: int, number: int, like: Tensor) -> Tensor:
    """(number, D) sines in the even and cosines in the odd columns, of the places `first` on; D, dtype as `like`."""
    size = like.shape[-1]
    place = torch.arange(first, first + number, dtype=torch.float32, device=like.device)[:, None]
    rates = torch.exp(torch.arange(0, size, 2, dtype=torch.float32, device=like.device) * (-math.log(10000.0) / size))
    return torch.stack([(place * rates).sin(), (place * rates).cos()], dim=-1).flatten(1)[:, :size].to(like)


def chain(number: int, device: torch.device) -> Tensor:
    """(number, number) bool: what each token of one sentence may look at, itself and those before."""
    return torch.ones(number, number, dtype=torch.bool, device=device).tril()


def hear(
    norm: nn.Module, attention: Attention, x: Tensor, visible: Tensor, past: Looked | None
) -> tuple[Tensor, Looked]:
    """Self-attention, without the sum: what each of (B, U, D) hears of the past and of its like.

    Returns:
        (B, U, D), and the past with what was said now.
    """
    normed = norm(x)
    looked = attention.look_at(normed)
    if past is not None:
        looked = Looked(*(torch.cat(pair, dim=2) for pair in zip(past, looked, strict=True)))
    return attention(normed, looked, visible), looked


def silence(number: int, device: torch.device) -> History:
    """The history of so many empty sentences."""
    return History((), torch.zeros(number, 0, dtype=torch.bool, device=device), 0)


def pasts(history: History, layers: int) -> tuple[Looked | None, ...]:
    """Each layer's keys and values, None before anything is said."""
    return history.layers or (None,) * layers


def grown(history: History) -> Tensor:
    """(N, M + N) bool: what each of N sentences sees once each has said one token more."""
    number = len(history.visible)
    return torch.cat([history.visible, torch.eye(number, dtype=torch.bool, device=history.visible.device)], dim=1)


def narrowed(history: History, places: Tensor) -> History:
    """The history of the sentences at the (M,) int64 places; nodes that nobody sees go, once they are the most."""
    visible = history.visible[places]
    seen = visible.any(0).nonzero()[:, 0]
    if 2 * len(seen) >= visible.shape[1]:
        return history._replace(visible=visible)
    layers = tuple(Looked(*(part.index_select(2, seen) for part in looked)) for looked in history.layers)
    return History(layers, visible[:, seen], history.length)


def log_softmax(logits: Tensor) -> Tensor:
    """Over the last axis, float32, or float64 where the logits are."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
