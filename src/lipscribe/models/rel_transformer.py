"""Transformer encoder with relative positions and LayerScale: feature vectors -> encoder states by self-attention."""

import math

import torch
from torch import Tensor, nn

from lipscribe.models.conformer import Clips, RelativeEncoder, RelativeSelfAttention, normalised
from lipscribe.models.onednn import FrameLinear
from lipscribe.models.transformer import NORM_EPS, FeedForward


class RelTransformerEncoder(RelativeEncoder):
    """Pre-norm Transformer blocks with self-attention by relative position, as in RAVEn (Haliassos et al., 2023).

    What a part of a block adds is scaled channel by channel by learned factors (LayerScale: Touvron et al., "Going
    deeper with image transformers", 2021), so that many layers train well.

    Args:
        features, hidden: See `RelativeEncoder`.
        ff: Units of each feed-forward.
        layers: Blocks.
        heads: Number of attention heads.
        dropout: Dropout probability at the end of each part of a block, and of attention weights.
        batch_norm: Whether the input of the feed-forwards is normalised by the batch instead of frame by frame.
        layer_scale: Initial value of the factors.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        ff: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
        batch_norm: bool = False,
        layer_scale: float = 0.1,
    ):
        blocks = (_Block(hidden, ff, heads, dropout, batch_norm, layer_scale) for _ in range(layers))
        super().__init__(features, hidden, blocks, nn.LayerNorm(hidden, NORM_EPS), math.sqrt(hidden), dropout)


class _Block(nn.Module):
    def __init__(self, hidden: int, ff: int, heads: int, dropout: float, batch_norm: bool, layer_scale: float):
        super().__init__()
        self.norm_attention = nn.LayerNorm(hidden, NORM_EPS)
        self.norm_feed = nn.BatchNorm1d(hidden) if batch_norm else nn.LayerNorm(hidden, NORM_EPS)
        self.attention = RelativeSelfAttention(hidden, heads, dropout)
        self.feed = FeedForward(hidden, ff, dropout, nn.ReLU(), FrameLinear)
        self.scale_attention, self.scale_feed = (nn.Parameter(torch.full((hidden,), layer_scale)) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, clips: Clips) -> Tensor:
        x = x + self.scale_attention * self.dropout(self.attention(self.norm_attention(x), clips))
        return x + self.scale_feed * self.dropout(self.feed(normalised(self.norm_feed, x, clips.padding)))
