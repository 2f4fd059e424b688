from pathlib import Path

import av
import numpy as np
import pytest

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.talker import Talker
from lipscribe.video import Video, save_video


def moving_ramp(num_frames: int, height: int, width: int) -> np.ndarray:
    """Smooth grey frames (T, H, W) uint8, each unlike the next, that coding changes little."""
    y, x, t = np.ogrid[:height, :width, :num_frames]
    return np.moveaxis((40 + 60 * y / height + 60 * x / width + 8 * t), 2, 0).astype(np.uint8)


@pytest.mark.parametrize("fps", [25, 29.97, 12.5])
def test_round_trip_in_colour(tmp_path, fps):
    grey = moving_ramp(8, 48, 64)
    frames = np.stack([grey, 255 - grey, np.full_like(grey, 128)], axis=-1)
    save_video(tmp_path / "out.mp4", frames, fps)
    video = Video(tmp_path / "out.mp4", fps=fps)
    assert np.abs(video.read().astype(int) - frames).mean() < 3
    assert video.info.fps == pytest.approx(fps, rel=1e-4)
    assert (video.info.codec, video.info.pixel_format) == ("h264", "yuv420p")


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1), (96, 96)])
def test_round_trip_in_grey_with_odd_sizes_padded(tmp_path, size):
    grey = moving_ramp(6, *size)
    save_video(tmp_path / "out.mp4", (frame for frame in grey), 25)
    read = Video(tmp_path / "out.mp4").read()
    assert read.shape[1:3] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert np.abs(read[:, : size[0], : size[1]].astype(int) - grey[..., None]).mean() < 3
    assert np.abs(read[:, -1].astype(int) - read[:, size[0] - 1]).mean() < 3  # the last row is doubled, not black


def test_the_same_frames_are_the_same_bytes(tmp_path):
    parts = [Talker(920001).say("call my sister", duration=3.6, scene={"width": 360, "height": 288}).frames] * 2
    for name in ("one.mp4", "two.mp4", "three.mp4"):
        save_video(tmp_path / name, np.concatenate(parts), 25)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_frames_that_video_gives_can_be_saved(tmp_path):
    save_video(tmp_path / "one.mp4", moving_ramp(5, 32, 32), 25)
    save_video(tmp_path / "two.mp4", Video(tmp_path / "one.mp4"), 25)
    assert len(Video(tmp_path / "two.mp4").read()) == 5


def test_lower_crf_is_truer(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (5, 32, 32), np.uint8)
    errors = []
    for crf in (1, 40):
        save_video(tmp_path / "out.mp4", noise, 25, crf=crf)
        errors.append(np.abs(Video(tmp_path / "out.mp4").read()[..., 0].astype(int) - noise).mean())
    assert errors[0] < errors[1] / 4


def test_an_aborted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.mp4"
    save_video(path, moving_ramp(5, 32, 32), 25)
    before = path.read_bytes()

    def frames():
        yield from moving_ramp(3, 32, 32)
        assert len(list(tmp_path.iterdir())) == 2  # the part so far lies under another name
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_video(path, frames(), 25)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames; give at least one"),
        (np.zeros((0, 4, 4), np.uint8), "no frames; give at least one"),
        (np.zeros((3, 4, 4), np.float32), "frames are float32; convert them to uint8"),
        (np.zeros((4, 4, 3), np.uint8), r"frames are \(4, 4, 3\); give \(T, H, W, 3\)"),
        (np.zeros((2, 4, 4, 4), np.uint8), r"a frame is \(4, 4, 4\); give \(H, W, 3\)"),
        (np.zeros((2, 0, 4), np.uint8), r"a frame is \(0, 4\)"),
        ([np.zeros((4, 4), np.uint8), np.zeros((6, 4), np.uint8)], r"a frame is \(6, 4\), the first is \(4, 4\)"),
    ],
)
def test_frames_of_another_kind(tmp_path, frames, message):
    with pytest.raises(LipscribeError, match=message):
        save_video(tmp_path / "out.mp4", frames, 25)
    assert list(tmp_path.iterdir()) == []


def test_settings_out_of_range(tmp_path):
    with pytest.raises(ConfigError, match="fps is 0; give"):
        save_video(tmp_path / "out.mp4", moving_ramp(1, 4, 4), 0)
    with pytest.raises(ConfigError, match="crf is 52; give"):
        save_video(tmp_path / "out.mp4", moving_ramp(1, 4, 4), 25, crf=52)


def test_places_that_cannot_be_written(tmp_path):
    frames = moving_ramp(2, 4, 4)
    with pytest.raises(LipscribeError, match="a directory; name the video file"):
        save_video(tmp_path, frames, 25)
    with pytest.raises(LipscribeError, match=r"can't be written \(No such file or directory\); check that its folder"):
        save_video(tmp_path / "gone" / "out.mp4", frames, 25)
    (tmp_path / "file").touch()
    with pytest.raises(LipscribeError, match=r"can't be written .*check that its folder"):
        save_video(tmp_path / "file" / "out.mp4", frames, 25)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk without room is played by /dev/full")
def test_a_full_disk(tmp_path, monkeypatch):
    opened = av.open
    monkeypatch.setattr(av, "open", lambda _, *args, **options: opened("/dev/full", *args, **options))
    with pytest.raises(LipscribeError, match=r"can't be written .*has room"):
        save_video(tmp_path / "out.mp4", moving_ramp(2, 4, 4), 25)
    assert list(tmp_path.iterdir()) == []
