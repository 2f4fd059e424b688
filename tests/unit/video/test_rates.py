"""How fast pictures follow each other, by time stamps that are few, out of order or absurd."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import numbered, numbers_in, picture_of, write_source

from lipscribe.video import Video, probe_video

CLOSED = {"x264-params": "keyint=48:min-keyint=48:scenecut=0:bframes=3:b-pyramid=normal:open-gop=0"}


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
@pytest.mark.parametrize("group", [48, 250, 37])
def test_the_end_of_what_is_looked_at_is_no_gap(tmp_path, name, group):
    """A group of pictures goes on there, and some of its B-frames are shown before what was read already."""
    options = {"x264-params": CLOSED["x264-params"].replace("48", str(group))}
    video = Video(write_source(tmp_path / name, [picture_of(k % 256) for k in range(300)], **options))
    assert (video.info.fps, video.info.variable_fps, video.info.num_frames) == (25, False, 300)
    assert video.info.duration == pytest.approx(12, abs=0.001)
    assert numbers_in(video) == [k % 256 for k in range(300)]
    assert not video.warnings


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@pytest.mark.parametrize("count", [75, 400])
def test_a_program_stream_names_the_times_of_some_pictures(tmp_path, codec, count):
    path = write_source(
        tmp_path / "clip.mpg", [picture_of(k % 256) for k in range(count)], codec=codec, bf="2", g="12", b="100k"
    )
    with av.open(str(path)) as container:
        container.flags &= ~av.container.Flags.gen_pts.value
        assert any(packet.pts is None for packet in container.demux(video=0) if packet.size)
    video = Video(path)
    assert (video.info.fps, video.info.variable_fps) == (25, False)
    if count < 250:  # else it is libav's estimate
        assert video.info.duration == pytest.approx(count / 25)
    out_of_place = np.abs(np.array(numbers_in(video)) - np.arange(count) % 256)
    assert len(out_of_place) == count
    assert out_of_place.max() <= 2  # libav guesses some times wrongly, by a picture or two,
    assert np.count_nonzero(out_of_place) <= 0.06 * count  # and so for one group of pictures
    assert not video.warnings


def test_slow_at_the_end_is_measured_to_the_end(tmp_path):
    """A screen recording that slows down after what a probe reads."""
    stamps = [40 * k for k in range(260)] + [10_400 + 1000 * k for k in range(40)]
    path = write_source(tmp_path / "screen.mp4", [picture_of(k % 256) for k in range(300)], stamps_ms=stamps, bf="0")
    info = probe_video(path)
    assert info.variable_fps
    assert info.num_frames == 300
    assert info.fps == pytest.approx(300 / 50.4, rel=0.02)
    assert info.duration == pytest.approx(50.4, abs=1.1)


def claim_rate(path: Path, scale: int, rate: int) -> Path:
    """Makes the headers of an AVI file claim `rate / scale` pictures a second."""
    data = bytearray(path.read_bytes())
    strh = data.index(b"strh")
    data[strh + 28 : strh + 36] = struct.pack("<II", scale, rate)
    avih = data.index(b"avih")
    data[avih + 8 : avih + 12] = struct.pack("<I", min(2**32 - 1, 1_000_000 * scale // rate))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("scale", "rate", "count", "said"),
    [(12_124_161, 7193, 58, "0.0005933"), (10, 1, 58, "0.1"), (10, 1, 300, "0.1"), (1, 50_000, 58, "5e+04")],
)
def test_an_absurd_rate_is_named_and_25_assumed(tmp_path, scale, rate, count, said):
    path = write_source(tmp_path / "held.avi", [picture_of(k % 256) for k in range(count)], codec="mpeg4")
    video = Video(claim_rate(path, scale, rate))
    assert (video.info.fps, video.info.num_frames) == (25, count)
    assert video.info.duration == pytest.approx(count / 25)
    assert numbers_in(video) == [k % 256 for k in range(count)]
    assert len(video.warnings) == 1
    assert video.warnings[0].startswith(f"{said} pictures a second by its time stamps, which no camera films: 25 were")


@pytest.mark.parametrize(("rate", "told"), [(240, False), (900, True)])
def test_a_rate_of_hundreds_is_believed_and_told(tmp_path, rate, told):
    path = write_source(tmp_path / "fast.avi", numbered(200), codec="mpeg4")
    video = Video(claim_rate(path, 1, rate))
    assert video.info.fps == rate
    assert (f"{rate} pictures a second by its time stamps, so that it lasts" in " ".join(video.warnings)) == told


def test_a_slow_camera_is_believed(tmp_path):
    video = Video(write_source(tmp_path / "slow.mp4", numbered(4), fps=Fraction(1, 2)))
    assert numbers_in(video) == [k for k in range(4) for _ in range(50)]
    assert video.info.fps == 0.5


def test_a_picture_that_is_held_is_drawn_for_5_seconds(tmp_path):
    stamps = [0, 40, 80, 120, 160, 9160, 9200, 9240]
    video = Video(write_source(tmp_path / "held.mkv", numbered(8), stamps_ms=stamps, bf="0"))
    frames = list(video)
    held = [k for k, frame in enumerate(frames) if frame is frames[5]]
    assert held == list(range(4, 4 + 5 * 25 + 1))
    assert frames[200].max() == 0
    assert numbers_in(video)[-3:] == [5, 6, 7]
    assert "no new picture for long, 1 times, first from 0.16 to 9.16 s" in video.warnings[0]
