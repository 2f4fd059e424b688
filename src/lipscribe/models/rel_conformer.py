"""The conformer of the published Auto-AVSR models, whose weights load into it under their own names.

It is that of Gulati et al. (2020) with ESPnet's choices: ReLU in the feed-forwards, BatchNorm in the convolution, a
last LayerNorm. `ConformerEncoder` is the one that we train.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lipscribe.models.conformer import by_key, distance_encoding
from lipscribe.models.frontend import frame_mask
from lipscribe.models.packed import FrameLinear, Pointwise

NORM_EPS = 1e-12
LEGACY_PLACES = 5000  # of the table that the legacy flavour counts its places from the end of


class RelConformerEncoder(nn.Module):
    """Conformer blocks: half a feed-forward, self-attention by relative position, convolution, half a feed-forward.

    The published network sees the padding of a batch, since it is run on single clips; here nothing beyond a clip's
    length has a say, and a clip comes out as it would alone.

    Args:
        features: Size D of the vectors that come in.
        hidden: Size of every block, a multiple of `2 * heads`.
        ff: Units of each feed-forward.
        layers: Blocks.
        heads: Of the self-attention.
        kernel: Frames of the convolution, odd.
        positions: "latest", or "legacy" as in ESPnet's first models, which confuses places: weights learned with it
            need it.
        dropout: Share dropped at the end of each of a block's parts, and of the attention, in training.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        ff: int,
        layers: int,
        heads: int,
        kernel: int,
        positions: str = "latest",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.out_features = hidden
        self.legacy = positions == "legacy"
        self.embed = nn.Sequential(FrameLinear(features, hidden))
        self.dropout = nn.Dropout(dropout)
        self.encoders = nn.ModuleList(_Block(hidden, ff, heads, kernel, self.legacy, dropout) for _ in range(layers))
        self.after_norm = nn.LayerNorm(hidden, eps=NORM_EPS)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> encoder_out (B, T, out_features); zeros beyond each length."""
        num_frames = features.shape[1]
        padding = ~frame_mask(lengths.to(features.device), num_frames)  # (B, T)
        x = self.embed(features.masked_fill(padding[:, :, None], 0)) * math.sqrt(self.out_features)
        encoding = place_encoding if self.legacy else distance_encoding
        clips = _Clips(padding, lengths.tolist() if self.legacy else [], encoding(num_frames, self.out_features).to(x))
        x = self.dropout(x)
        for block in self.encoders:
            x = block(x, clips)
        return self.after_norm(x).masked_fill(padding[:, :, None], 0)


class _Clips(NamedTuple):
    """What all blocks know of a batch: padding (B, T) bool, for legacy the lengths, sines of distances or places."""

    padding: Tensor
    lengths: list[int]
    positions: Tensor


class _Block(nn.Module):
    def __init__(self, hidden: int, ff: int, heads: int, kernel: int, legacy: bool, dropout: float):
        super().__init__()
        self.norm_ff_macaron, self.norm_mha, self.norm_conv, self.norm_ff, self.norm_final = (
            nn.LayerNorm(hidden, eps=NORM_EPS) for _ in range(5)
        )
        self.feed_forward_macaron = FeedForward(hidden, ff, dropout)
        self.self_attn = _SelfAttention(hidden, heads, legacy, dropout)
        self.conv_module = _Convolution(hidden, kernel)
        self.feed_forward = FeedForward(hidden, ff, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, clips: _Clips) -> Tensor:
        x = x + self.dropout(self.feed_forward_macaron(self.norm_ff_macaron(x))) / 2
        x = x + self.dropout(self.self_attn(self.norm_mha(x), clips))
        x = x + self.dropout(self.conv_module(self.norm_conv(x), clips.padding))
        x = x + self.dropout(self.feed_forward(self.norm_ff(x))) / 2
        return self.norm_final(x)


class FeedForward(nn.Module):
    """Two linear layers with ReLU between, (..., hidden) -> (..., hidden)."""

    def __init__(self, hidden: int, ff: int, dropout: float):
        super().__init__()
        self.w_1 = FrameLinear(hidden, ff)
        self.w_2 = FrameLinear(ff, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., hidden) float -> the same shape."""
        return self.w_2(self.dropout(self.w_1(x).relu()))


class _SelfAttention(nn.Module):
    """Weighs frames by what they hold and how far away they are (Dai et al., Transformer-XL, 2019)."""

    def __init__(self, hidden: int, heads: int, legacy: bool, dropout: float):
        super().__init__()
        self.heads = heads
        self.legacy = legacy
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (FrameLinear(hidden, hidden) for _ in range(4))
        self.linear_pos = FrameLinear(hidden, hidden, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, hidden // heads))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, hidden // heads))
        self.dropout = nn.Dropout(dropout)
        self._projected: tuple[tuple[int, ...], Tensor] | None = None

    def forward(self, x: Tensor, clips: _Clips) -> Tensor:
        query = self.linear_q(x).unflatten(-1, (self.heads, -1))  # (B, T, heads, d)
        key, value = self._split(self.linear_k(x)), self._split(self.linear_v(x))  # (B, heads, T, d)
        by_position = (query + self.pos_bias_v).transpose(1, 2) @ self._project(clips.positions).transpose(-1, -2)
        by_position = by_place(by_position, clips.lengths) if self.legacy else by_key(by_position)  # (B, heads, T, T)
        scores = (query + self.pos_bias_u).transpose(1, 2) @ key.transpose(-1, -2)
        scores = (scores + by_position) / math.sqrt(query.shape[-1])
        weights = scores.float().masked_fill(clips.padding[:, None, None, :], -torch.inf).softmax(-1).to(value)
        return self.linear_out((self.dropout(weights) @ value).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _project(self, positions: Tensor) -> Tensor:
        """(1, heads, P, d); in inference that of the last length is kept, since long videos are read in equal windows.

        The key says of which weights it is: their place in memory, and how often they were changed there.
        """
        weight = self.linear_pos.weight
        if torch.is_grad_enabled() or weight.is_inference():
            return self._split(self.linear_pos(positions)[None])
        key = (len(positions), weight.data_ptr(), weight._version)
        if self._projected is None or self._projected[0] != key:
            self._projected = key, self._split(self.linear_pos(positions)[None])
        return self._projected[1]


class _Convolution(nn.Module):
    def __init__(self, hidden: int, kernel: int):
        super().__init__()
        self.pointwise_cov1 = Pointwise(hidden, 2 * hidden)
        self.depthwise_conv = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.pointwise_cov2 = Pointwise(hidden, hidden)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        x = nn.functional.glu(self.pointwise_cov1(x), dim=-1)  # (B, T, D)
        x = x.masked_fill(padding[:, :, None], 0)  # the convolution reaches over the end, and has to find nothing there
        x = self.depthwise_conv(x.transpose(1, 2)).transpose(1, 2)
        if self.training:  # padding takes no part in batch statistics
            normed = torch.zeros_like(x)
            normed[~padding] = self.norm(x[~padding])
        else:
            normed = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.pointwise_cov2(nn.functional.silu(normed))


def place_encoding(num_frames: int, size: int) -> Tensor:
    """(T, size) float32: sines and cosines of the places that the legacy flavour counts, from 4999 down."""
    places = max(LEGACY_PLACES, num_frames)
    return distance_encoding(places, size)[:num_frames]


def by_place(scores: Tensor, lengths: list[int]) -> Tensor:
    """Scores (B, heads, T, T) of query i and place k -> those of query i and key j, as the legacy flavour pairs them.

    A clip of T frames: with a zero before each row, all rows one after the other, the first T numbers left out, and cut
    into rows of T again. Up to the diagonal the places are in order (k = T - 1 - i + j); beyond it a row goes on with
    the zero and the beginning of the next one.
    """
    out = torch.zeros_like(scores)
    for clip, length in enumerate(lengths):
        own = nn.functional.pad(scores[clip, :, :length, :length], (1, 0)).flatten(1)[:, length:]
        out[clip, :, :length, :length] = own.unflatten(1, (length, length))
    return out
