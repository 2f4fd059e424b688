"""TCN encoder: feature vectors -> encoder states by dilated convolutions over time."""

from torch import Tensor, nn

from lipscribe.models.frontend import padding_mask, without


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

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths, None if all frames are valid -> encoder_out (B, T, out_features);
        zeros beyond each length.
        """
        padding = padding_mask(lengths, features)
        out = self.project(without(padding, features))
        for block in self.blocks:
            out = block(out, padding)
        return without(padding, out)


class _Block(nn.Module):
    def __init__(self, hidden: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        reach = dilation * (kernel // 2)
        self.convs = nn.ModuleList(
            nn.Conv1d(hidden, hidden, kernel, padding=reach, dilation=dilation) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, padding: Tensor | None) -> Tensor:
        out = features
        for conv, norm in zip(self.convs, self.norms, strict=True):
            out = without(padding, out)  # the convolution reaches beyond the end, where it needs zeros
            out = conv(out.transpose(1, 2)).transpose(1, 2)  # (B, T, hidden): torch is channels-first
            out = self.dropout(norm(out).relu())
        return features + out
