"""Interlaced pictures that are not marked as such."""

import itertools

import av
import numpy as np
import pytest
from numbered_videos import write_source

from lipscribe.video import Video
from lipscribe.video.interlacing import WovenDetector

SIZE = 96


def moment(time: float, seed: int = 0, noise: float = 0) -> np.ndarray:
    """A blurred disc that swings over a smooth ground, at a time in s."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    x, y = SIZE * (0.5 + 0.3 * np.sin(7 * time)), SIZE * (0.5 + 0.1 * np.cos(5 * time))
    disc = 1 / (1 + np.exp((np.hypot(rows - y, columns - x) - 20) / 1.5))
    grey = 60 + 40 * np.sin(columns / 9) + 120 * disc
    grey = grey + np.random.default_rng((seed, round(1e6 * time))).normal(0, noise, grey.shape) if noise else grey
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def whole(count: int, noise: float = 0) -> list[np.ndarray]:
    return [moment(k / 25, noise=noise) for k in range(count)]


def woven(count: int, top_first: bool, noise: float = 0) -> list[np.ndarray]:
    """25 pictures a second of two moments each."""
    pictures = []
    for k in range(count):
        early, late = moment(k / 25, noise=noise), moment((k + 0.5) / 25, noise=noise)
        picture = late.copy()
        picture[0 if top_first else 1 :: 2] = early[0 if top_first else 1 :: 2]
        pictures.append(picture)
    return pictures


def order_of(pictures: list[np.ndarray]) -> str | None:
    detector = WovenDetector()
    for picture in pictures:
        detector.push(av.VideoFrame.from_ndarray(picture))
    return detector.field_order()


@pytest.mark.parametrize("noise", [0, 3])
def test_which_half_comes_first(noise):
    assert order_of(woven(20, True, noise)) == "tff"
    assert order_of(woven(20, False, noise)) == "bff"


@pytest.mark.parametrize("noise", [0, 3, 20])
def test_whole_pictures_are_left_alone(noise):
    assert order_of(whole(20, noise)) is None


def test_stripes_and_what_stands_still_are_no_weaving():
    striped = whole(20)
    for picture in striped:
        picture[::2] //= 2
    assert order_of(striped) is None
    assert order_of(woven(1, True) * 20) is None
    random = np.random.default_rng(0).integers(0, 255, (20, SIZE, SIZE, 3), np.uint8)
    assert order_of(list(random)) is None


@pytest.mark.parametrize("noise", [0, 3])
@pytest.mark.parametrize("cadence", [(2,), (1, 2), (2, 3), (1, 1, 1, 2)])  # 25 in 50; 24 in 36 (rare), 60, 30
def test_whole_pictures_that_are_repeated_are_left_alone(cadence, noise):
    pictures = whole(20, noise)
    repeated = [
        picture for picture, times in zip(pictures, itertools.cycle(cadence), strict=False) for _ in range(times)
    ]
    assert order_of(repeated) is None


def test_repeated_pictures_that_were_compressed_are_left_alone(tmp_path):
    pictures = [picture for picture in whole(30, noise=2) for _ in range(2)]
    assert not Video(write_source(tmp_path / "call.mp4", pictures, 50, crf="23")).info.interlaced


def test_real_clips_are_whole(grid_root):
    for path in itertools.islice(sorted((grid_root / "video" / "s1").glob("*.mpg")), 8):
        assert not Video(path).info.interlaced


def test_a_size_that_changes_is_looked_at_as_far_as_it_lasts():
    pictures = [
        picture for pair in zip(woven(9, True), [p[:48] for p in woven(9, True)], strict=True) for picture in pair
    ]
    assert order_of(pictures) is None


@pytest.mark.parametrize("top_first", [True, False])
def test_woven_pictures_are_deinterlaced_and_told(tmp_path, top_first):
    path = write_source(tmp_path / "tv.mp4", woven(40, top_first), crf="12")
    video = Video(path)
    assert video.info.interlaced
    assert "interlaced and not marked as such" in video.warnings[0]
    frames = video.read().astype(int)
    assert len(frames) == 40

    truth, drawn = (np.stack(pictures).astype(int)[2:-2] for pictures in (whole(40), woven(40, top_first)))
    moving = np.abs(truth - drawn) > 10
    assert np.abs(truth - frames[2:-2])[moving].mean() < 0.3 * np.abs(truth - drawn)[moving].mean()


def test_whole_pictures_come_out_as_they_are(tmp_path):
    path = write_source(tmp_path / "clip.mp4", whole(30))
    video = Video(path)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(video.read(), plain)
    assert not video.info.interlaced
    assert not video.warnings
