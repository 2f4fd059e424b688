"""Conformer encoder: feature vectors -> encoder states by self-attention and convolution.

Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", Interspeech 2020. One network, in
two styles: the one that we train, and ESPnet's, in which the published Auto-AVSR models were trained.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lipscribe.models.frontend import padding_mask, without
from lipscribe.models.onednn import FrameLinear
from lipscribe.models.transformer import NORM_EPS, FeedForward

LEGACY_PLACES = 5000  # of the table that ESPnet's first relative positions count from the end of


class RelativeEncoder(nn.Module):
    """Base of the encoders whose blocks attend by relative position: linear layer, blocks, norm.

    A clip's output depends on neither padding nor other clips. (The published networks do not mask padding, as they are
    run on single clips.)

    Args:
        features: Size D of the input vectors.
        hidden: Size of every block, a multiple of twice the heads.
        blocks: Each (B, T, hidden) and `Clips` -> (B, T, hidden).
        norm: Of the output.
        scale: Factor of the blocks' input.
        dropout: Dropout probability of the blocks' input.
        legacy: The relative positions of early ESPnet models, which contain a bug; weights trained with it need it.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        scale: float,
        dropout: float,
        legacy: bool = False,
    ):
        super().__init__()
        self.out_features = hidden
        self.scale = scale
        self.legacy = legacy
        self.project = FrameLinear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths, None if all frames are valid -> encoder_out (B, T, out_features);
        zeros beyond each length.
        """
        num_frames = features.shape[1]
        padding = padding_mask(lengths, features)
        x = self.project(without(padding, features)) * self.scale
        encoding = legacy_encoding if self.legacy else distance_encoding
        positions = encoding(num_frames, self.out_features).to(x)
        clips = Clips(padding, None if lengths is None or not self.legacy else lengths.tolist(), positions)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, clips)
        return without(padding, self.norm(x))


class ConformerEncoder(RelativeEncoder):
    """Conformer blocks: half a feed-forward, self-attention by relative position, convolution, half a feed-forward.

    Args:
        features, hidden, legacy: See `RelativeEncoder`.
        ff: Units of each feed-forward.
        layers: Blocks.
        heads: Number of attention heads.
        kernel: Frames of the convolution, odd.
        dropout: Dropout probability at the end of each part of a block, and of attention weights.
        espnet: ESPnet's settings: ReLU in the feed-forwards, BatchNorm in the convolution, input scaled by the root of
            `hidden`, a final LayerNorm. Otherwise SiLU and LayerNorm, so each frame is normalised separately.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        ff: int,
        layers: int,
        heads: int,
        kernel: int,
        dropout: float = 0.0,
        espnet: bool = False,
        legacy: bool = False,
    ):
        blocks = (_Block(hidden, ff, heads, kernel, dropout, espnet, legacy) for _ in range(layers))
        norm = nn.LayerNorm(hidden, NORM_EPS) if espnet else nn.Identity()
        super().__init__(features, hidden, blocks, norm, math.sqrt(hidden) if espnet else 1.0, dropout, legacy)


class Clips(NamedTuple):
    """Inputs shared by all blocks.

    Attributes:
        padding: (B, T, 1) bool, true in padding; None if all frames are valid.
        lengths: (B,) valid frames, for legacy positions; None if all frames are valid.
        positions: `distance_encoding`, or `legacy_encoding`.
    """

    padding: Tensor | None
    lengths: list[int] | None
    positions: Tensor


class _Block(nn.Module):
    def __init__(self, hidden: int, ff: int, heads: int, kernel: int, dropout: float, espnet: bool, legacy: bool):
        super().__init__()
        eps = NORM_EPS if espnet else 1e-5
        self.norm_before, self.norm_attention, self.norm_convolution, self.norm_after, self.norm = (
            nn.LayerNorm(hidden, eps) for _ in range(5)
        )
        activation = nn.ReLU if espnet else nn.SiLU
        self.feed_before, self.feed_after = (
            FeedForward(hidden, ff, dropout, activation(), FrameLinear) for _ in range(2)
        )
        self.attention = RelativeSelfAttention(hidden, heads, dropout, legacy)
        self.convolution = _Convolution(hidden, kernel, nn.BatchNorm1d(hidden) if espnet else nn.LayerNorm(hidden))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, clips: Clips) -> Tensor:
        x = x + self.dropout(self.feed_before(self.norm_before(x))) / 2
        x = x + self.dropout(self.attention(self.norm_attention(x), clips))
        x = x + self.dropout(self.convolution(self.norm_convolution(x), clips.padding))
        x = x + self.dropout(self.feed_after(self.norm_after(x))) / 2
        return self.norm(x)


class RelativeSelfAttention(nn.Module):
    """Self-attention by content and relative position (Dai et al., Transformer-XL, 2019).

    Args:
        hidden: Size of the vectors, a multiple of `heads`.
        heads: Number of attention heads.
        dropout: Dropout probability of attention weights.
        legacy: See `RelativeEncoder`.
    """

    def __init__(self, hidden: int, heads: int, dropout: float, legacy: bool = False):
        super().__init__()
        self.heads = heads
        self.legacy = legacy
        self.query, self.key, self.value, self.out = (FrameLinear(hidden, hidden) for _ in range(4))
        self.position = FrameLinear(hidden, hidden, bias=False)
        # Query biases shared by all frames: for content and for distance.
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, hidden // heads))
        self.distance_bias = nn.Parameter(torch.zeros(heads, 1, hidden // heads))
        self.dropout = nn.Dropout(dropout)
        self._projected: tuple[tuple[int, ...], Tensor] | None = None

    def forward(self, x: Tensor, clips: Clips) -> Tensor:
        """(B, T, D) and the batch's clips -> (B, T, D)."""
        query, key, value = (self._split(net(x)) for net in (self.query, self.key, self.value))  # (B, heads, T, d)
        by_position = (query + self.distance_bias) @ self._project(clips.positions).transpose(-1, -2)
        by_position = by_place(by_position, clips.lengths) if self.legacy else by_key(by_position)  # (B, heads, T, T)
        scores = (query + self.content_bias) @ key.transpose(-1, -2)
        scores = (scores + by_position) / math.sqrt(query.shape[-1])
        scores = scores.float()
        if clips.padding is not None:
            scores = scores.masked_fill(clips.padding[:, None, None, :, 0], -torch.inf)
        weights = scores.softmax(-1).to(value)
        return self.out((self.dropout(weights) @ value).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _project(self, positions: Tensor) -> Tensor:
        """(1, heads, P, d); cached in inference for the last length, since windows of long videos have equal length.

        The key identifies the weights by data pointer and version.
        """
        weight = self.position.weight
        if torch.is_grad_enabled() or weight.is_inference():
            return self._split(self.position(positions)[None])
        key = (len(positions), weight.data_ptr(), weight._version)
        if self._projected is None or self._projected[0] != key:
            self._projected = key, self._split(self.position(positions)[None])
        return self._projected[1]


class _Convolution(nn.Module):
    def __init__(self, hidden: int, kernel: int, norm: nn.Module):
        super().__init__()
        self.gate = FrameLinear(hidden, 2 * hidden)
        self.depthwise = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.norm = norm
        self.out = FrameLinear(hidden, hidden)

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        x = nn.functional.glu(self.gate(x), dim=-1)  # (B, T, D)
        x = without(padding, x)  # the convolution reaches beyond the end, where it needs zeros
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return self.out(nn.functional.silu(normalised(self.norm, x, padding)))


def normalised(norm: nn.Module, x: Tensor, padding: Tensor | None) -> Tensor:
    """(B, T, D) by a LayerNorm or BatchNorm1d; padding, (B, T, 1) bool, is excluded from batch statistics."""
    if isinstance(norm, nn.LayerNorm):
        return norm(x)
    if padding is None or not norm.training:
        return norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    normed = torch.zeros_like(x)
    valid = ~padding[:, :, 0]
    normed[valid] = norm(x[valid])
    return normed


def distance_encoding(num_frames: int, size: int) -> Tensor:
    """(2T - 1, size) float32: sines and cosines of the distances T - 1 (the past) down to 1 - T (the future)."""
    distance = torch.arange(num_frames - 1, -num_frames, -1, dtype=torch.float32)[:, None]
    angle = distance * torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def by_key(by_distance: Tensor) -> Tensor:
    """Scores (..., T, 2T - 1) of the distances T - 1 to 1 - T -> (..., T, T): query i, key j, distance i - j."""
    num_frames = by_distance.shape[-2]
    # Row i needs the columns from T - 1 - i. With one column more, each flattened row starts one column later.
    rows = nn.functional.pad(by_distance, (0, 1)).flatten(-2)[..., num_frames - 1 : -1]
    return rows.unflatten(-1, (num_frames, 2 * num_frames - 1))[..., :num_frames]


def legacy_encoding(num_frames: int, size: int) -> Tensor:
    """(T, size) float32: sines and cosines of the legacy positions, from 4999 down."""
    return distance_encoding(max(LEGACY_PLACES, num_frames), size)[:num_frames]


def by_place(scores: Tensor, lengths: list[int] | None = None) -> Tensor:
    """Scores (B, heads, T, T) of query i and position k -> those of query i and key j, as legacy models pair them.

    A clip of T frames: with a zero before each row, all rows one after the other, the first T numbers left out, and cut
    into rows of T again. Up to the diagonal the positions are in order (k = T - 1 - i + j); beyond it a row continues
    with the zero and the beginning of the next one.
    """
    if lengths is None:
        num_frames = scores.shape[-1]
        return nn.functional.pad(scores, (1, 0)).flatten(2)[..., num_frames:].unflatten(-1, (num_frames, num_frames))
    out = torch.zeros_like(scores)
    for clip, length in enumerate(lengths):
        own = nn.functional.pad(scores[clip, :, :length, :length], (1, 0)).flatten(1)[:, length:]
        out[clip, :, :length, :length] = own.unflatten(1, (length, length))
    return out
