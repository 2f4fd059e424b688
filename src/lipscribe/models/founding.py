"""The founding program on one screen: convolutions on each frame, flattened, into an LSTM.

    frames            [batch, frames, height, width, channels]
    fold              [batch * frames, height, width, channels]      the frames become part of the batch
    convolve          [batch * frames, height', width', filters]     the same layer on every frame
    unfold, flatten   [batch, frames, height' * width' * filters]    each feature map becomes one vector
    LSTM              [batch, frames, units]                         reads the sequence

`docs/architecture.md` describes how the lip readers extend it.
"""

from torch import Tensor, nn


class ConvLSTM(nn.Module):
    """A convolution on each frame of a video, and an LSTM over the frames.

    Args:
        height, width, channels: Size of a frame.
        filters: Filters of the 3x3 convolution (no padding: a map is 2 smaller each way).
        units: Units of the LSTM.
    """

    def __init__(self, height: int, width: int, channels: int, filters: int, units: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, kernel_size=3)
        self.lstm = nn.LSTM((height - 2) * (width - 2) * filters, units, batch_first=True)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (B, T, H, W, C) float -> (B, T, units) float: the output of the LSTM at each frame."""
        batch, num_frames = frames.shape[:2]
        images = frames.flatten(0, 1).permute(0, 3, 1, 2)  # (B*T, C, H, W): torch is channels-first
        maps = self.conv(images)  # (B*T, filters, H-2, W-2)
        # Height, width, filters in this order, so the flattened vector equals that of a channels-last framework.
        vectors = maps.permute(0, 2, 3, 1).flatten(1)  # (B*T, (H-2)*(W-2)*filters)
        out, _ = self.lstm(vectors.unflatten(0, (batch, num_frames)))  # (B, T, units)
        return out


def build_conv_lstm(height: int = 10, width: int = 10, channels: int = 3, filters: int = 5, units: int = 9) -> ConvLSTM:
    """Builds the founding program: `build_conv_lstm()(torch.rand(2, 7, 10, 10, 3)).shape == (2, 7, 9)`."""
    return ConvLSTM(height, width, channels, filters, units)
