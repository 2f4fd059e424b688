"""Model input and its augmentation: with every amount at 0 it changes nothing, and each amount keeps its limit."""

import numpy as np
import pytest
import torch

from lipscribe.transforms import NOISE_SIZE, Augment, AugmentConfig, add_noise, crops_to_video, normalise_frames

HEIGHT, WIDTH = 56, 80
OFF = {
    "rotation": 0.0,
    "scale": 0.0,
    "shift": 0.0,
    "flip": 0.0,
    "trim": 0.0,
    "time_warp": 0.0,
    "time_masks": 0,
    "cutout": 0.0,
    "brightness": 0.0,
    "noise": 0.0,
}


def augment(**amounts: float) -> Augment:
    return Augment(AugmentConfig(**OFF | amounts), HEIGHT, WIDTH)


def smooth_crops(num_frames: int, seed: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:96, :96]
    phases = np.random.default_rng(seed).uniform(0, 6, size=(num_frames, 2, 1, 1))
    waves = np.sin(columns / 9 + phases[:, 0]) + np.cos(rows / 7 + phases[:, 1])
    return (128 + 50 * waves).astype(np.uint8)


def numbered_crops(num_frames: int) -> np.ndarray:
    """Frame number n is bright in row 25 + n alone."""
    crops = np.zeros((num_frames, 96, 96), np.uint8)
    crops[np.arange(num_frames), 25 + np.arange(num_frames)] = 255
    return crops


def dot_crops(x: int, y: int) -> np.ndarray:
    rows, columns = np.mgrid[:96, :96]
    return (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)).astype(np.uint8)[None]


def dot_of(video: torch.Tensor) -> tuple[float, float]:
    """Where the bright dot lies, (x, y) from the middle of the picture."""
    weights = (video[0, 0] - video.min()).double() ** 4
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    total = weights.sum()
    x, y = float((weights * columns).sum() / total), float((weights * rows).sum() / total)
    return x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2


def test_the_middle_is_cut_out_and_each_frame_normalised_by_itself():
    crops = smooth_crops(4)
    crops[2] //= 3
    video = crops_to_video(crops, HEIGHT, WIDTH)
    assert (video.shape, video.dtype) == ((4, 1, HEIGHT, WIDTH), torch.float32)
    middle = crops[:, 20:76, 8:88].astype(float)
    expected = (middle - middle.mean((1, 2), keepdims=True)) / middle.std((1, 2), keepdims=True)
    np.testing.assert_allclose(video[:, 0], expected, atol=1e-5)
    assert torch.equal(crops_to_video(crops[2:3], HEIGHT, WIDTH)[0], video[2])


def test_fixed_normalisation_is_the_same_for_all_greys():
    crops = smooth_crops(3)
    video = crops_to_video(crops, 88, 88, "fixed")
    assert (video.shape, video.dtype) == ((3, 1, 88, 88), torch.float32)
    np.testing.assert_allclose(video[:, 0], (crops[:, 4:92, 4:92] / 255 - 0.421) / 0.165, atol=1e-5)
    assert torch.equal(crops_to_video(crops[:1], 88, 88, "fixed")[0], video[0])


def test_augmentation_follows_the_normalisation():
    crops = smooth_crops(3)
    plain = crops_to_video(crops, HEIGHT, WIDTH, "fixed")
    video, _ = Augment(AugmentConfig(**OFF), HEIGHT, WIDTH, "fixed")(crops, (0, 3), rng_of(0))
    torch.testing.assert_close(video, plain, atol=2e-4, rtol=0)
    for seed in range(10):
        video, _ = Augment(AugmentConfig(**OFF | {"cutout": 1.0}), HEIGHT, WIDTH, "fixed")(crops, (0, 3), rng_of(seed))
        covered = (video == 0).all(0)[0]  # 0 is the mean grey here too
        assert covered.sum() >= 16
        torch.testing.assert_close(video[:, 0, ~covered], plain[:, 0, ~covered], atol=2e-4, rtol=0)


def test_an_even_frame_becomes_zeros():
    assert not normalise_frames(torch.full((2, 1, 8, 8), 77.0)).any()


def test_with_every_amount_at_zero_nothing_changes():
    crops = smooth_crops(9)
    video, times = augment()(crops, (2.0, 6.0), np.random.default_rng(0))
    np.testing.assert_array_equal(times, np.arange(9))
    torch.testing.assert_close(video, crops_to_video(crops, HEIGHT, WIDTH), atol=2e-4, rtol=0)


def test_the_same_generator_gives_the_same_clip_and_another_another():
    crops, default = smooth_crops(20), Augment(AugmentConfig(), HEIGHT, WIDTH)
    one, other, third = (default(crops, (4.0, 15.0), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert one[0].shape != third[0].shape or not torch.equal(one[0], third[0])


def test_torchs_own_generator_is_left_alone():
    state = torch.get_rng_state()
    Augment(AugmentConfig(), HEIGHT, WIDTH)(smooth_crops(5), (0.0, 5.0), np.random.default_rng(0))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_frames_that_come_out_are_those_of_the_times():
    crops = numbered_crops(40)
    for seed in range(20):
        video, times = augment(trim=1, time_warp=0.5)(crops, (8.0, 30.0), np.random.default_rng(seed))
        assert len(video) == len(times)
        assert (video[:, 0].mean(-1).argmax(-1).numpy() + 20 - 25 == np.rint(times)).all()  # the view begins at row 20


def test_speed_changes_within_its_limit_and_only_silence_is_cut_off():
    lengths = set()
    for seed in range(60):
        video, times = augment(trim=1, time_warp=0.3)(numbered_crops(40), (8.0, 30.0), np.random.default_rng(seed))
        speeds = np.diff(times)
        assert speeds.min() >= 1 / 1.3 - 1e-9
        assert speeds.max() <= 1.3 + 1e-9
        assert 0 <= times[0] <= 7
        assert times[-1] + 1.3 >= 29
        assert times[-1] < 39.5
        lengths.add(len(video))
    assert len(lengths) > 8


def test_words_that_fill_the_clip_are_not_cut():
    for seed in range(20):
        _, times = augment(trim=1)(numbered_crops(30), (0.0, 30.0), np.random.default_rng(seed))
        assert (times[0], len(times)) == (0.0, 30)


def test_flip():
    crops = smooth_crops(3)
    mirrored, _ = augment(flip=1)(crops, (0.0, 3.0), np.random.default_rng(0))
    torch.testing.assert_close(mirrored, crops_to_video(crops, HEIGHT, WIDTH).flip(-1), atol=2e-4, rtol=0)
    flips = sum(
        not torch.allclose(augment(flip=0.5)(crops, (0.0, 3.0), np.random.default_rng(s))[0], mirrored, atol=1e-3)
        for s in range(100)
    )
    assert 30 < flips < 70


def test_shift_stays_within_its_limit_and_reaches_it():
    places = np.array([dot_of(augment(shift=5)(dot_crops(48, 48), (0, 1), rng_of(s))[0]) for s in range(80)])
    assert abs(places - 0.5).max() < 5.2
    assert abs(places - 0.5).max(0).min() > 4


def test_rotation_stays_within_its_limit_and_turns_about_the_middle():
    places = np.array([dot_of(augment(rotation=30)(dot_crops(72, 48), (0, 1), rng_of(s))[0]) for s in range(80)])
    angles = np.rad2deg(np.arctan2(places[:, 1], places[:, 0]))
    assert abs(angles).max() < 32
    assert angles.min() < -25
    assert angles.max() > 25
    np.testing.assert_allclose(np.hypot(*places.T), 24.5, atol=0.3)


def test_scale_stays_within_its_limit():
    places = np.array([dot_of(augment(scale=0.2)(dot_crops(72, 48), (0, 1), rng_of(s))[0]) for s in range(80)])
    ratios = places[:, 0] / 24.5
    most = 1.2**1.4  # the size, and its share of the aspect
    assert 1 / most - 0.02 < ratios.min() < 0.9
    assert 1.1 < ratios.max() < most + 0.02


def test_the_aspect_changes_by_two_fifths_of_the_scale():
    def sizes(seed: int) -> tuple[float, float]:
        """How far right and how far down two dots come to lie in the same view, in their distance from the middle."""
        right, down = (
            dot_of(augment(scale=0.2)(dot_crops(*at), (0, 1), rng_of(seed))[0]) for at in ((68, 48), (48, 68))
        )
        return right[0] / 20.5, down[1] / 20.5

    found = np.array([sizes(seed) for seed in range(80)])
    aspects, overall = found[:, 0] / found[:, 1], np.sqrt(found.prod(1))
    for values, most in ((aspects, 1.2 ** (2 * 0.4)), (overall, 1.2)):
        assert most * 0.97 < values.max() < most * 1.01
        assert 0.99 / most < values.min() < 1.03 / most


def test_brightness_keeps_the_order_of_greys():
    ramp = np.broadcast_to(np.linspace(10, 250, 96).astype(np.uint8), (1, 96, 96))
    plain = crops_to_video(ramp, HEIGHT, WIDTH)
    varied = [augment(brightness=0.5)(ramp, (0, 1), rng_of(s))[0] for s in range(10)]
    assert all((video[0, 0, 5].diff() >= 0).all() for video in varied)
    assert max(float((video - plain).abs().max()) for video in varied) > 0.2


def test_noise_stays_within_its_limit():
    crops = smooth_crops(4)
    plain = crops_to_video(crops, HEIGHT, WIDTH)
    deviations = [float((augment(noise=0.2)(crops, (0, 4), rng_of(s))[0] - plain).std()) for s in range(30)]
    assert 0.15 < max(deviations) < 0.205
    assert min(deviations) < 0.05


def test_time_masks_blank_out_stretches():
    blank_counts = []
    for seed in range(60):
        video, _ = augment(time_masks=2, time_mask_frames=4)(smooth_crops(30), (0, 30), rng_of(seed))
        blank = ~video.flatten(1).any(1)
        blank_counts.append(int(blank.sum()))
    assert max(blank_counts) == 8
    assert min(blank_counts) == 0


def test_cutout_covers_one_rectangle_throughout_the_clip():
    for seed in range(30):
        video, _ = augment(cutout=1)(smooth_crops(3), (0, 3), rng_of(seed))
        covered = (video == 0).all(0)[0]
        rows, columns = covered.any(1).sum(), covered.any(0).sum()
        assert 4 <= rows <= HEIGHT // 2
        assert 4 <= columns <= WIDTH // 2
        assert covered.sum() == rows * columns


def test_a_clip_of_one_frame():
    for seed in range(20):
        video, times = Augment(AugmentConfig(), HEIGHT, WIDTH)(smooth_crops(1), (0.0, 1.0), rng_of(seed))
        assert video.shape == (1, 1, HEIGHT, WIDTH)
        assert torch.isfinite(video).all()
        assert times.tolist() == [0.0]


@pytest.mark.parametrize("speech", [(50.0, 60.0), (8.0, 5.0)])
def test_word_times_beyond_the_clip_leave_a_frame_at_least(speech: tuple[float, float]):
    for seed in range(20):
        video, times = augment(trim=1)(numbered_crops(10), speech, rng_of(seed))
        assert len(video) == len(times) >= 1


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_noise_is_normal_and_another_for_each_start():
    videos = []
    for start in (0, 1000, NOISE_SIZE - 100):  # the last goes on with the beginning of the table
        video = torch.full((40, 1, 20, 30), 7.0)
        add_noise(video, start, 0.5)
        noise = (video - 7) / 0.5
        assert abs(float(noise.mean())) < 0.02
        assert float(noise.std()) == pytest.approx(1, abs=0.02)
        assert float((abs(noise) < 1).float().mean()) == pytest.approx(0.683, abs=0.01)
        videos.append(noise.flatten())
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(float(torch.corrcoef(torch.stack([videos[one], videos[other]]))[0, 1])) < 0.03
    torch.testing.assert_close(videos[2][100:], videos[0][:-100], atol=1e-5, rtol=0)


def test_warp_moves_the_parts_of_a_face_smoothly_and_alike_in_all_frames():
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8) * 2, (3, 96, 96))
    plain = crops_to_video(ramp, HEIGHT, WIDTH, "fixed")
    moved = []
    for seed in range(30):
        video, _ = Augment(AugmentConfig(**OFF | {"warp": 2.0}), HEIGHT, WIDTH, "fixed")(ramp, (0, 3), rng_of(seed))
        assert torch.equal(video[0], video[2])
        moved.append((video - plain)[0, 0] / float(plain.diff(dim=-1).mean()))  # pixels to the right
        assert float(moved[-1].diff(dim=0).abs().max()) < 1
    assert 1.4 < float(torch.stack(moved).std()) < 2.4


def test_shade_lights_all_frames_alike_and_smoothly():
    even = np.full((3, 96, 96), 100, np.uint8)
    logs = []
    for seed in range(30):
        video, _ = Augment(AugmentConfig(**OFF | {"shade": 0.3}), HEIGHT, WIDTH, "fixed")(even, (0, 3), rng_of(seed))
        assert torch.equal(video[0], video[2])
        logs.append(torch.log((video[0, 0] * 0.165 + 0.421) * 2.55))
        assert float(logs[-1].diff(dim=0).abs().max()) < 0.2
    assert 0.2 < float(torch.stack(logs).std()) < 0.4


def test_blur_takes_fine_detail_and_leaves_the_rest():
    def deviations(crops: np.ndarray) -> list[float]:
        videos = (augment(blur=1.5)(crops, (0, 2), rng_of(seed))[0] for seed in range(20))
        return [float((video - crops_to_video(crops, HEIGHT, WIDTH)).std()) for video in videos]

    fine = rng_of(0).integers(0, 256, (2, 96, 96)).astype(np.uint8)
    assert max(deviations(fine)) > 0.7
    assert max(deviations(smooth_crops(2))) < 0.2


@pytest.mark.parametrize("shift", [0.0, 48.0])
def test_a_view_is_that_of_the_whole_crop(shift: float):
    """Only the part of a crop that a view covers is sampled; beyond its border the last pixels repeat."""
    config = AugmentConfig(**OFF | {"rotation": 180.0, "scale": 0.9, "flip": 0.5, "shift": shift})
    varied, crops = Augment(config, HEIGHT, WIDTH), smooth_crops(2)
    for seed in range(30):
        view = varied._view(rng_of(seed))
        (top, bottom), (left, right), grid = varied._grid(view, (96, 96))
        part = torch.from_numpy(crops[:, top:bottom, left:right].astype(np.float32))
        options = {"padding_mode": "border", "align_corners": False}
        got = torch.nn.functional.grid_sample(part[None], grid, **options)[0]
        rows, columns = torch.meshgrid(torch.arange(HEIGHT) - 27.5, torch.arange(WIDTH) - 39.5, indexing="ij")
        places = torch.stack([columns, rows, torch.ones(HEIGHT, WIDTH)], -1).double() @ torch.from_numpy(view).T
        whole = torch.from_numpy(crops.astype(np.float64))[None]
        wanted = torch.nn.functional.grid_sample(whole, places[None] / 48, **options)[0]
        torch.testing.assert_close(got.double(), wanted, atol=0.01, rtol=0)
