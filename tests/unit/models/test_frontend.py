"""Folding frames into the batch, and the 3D first layer that is computed as a 2D one."""

import torch
from torch import nn

from lipscribe.models.frontend import ConvFrontend, PerFrame, frame_mask
from lipscribe.models.lipnet import LipNetFrontend
from lipscribe.models.resnet import ResNetFrontend


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
    for depth, channels in ((1, 1), (3, 1), (5, 1), (3, 4)):
        conv3d = nn.Conv3d(channels, 6, (depth, 5, 5), stride=(1, 2, 2), padding=(depth // 2, 2, 2))
        conv2d = nn.Conv2d(depth * channels, 6, 5, stride=2, padding=2)
        as_conv3d(conv2d, conv3d)
        video, lengths = torch.randn(2, 9, channels, 12, 14), torch.tensor([9, 4])
        ours = PerFrame(conv2d, depth)(video, lengths)
        for row, length in enumerate(lengths.tolist()):
            theirs = conv3d(video[row : row + 1, :length].transpose(1, 2)).transpose(1, 2)
            torch.testing.assert_close(ours[row : row + 1, :length], theirs, atol=1e-5, rtol=1e-5)


def as_conv3d(conv2d: nn.Conv2d, conv3d: nn.Conv3d) -> None:
    """Gives a convolution over stacked frames the weights of one in 3D."""
    conv2d.weight.data = conv3d.weight.data.transpose(1, 2).flatten(1, 2)  # (out, depth * in, height, width)
    conv2d.bias.data = conv3d.bias.data


def published_lipnet() -> nn.Sequential:
    """The table of LipNet's paper, written out in 3D convolutions, for (B, C, T, 50, 96)."""
    pool = nn.MaxPool3d((1, 2, 2))
    return nn.Sequential(
        *(nn.Conv3d(1, 32, (3, 5, 5), (1, 2, 2), (1, 2, 2)), nn.ReLU(), pool),
        *(nn.Conv3d(32, 64, (3, 5, 5), 1, (1, 2, 2)), nn.ReLU(), pool),
        *(nn.Conv3d(64, 96, (3, 3, 3), 1, (1, 1, 1)), nn.ReLU(), pool),
    )


@torch.inference_mode()
def test_instance_norm_removes_the_contrast_of_each_frame():
    torch.manual_seed(0)
    video, lights = torch.randn(2, 6, 1, 24, 32), torch.tensor([3.0, 0.5])[:, None, None, None, None]
    with torch.inference_mode():
        for number, same in ((0, False), (1, True), (2, True)):
            net = ConvFrontend((8, 8), 1, "flatten", 16, 24, 32, 0.0, instance_norm=number).eval()
            torch.testing.assert_close(net(video * lights)[0, 2], net(video * lights)[:, :4][0, 2])
            assert torch.allclose(net(video), net(video * lights), atol=1e-3) == same


@torch.inference_mode()
def test_clip_norm_tells_how_a_frame_differs_from_its_clip():
    torch.manual_seed(0)
    net = ConvFrontend((8, 8), 1, "flatten", 16, 24, 32, 0.0, clip_norm=True).eval()
    video = torch.randn(2, 7, 1, 24, 32)
    out = net(video, torch.tensor([7, 4]))
    for row, length in enumerate((7, 4)):
        alone = net(video[row : row + 1, :length])
        torch.testing.assert_close(out[row : row + 1, :length], alone)
        assert torch.allclose(alone.mean(1), torch.zeros(16), atol=1e-5)
        assert (alone.var(1, correction=0) <= 1).all() and alone.var(1, correction=0).max() > 0.8
    assert (out[1, 4:] == 0).all()
    assert (net(video[:, :1]) == 0).all()  # one frame alone differs from nothing


def test_the_lipnet_frontend_is_the_published_stack_of_3d_convolutions():
    torch.manual_seed(0)
    theirs, ours = published_lipnet(), LipNetFrontend((32, 64, 96), 50, 96, dropout=0.5).eval()
    for layer, conv3d in zip(ours.layers, [m for m in theirs if isinstance(m, nn.Conv3d)], strict=True):
        as_conv3d(layer.net[0], conv3d)
    video = torch.randn(2, 6, 1, 50, 96)
    out = ours(video, torch.tensor([6, 4]))
    assert ours.out_features == out.shape[2] == 96 * 3 * 6  # as published, where the input is 50 x 100
    for row, length in enumerate((6, 4)):
        maps = theirs(video[row : row + 1, :length].transpose(1, 2)).transpose(1, 2)  # (1, T, 96, 3, 6)
        torch.testing.assert_close(out[row : row + 1, :length], maps.flatten(2), atol=1e-5, rtol=1e-4)


def test_lipnets_dropout_takes_a_channel_of_a_whole_clip():
    torch.manual_seed(0)
    frontend = LipNetFrontend((4, 6, 8), 16, 16, dropout=0.5)
    for weights in frontend.parameters():
        weights.data.abs_()  # so that no ReLU leaves a channel dark
    out = frontend(torch.rand(3, 5, 1, 16, 16), torch.tensor([5, 5, 5])).unflatten(2, (8, -1)).flatten(3)
    dark = (out == 0).all(-1)  # (B, T, C)
    assert dark.any()
    assert not dark.all()
    assert torch.equal(dark, dark[:, :1].expand_as(dark))


def test_the_resnet_has_as_many_weights_as_resnet_18():
    frontend = ResNetFrontend((64, 128, 256, 512), 5, "average", features=10, height=24, width=24, dropout=0.0)
    tail = 512 * 10 + 10 + 2 * 10
    # ResNet-18 has 11 689 512, of which 513 000 classify. Its stem looks at 3 colours, ours at 5 grey frames.
    published = 11_689_512 - 513_000 - 64 * 3 * 49 + 64 * 5 * 49
    assert sum(weights.numel() for weights in frontend.parameters()) == published + tail


def test_frame_mask():
    assert frame_mask(torch.tensor([3, 0, 1]), 3).int().tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0]]
