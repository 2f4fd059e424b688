"""LipNet's frontend of three 3D convolutions: the published baseline.

Assael, Shillingford, Whiteson and de Freitas, "LipNet: end-to-end sentence-level lipreading", 2016, arXiv 1611.01599.
The config `lipnet` is the whole network: this, two bidirectional GRUs of 256, and CTC over characters.
"""

from torch import Tensor, nn

from lipscribe.models.frontend import PerFrame

KERNELS = ((5, 2), (5, 1), (3, 1))  # (kernel, stride) in space of each convolution; in time all are (3, 1)


class LipNetFrontend(nn.Module):
    """Three 3D convolutions, each with ReLU, 2x2 max-pooling and channel-wise dropout, then flattened.

    Each is computed as a 2D convolution over three neighbouring frames stacked as channels: the same numbers, without
    the padding of a batch.

    Args:
        channels: Of the three convolutions; LipNet's are (32, 64, 96).
        height, width: Input size in pixels, at least 16 each. LipNet's is 50 x 100 in colour; at 50 x 96, the widest
            that our crops have, its maps are flattened to the published 96 * 3 * 6 values.
        dropout: Probability of dropping a channel for a whole clip; LipNet's is 0.5.
    """

    def __init__(self, channels: tuple[int, ...], height: int, width: int, dropout: float):
        super().__init__()
        layers, size_in = [], 1
        for size_out, (kernel, stride) in zip(channels, KERNELS, strict=True):
            conv = nn.Conv2d(3 * size_in, size_out, kernel, stride, padding=kernel // 2)
            layers.append(PerFrame(nn.Sequential(conv, nn.ReLU(inplace=True), nn.MaxPool2d(2)), 3))
            size_in = size_out
            height, width = (height + stride - 1) // stride // 2, (width + stride - 1) // stride // 2
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout3d(dropout)
        self.out_features = size_in * height * width

    def forward(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """(B, T, 1, H, W) float and (B,) int64 valid frames, None for all -> features (B, T, D); zeros in padding."""
        maps = video
        for layer in self.layers:
            maps = layer(maps, video_lengths)  # (B, T, C, H', W')
            maps = self.dropout(maps.transpose(1, 2)).transpose(1, 2)  # a channel of a clip, not of a frame
        return maps.flatten(2)
