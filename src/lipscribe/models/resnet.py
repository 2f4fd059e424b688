"""ResNet-18 frontend with a 3D stem, as in most lip readers since Stafylakis and Tzimiropoulos (2017)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from lipscribe.models.frontend import feature_layers, per_frame
from lipscribe.models.onednn import convolve

FRAMES_AT_ONCE = 16  # outside training; the maps of the first layers are large, 0.5 MB a frame
_ACTIVATIONS = {"swish": nn.SiLU, "relu": nn.ReLU}


class ResNetFrontend(nn.Module):
    """A 3D stem that halves the image twice, then the trunk of ResNet-18 (He et al., 2016) on each frame.

    Args:
        channels: Of the trunk's four stages of two blocks each; the published ones are (64, 128, 256, 512).
        stem_frames: Temporal depth of the stem, computed as in `ConvFrontend`. Published: 5.
        pooling, height, width: As in `ConvFrontend`; the published network averages.
        features: As in `ConvFrontend`; None leaves out the last layer, as in the published Auto-AVSR models (Ma et al.,
            ICASSP 2023, arXiv 2303.14307).
        dropout: Dropout probability of the pooled map.
        activation: "relu", "swish", or "prelu" with a slope per channel.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        stem_frames: int,
        pooling: str,
        features: int | None,
        height: int,
        width: int,
        dropout: float,
        activation: str = "relu",
    ):
        super().__init__()
        self.out_features = features or channels[-1]
        self.stem_frames = stem_frames
        self.stem = nn.Sequential(
            nn.Conv2d(stem_frames, channels[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(channels[0]),
            _activation(activation, channels[0]),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.trunk = nn.Sequential()
        for stage, (size_in, size_out) in enumerate(pairwise((channels[0], *channels)), start=1):
            stride = 1 if stage == 1 else 2
            blocks = (_Block(size_in, size_out, stride, activation), _Block(size_out, size_out, 1, activation))
            self.trunk.add_module(f"layer{stage}", nn.Sequential(*blocks))
        for _ in range(2 + len(channels) - 1):  # layers that halve the image: the stem twice, all stages but the first
            height, width = (height + 1) // 2, (width + 1) // 2
        if features is None:
            self.tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        else:
            self.tail = nn.Sequential(*feature_layers(channels[-1], height, width, pooling, features, dropout))

    def forward(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """(B, T, 1, H, W) float and (B,) int64 valid frames, None for all -> features (B, T, D); zeros in padding."""
        return per_frame(self._read, video, video_lengths, self.stem_frames)

    def _read(self, frames: Tensor) -> Tensor:
        """(N, stem_frames, H, W) -> (N, D)."""
        # An exported graph is of any number of frames, and has no loop.
        whole = self.training or torch.compiler.is_compiling()
        parts = [frames] if whole else frames.split(FRAMES_AT_ONCE)
        conv, norm, activation, pool = self.stem
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        return torch.cat([self.tail(self.trunk(pool(convolve(part, conv, norm, activation)))) for part in parts])


class _Block(nn.Module):
    """Two convolutions with a residual connection; submodules are named as in torchvision's ResNets."""

    def __init__(self, size_in: int, size_out: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv2d(size_in, size_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(size_out)
        self.activation1 = _activation(activation, size_out)
        self.conv2 = nn.Conv2d(size_out, size_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(size_out)
        self.activation2 = _activation(activation, size_out)
        self.downsample = nn.Sequential()
        if stride != 1 or size_in != size_out:
            around = nn.Conv2d(size_in, size_out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(size_out))

    def forward(self, maps: Tensor) -> Tensor:
        around = maps
        if len(self.downsample):
            conv, norm = self.downsample
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            around = convolve(maps, conv, norm)
        out = convolve(maps, self.conv1, self.bn1, self.activation1)
        return convolve(out, self.conv2, self.bn2, self.activation2, onto=around)


def _activation(name: str, channels: int) -> nn.Module:
    return nn.PReLU(channels) if name == "prelu" else _ACTIVATIONS[name](inplace=True)
