"""Folding frames into the batch, and the 3D first layer that is computed as a 2D one."""

import torch
from torch import nn

from lipscribe.models.frontend import PerFrame, frame_mask, stack_neighbours


def test_per_frame_is_the_network_applied_to_each_frame():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    video = torch.randn(2, 5, 3, 6, 7)
    by_hand = torch.stack([torch.stack([net(video[b, t][None])[0] for t in range(5)]) for b in range(2)])
    torch.testing.assert_close(PerFrame(net)(video), by_hand)
    folded = PerFrame(net)(video, torch.tensor([5, 2]))
    torch.testing.assert_close(folded[0], by_hand[0])
    torch.testing.assert_close(folded[1, :2], by_hand[1, :2])
    assert not folded[1, 2:].any()


def test_per_frame_keeps_maps_as_they_are():
    assert PerFrame(nn.Conv2d(3, 4, 3))(torch.randn(2, 5, 3, 6, 7)).shape == (2, 5, 4, 4, 5)


def test_per_frame_computes_only_the_frames_that_exist():
    seen = []
    net = nn.Identity()
    net.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    PerFrame(net)(torch.randn(3, 10, 1, 4, 4), torch.tensor([10, 2, 1]))
    assert seen == [13]


def test_stacked_neighbours_and_a_2d_convolution_are_a_3d_convolution():
    torch.manual_seed(0)
    for depth in (1, 3, 5):
        conv3d = nn.Conv3d(1, 6, (depth, 5, 5), stride=(1, 2, 2), padding=(depth // 2, 2, 2))
        conv2d = nn.Conv2d(depth, 6, 5, stride=2, padding=2)
        conv2d.weight.data, conv2d.bias.data = conv3d.weight.data[:, 0], conv3d.bias.data
        video, lengths = torch.randn(2, 9, 1, 12, 14), torch.tensor([9, 4])
        ours = PerFrame(conv2d)(stack_neighbours(video, lengths, depth), lengths)
        for row, length in enumerate(lengths.tolist()):
            theirs = conv3d(video[row : row + 1, :length].transpose(1, 2)).transpose(1, 2)
            torch.testing.assert_close(ours[row : row + 1, :length], theirs, atol=1e-5, rtol=1e-5)


def test_frame_mask():
    assert frame_mask(torch.tensor([3, 0, 1]), 3).int().tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0]]
