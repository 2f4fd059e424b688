"""Frames -> features by a residual network, as most lip readers since Stafylakis and Tzimiropoulos (2017) have it."""

from itertools import pairwise

from torch import Tensor, nn

from lipscribe.models.frontend import PerFrame, feature_layers


class ResNetFrontend(nn.Module):
    """A 3D stem that halves the picture twice, then the trunk of ResNet-18 (He et al., 2016) on each frame.

    Args:
        channels: Of the trunk's four stages of two blocks each; the published ones are (64, 128, 256, 512).
        stem_frames: How many frames the stem sees; it is computed as that of `ConvFrontend`. Published: 5.
        pooling, features, height, width, dropout: As those of `ConvFrontend`; the published network averages.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        stem_frames: int,
        pooling: str,
        features: int,
        height: int,
        width: int,
        dropout: float,
    ):
        super().__init__()
        self.out_features = features
        layers: list[nn.Module] = [
            nn.Conv2d(stem_frames, channels[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            _Block(channels[0], channels[0], stride=1),
            _Block(channels[0], channels[0], stride=1),
        ]
        for size_in, size_out in pairwise(channels):
            layers += [_Block(size_in, size_out, stride=2), _Block(size_out, size_out, stride=1)]
        for _ in range(2 + len(channels) - 1):  # what halves the picture: the stem twice, all stages but the first
            height, width = (height + 1) // 2, (width + 1) // 2
        tail = feature_layers(channels[-1], height, width, pooling, features, dropout)
        self.frames = PerFrame(nn.Sequential(*layers, *tail), stem_frames)

    def forward(self, video: Tensor, video_lengths: Tensor) -> Tensor:
        """(B, T, 1, H, W) float and (B,) int64 valid frames -> features (B, T, D); zeros where there is no frame."""
        return self.frames(video, video_lengths)


class _Block(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, size_in: int, size_out: int, stride: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(size_in, size_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(size_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(size_out, size_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(size_out),
        )
        self.around = nn.Sequential()
        if stride != 1 or size_in != size_out:
            self.around = nn.Sequential(
                nn.Conv2d(size_in, size_out, 1, stride=stride, bias=False), nn.BatchNorm2d(size_out)
            )

    def forward(self, maps: Tensor) -> Tensor:
        return (self.net(maps) + self.around(maps)).relu()
