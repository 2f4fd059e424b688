"""Feature vectors -> encoder states by self-attention and convolution together.

Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", Interspeech 2020.
"""

import math

import torch
from torch import Tensor, nn

from lipscribe.models.frontend import frame_mask


class ConformerEncoder(nn.Module):
    """Conformer blocks: half a feed-forward, self-attention by relative position, convolution, half a feed-forward.

    The convolution's BatchNorm is a LayerNorm here: a frame is normalised by itself, so that neither padding nor other
    clips have a say.

    Args:
        features: Size D of the vectors that come in.
        hidden: Size of every block, a multiple of `2 * heads`.
        layers: Blocks.
        heads: Of the self-attention.
        kernel: Frames of the convolution, odd.
        dropout: Share dropped at the end of each of a block's parts, and of the attention, in training.
    """

    def __init__(self, features: int, hidden: int, layers: int, heads: int, kernel: int, dropout: float):
        super().__init__()
        self.out_features = hidden
        self.project = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(hidden, heads, kernel, dropout) for _ in range(layers))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> encoder_out (B, T, out_features); zeros beyond each length."""
        padding = ~frame_mask(lengths.to(features.device), features.shape[1])  # (B, T)
        out = self.dropout(self.project(features.masked_fill(padding[:, :, None], 0)))
        distances = distance_encoding(features.shape[1], self.out_features).to(out)
        for block in self.blocks:
            out = block(out, padding, distances)
        return out.masked_fill(padding[:, :, None], 0)


class _Block(nn.Module):
    def __init__(self, hidden: int, heads: int, kernel: int, dropout: float):
        super().__init__()
        self.feed_before = _feed_forward(hidden, dropout)
        self.norm_attention = nn.LayerNorm(hidden)
        self.attention = RelativeSelfAttention(hidden, heads, dropout)
        self.dropout = nn.Dropout(dropout)
        self.convolution = _Convolution(hidden, kernel, dropout)
        self.feed_after = _feed_forward(hidden, dropout)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, padding: Tensor, distances: Tensor) -> Tensor:
        x = x + self.feed_before(x) / 2
        x = x + self.dropout(self.attention(self.norm_attention(x), padding, distances))
        x = x + self.convolution(x, padding)
        x = x + self.feed_after(x) / 2
        return self.norm(x)


def _feed_forward(hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(hidden),
        nn.Linear(hidden, 4 * hidden),
        nn.SiLU(),
        nn.Dropout(dropout),
        nn.Linear(4 * hidden, hidden),
        nn.Dropout(dropout),
    )


class RelativeSelfAttention(nn.Module):
    """Self-attention that weighs frames by what they hold and how far away they are (Dai et al., Transformer-XL, 2019).

    Args:
        hidden: Size of the vectors, a multiple of `heads`.
        heads: Looks that are taken side by side.
        dropout: Share of the weights that is dropped in training.
    """

    def __init__(self, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.position = nn.Linear(hidden, hidden, bias=False)
        # What every frame asks for, whatever it holds itself: of contents and of distances.
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, hidden // heads))
        self.distance_bias = nn.Parameter(torch.zeros(heads, 1, hidden // heads))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor, distances: Tensor) -> Tensor:
        """(B, T, D), (B, T) bool true where there is no frame, and `distance_encoding` (2T - 1, D) -> (B, T, D)."""
        query, key, value = (self._split(net(x)) for net in (self.query, self.key, self.value))  # (B, heads, T, d)
        position = self._split(self.position(distances)[None])  # (1, heads, 2T - 1, d)
        by_content = (query + self.content_bias) @ key.transpose(-1, -2)  # (B, heads, T, T)
        by_distance = by_key((query + self.distance_bias) @ position.transpose(-1, -2))
        scores = (by_content + by_distance) / math.sqrt(query.shape[-1])
        weights = scores.float().masked_fill(padding[:, None, None, :], -torch.inf).softmax(-1).to(value)
        return self.out((self.dropout(weights) @ value).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def distance_encoding(num_frames: int, size: int) -> Tensor:
    """(2T - 1, size) float32: sines and cosines of the distances T - 1 (the past) down to 1 - T (the future)."""
    distance = torch.arange(num_frames - 1, -num_frames, -1, dtype=torch.float32)[:, None]
    angle = distance * torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def by_key(by_distance: Tensor) -> Tensor:
    """Scores (..., T, 2T - 1) of the distances T - 1 to 1 - T -> (..., T, T): query i, key j, distance i - j."""
    num_frames = by_distance.shape[-2]
    # Row i wants the columns from T - 1 - i on. With one column more, each flattened row begins one place later.
    rows = nn.functional.pad(by_distance, (0, 1)).flatten(-2)[..., num_frames - 1 : -1]
    return rows.unflatten(-1, (num_frames, 2 * num_frames - 1))[..., :num_frames]


class _Convolution(nn.Module):
    def __init__(self, hidden: int, kernel: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.gate = nn.Linear(hidden, 2 * hidden)
        self.depthwise = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.norm_frames = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        x = nn.functional.glu(self.gate(self.norm(x)), dim=-1)
        x = x.masked_fill(padding[:, :, None], 0)  # the convolution reaches over the end, and has to find nothing there
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.out(nn.functional.silu(self.norm_frames(x))))
