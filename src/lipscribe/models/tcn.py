"""TCN encoder: feature vectors -> encoder states by dilated convolutions over time."""

from torch import Tensor, nn

from lipscribe.models.device import moved
from lipscribe.models.frontend import frame_mask


class TCNEncoder(nn.Module):
    """A temporal convolutional network: residual blocks of growing dilation (Bai, Kolter and Koltun, 2018).

    Unlike there, convolutions are not causal, and each frame is normalised separately (LayerNorm), so the output does
    not depend on padding or other clips.

    Args:
        features: Size D of the input vectors.
        hidden: Channels of every block.
        layers: Blocks; block i has dilation 2**i, so the receptive field is
            `2 * (kernel - 1) * (2**layers - 1) + 1` frames.
        kernel: Frames of each convolution, odd.
        dropout: Dropout probability after each convolution.
    """

    def __init__(self, features: int, hidden: int, layers: int, kernel: int, dropout: float):
        super().__init__()
        self.out_features = hidden
        self.project = nn.Linear(features, hidden)
        self.blocks = nn.ModuleList(_Block(hidden, kernel, 2**i, dropout) for i in range(layers))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> encoder_out (B, T, out_features); zeros beyond each length."""
        padding = ~frame_mask(moved(lengths, features.device), features.shape[1])[:, :, None]  # (B, T, 1)
        out = self.project(features.masked_fill(padding, 0))
        for block in self.blocks:
            out = block(out, padding)
        return out.masked_fill(padding, 0)


class _Block(nn.Module):
    def __init__(self, hidden: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        reach = dilation * (kernel // 2)
        self.convs = nn.ModuleList(
            nn.Conv1d(hidden, hidden, kernel, padding=reach, dilation=dilation) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, padding: Tensor) -> Tensor:
        out = features
        for conv, norm in zip(self.convs, self.norms, strict=True):
            out = out.masked_fill(padding, 0)  # the convolution reaches beyond the end, where it needs zeros
            out = conv(out.transpose(1, 2)).transpose(1, 2)  # (B, T, hidden): torch is channels-first
            out = self.dropout(norm(out).relu())
        return features + out
