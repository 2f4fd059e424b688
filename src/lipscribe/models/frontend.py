"""Convolutional frontends: frames -> one feature vector per frame.

Shapes: B batch, T frames, C channels, H W pixels, D features.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipscribe.models.device import moved

CLIP_NORM_FLOOR = 0.01  # of the variance: features that never change stay near zero, instead of being all noise


class PerFrame(nn.Module):
    """Applies an image network to every frame of a video: the frames are folded into the batch and unfolded again.

    (B, T, C, H, W) -> fold -> (B*T, C, H, W) -> net -> (B*T, ...) -> unfold -> (B, T, ...)

    With lengths, only valid frames are folded, so padding costs nothing, is excluded from batch statistics, and gives
    zeros.

    Args:
        net: Takes (N, C, H, W).
        neighbours: Odd; above 1, `net` gets each frame stacked with its temporal neighbours as channels, which makes a
            first 2D convolution a 3D one of this depth.
    """

    def __init__(self, net: nn.Module, neighbours: int = 1):
        super().__init__()
        self.net = net
        self.neighbours = neighbours

    def forward(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """(B, T, C, H, W) and optionally (B,) int64 valid frames -> (B, T, ...): the output of `net` for each frame."""
        return per_frame(self.net, video, video_lengths, self.neighbours)


def per_frame(
    net: Callable[[Tensor], Tensor], video: Tensor, video_lengths: Tensor | None = None, neighbours: int = 1
) -> Tensor:
    """(B, T, C, H, W) -> (B, T, ...): the functional form of `PerFrame`.

    With lengths on the CPU nothing waits for a GPU: the number of valid frames, a shape, is known there.
    """
    batch, num_frames = video.shape[:2]
    if video_lengths is None:
        video = stack_neighbours(video, neighbours) if neighbours > 1 else video
        out = net(video.flatten(0, 1))  # (B*T, ...)
        return out.unflatten(0, (batch, num_frames))
    valid = frame_mask(video_lengths, num_frames).flatten().nonzero()  # (N, 1): N is the sum of lengths
    out = net(_with_neighbours(video, valid, video_lengths, neighbours))  # (N, ...)
    unfolded = out.new_zeros(batch * num_frames, *out.shape[1:])
    indices = moved(valid[:, 0], out.device)
    return unfolded.index_copy(0, indices, out).unflatten(0, (batch, num_frames))


def _with_neighbours(video: Tensor, frames: Tensor, lengths: Tensor, number: int) -> Tensor:
    """Frames stacked with their temporal neighbours as channels, with zeros beyond the ends of the clip.

    (B, T, C, H, W) and N frames (N, 1), counted over the batch -> (N, number * C, H, W), earliest first, the frame
    itself in the middle.
    """
    num_frames = video.shape[1]
    steps = torch.arange(number, device=frames.device) - number // 2
    positions = frames % num_frames + steps  # (N, number), in the clip
    absent = (positions < 0) | (positions >= lengths[frames // num_frames])
    indices = moved((frames + steps).masked_fill_(absent, 0).flatten(), video.device)
    stacked = video.flatten(0, 1).index_select(0, indices)  # (N * number, C, H, W)
    if number > 1:
        beyond = moved(absent.flatten().nonzero()[:, 0], video.device)
        stacked = stacked.index_fill(0, beyond, 0) if stacked.requires_grad else stacked.index_fill_(0, beyond, 0)
    return stacked.unflatten(0, (len(frames), number)).flatten(1, 2)


class ConvFrontend(nn.Module):
    """Convolutions on each frame, with each feature map flattened to one vector.

    Args:
        channels: Output channels of each convolution; each halves the height and the width.
        stem_frames: Temporal depth of the first convolution: 1 is a 2D network, an odd number n a 3D first layer. A 3D
            convolution over grey video is computed as a 2D one over n neighbouring frames stacked as channels.
        pooling: "flatten" flattens height, width and channels; "average" takes one mean per channel.
        features: Size of the output vector.
        height, width: Input size in pixels, needed to flatten.
        dropout: Dropout probability of the flattened map.
        instance_norm: Number of first convolutions whose maps are normalised frame by frame and channel by channel
            (Ulyanov et al., 2016, arXiv 1607.08022) instead of by the batch, which removes light and skin.
        clip_norm: Whether the vectors are normalised over the frames of their clip (see `normalise_over_clip`), or of
            what is read at once: a stretch of a long film, a window of a live one.
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
        instance_norm: int = 0,
        clip_norm: bool = False,
    ):
        super().__init__()
        self.out_features = features
        self.clip_norm = clip_norm
        layers: list[nn.Module] = []
        size_in = stem_frames
        for i, size_out in enumerate(channels):
            kernel = 5 if i == 0 else 3
            layers += [
                nn.Conv2d(size_in, size_out, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.InstanceNorm2d(size_out, affine=True) if i < instance_norm else nn.BatchNorm2d(size_out),
                nn.ReLU(inplace=True),
            ]
            size_in = size_out
            height, width = (height + 1) // 2, (width + 1) // 2
        layers += feature_layers(size_in, height, width, pooling, features, dropout)
        self.frames = PerFrame(nn.Sequential(*layers), stem_frames)

    def forward(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """(B, T, 1, H, W) float and (B,) int64 valid frames, None for all -> features (B, T, D); zeros in padding."""
        features = self.frames(video, video_lengths)
        return normalise_over_clip(features, video_lengths) if self.clip_norm else features


def normalise_over_clip(features: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Normalises each feature over the frames of its clip.

    So features tell how a mouth differs from what it does in the mean, whoever's mouth it is, as the features of sound
    do in speech recognition (cepstral mean and variance normalisation; Viikki and Laurila, 1998).

    Args:
        features: (B, T, D), zeros in padding.
        lengths: (B,) int64 valid frames; None for all.

    Returns:
        (B, T, D) of mean 0 and deviation 1 in each clip; zeros in padding.
    """
    padding = padding_mask(lengths, features)
    count = features.shape[1] if padding is None else (~padding).sum(1, keepdim=True).clamp(min=1)
    centred = without(padding, features - features.sum(1, keepdim=True) / count)
    return centred / (centred.square().sum(1, keepdim=True) / count + CLIP_NORM_FLOOR).sqrt()


def feature_layers(
    channels: int, height: int, width: int, pooling: str, features: int, dropout: float
) -> list[nn.Module]:
    """The layers from maps (N, channels, height, width) to vectors (N, features); see `ConvFrontend`."""
    layers: list[nn.Module] = []
    if pooling == "average":
        layers.append(nn.AdaptiveAvgPool2d(1))
        height = width = 1
    return [
        *layers,
        nn.Flatten(),  # (N, C, H, W) -> (N, C*H*W)
        nn.Dropout(dropout),
        nn.Linear(channels * height * width, features),
        nn.LayerNorm(features),
        nn.ReLU(inplace=True),
    ]


def stack_neighbours(video: Tensor, num_frames: int) -> Tensor:
    """Stacks each frame of whole clips with its temporal neighbours as channels, with zeros beyond the ends.

    (B, T, C, H, W) -> (B, T, num_frames * C, H, W), earliest first, the frame itself in the middle.
    """
    reach = num_frames // 2
    padded = nn.functional.pad(video, (0, 0, 0, 0, 0, 0, reach, reach))
    return torch.cat([padded[:, i : i + video.shape[1]] for i in range(num_frames)], dim=2)


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """(B,) valid frames -> (B, num_frames) bool, true for valid frames."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]


def padding_mask(lengths: Tensor | None, features: Tensor) -> Tensor | None:
    """(B,) int64 lengths of features (B, T, D) -> (B, T, 1) bool, true in padding; None without lengths."""
    if lengths is None:
        return None
    return ~frame_mask(moved(lengths, features.device), features.shape[1])[:, :, None]


def without(padding: Tensor | None, features: Tensor) -> Tensor:
    """Features (B, T, D) with zeros in padding, see `padding_mask`."""
    return features if padding is None else features.masked_fill(padding, 0)
