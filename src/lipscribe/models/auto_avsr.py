"""The frontend of the published Auto-AVSR models, whose weights load into it under their own names.

Ma, Haliassos, Fernandez-Lopez, Chen, Petridis and Pantic, "Auto-AVSR: audio-visual speech recognition with automatic
labels", ICASSP 2023, arXiv 2303.14307.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lipscribe.models.frontend import per_frame
from lipscribe.models.fused import convolve

FRAMES_AT_ONCE = 16  # outside training; the maps of the first layers are large, 0.5 MB a frame


class AutoAVSRFrontend(nn.Module):
    """A 3D stem, then the trunk of ResNet-18 (He et al., 2016) on each frame, averaged, and nothing behind that.

    Args:
        channels: Of the trunk's four stages of two blocks each; the published ones are (64, 128, 256, 512).
        stem_frames: How many frames the stem sees; published: 5.
        activation: "swish" as published, "prelu" as in older models, or "relu".
        dropout: Share of the features that is dropped in training.
    """

    def __init__(self, channels: tuple[int, ...], stem_frames: int, activation: str, dropout: float):
        super().__init__()
        self.out_features = channels[-1]
        self.stem_frames = stem_frames
        self.frontend3D = nn.Sequential(
            StackedConv3d(stem_frames, channels[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(channels[0]),
            _activation(activation, channels[0]),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.trunk = nn.Sequential()
        for stage, (size_in, size_out) in enumerate(pairwise((channels[0], *channels)), start=1):
            stride = 1 if stage == 1 else 2
            blocks = (_Block(size_in, size_out, stride, activation), _Block(size_out, size_out, 1, activation))
            self.trunk.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.dropout = nn.Dropout(dropout)

    def forward(self, video: Tensor, video_lengths: Tensor) -> Tensor:
        """(B, T, 1, H, W) float and (B,) int64 valid frames -> features (B, T, D); zeros where there is no frame."""
        return per_frame(self._look, video, video_lengths, self.stem_frames)

    def _look(self, frames: Tensor) -> Tensor:
        """(N, stem_frames, H, W) -> (N, D)."""
        parts = [frames] if self.training else frames.split(FRAMES_AT_ONCE)
        conv, norm, activation, pool = self.frontend3D
        features = [self.trunk(pool(convolve(part, conv, norm, activation))).mean((-2, -1)) for part in parts]
        return self.dropout(torch.cat(features))


class StackedConv3d(nn.Conv2d):
    """A 3D convolution over grey frames, computed as a 2D one over neighbouring frames stacked as channels.

    In a state dict its weight has the 3D shape (out, 1, depth, height, width), as the published one.
    """

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = destination[prefix + "weight"].unsqueeze(1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if prefix + "weight" in state_dict:
            state_dict[prefix + "weight"] = state_dict[prefix + "weight"].squeeze(1)
        super()._load_from_state_dict(state_dict, prefix, *args)


class _Block(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, size_in: int, size_out: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv2d(size_in, size_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(size_out)
        self.relu1 = _activation(activation, size_out)
        self.conv2 = nn.Conv2d(size_out, size_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(size_out)
        self.relu2 = _activation(activation, size_out)
        self.downsample = nn.Sequential()
        if stride != 1 or size_in != size_out:
            around = nn.Conv2d(size_in, size_out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(size_out))

    def forward(self, maps: Tensor) -> Tensor:
        around = convolve(maps, *self.downsample) if len(self.downsample) else maps
        out = convolve(maps, self.conv1, self.bn1, self.relu1)
        return convolve(out, self.conv2, self.bn2, self.relu2, onto=around)


def _activation(name: str, channels: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(channels)
    return {"swish": nn.SiLU, "relu": nn.ReLU}[name](inplace=True)
