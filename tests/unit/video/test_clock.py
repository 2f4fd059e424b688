"""Times count from the file's start, as a player's do: sound first, long gaps, damaged stamps, a range of time."""

from fractions import Fraction
from pathlib import Path

import pytest
from numbered_videos import numbered, numbers_in, picture_of, write_source, write_with_sound

import lipscribe.video.video
from lipscribe.errors import ConfigError
from lipscribe.video import Video, probe_video
from lipscribe.video.decode import read_pictures

LATE = Fraction(13, 25)


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("late.mp4", "libx264", "aac"),
        ("late.mov", "libx264", "aac"),
        ("late.mkv", "libx264", "flac"),
        ("late.webm", "libvpx", "libopus"),
        ("late.ts", "libx264", "mp2"),
        ("late.mpg", "mpeg2video", "mp2"),
        ("late.flv", "libx264", "aac"),
    ],
)
def test_pictures_that_begin_after_the_sound_keep_their_times(tmp_path, name, codec, sound):
    video = Video(write_with_sound(tmp_path / name, numbered(50), LATE, codec=codec, sound=sound))
    numbers = numbers_in(video)
    # Encoders of sound begin up to 25 ms before it, and containers count from there.
    late = numbers.index(1) - 1
    assert late in (13, 14)
    assert numbers[: late + 50] == [0] * late + list(range(50))
    assert numbers[late + 50 :] in ([], [49])
    assert video.info.start == pytest.approx(float(LATE), abs=0.03)
    assert video.info.duration == pytest.approx(float(LATE) + 2, abs=0.03)
    assert video.info.num_frames == 50
    assert video.info.fps == 25
    assert not video.warnings  # above all, nothing was cut off


def test_sound_that_begins_long_before_the_pictures_is_black(tmp_path):
    video = Video(write_with_sound(tmp_path / "late.mp4", numbered(50), Fraction(70)))
    frames = list(video)
    assert len(frames) == 72 * 25
    assert all(frame is frames[0] for frame in frames[: 65 * 25])
    assert frames[0].max() == 0
    assert numbers_in(video)[70 * 25 :] == list(range(50))
    assert len(video.warnings) == 1
    assert "no new picture for long, 1 times, first from 0.00 to 70.00 s" in video.warnings[0]


def test_a_whole_file_that_begins_late_begins_at_0(tmp_path):
    path = write_source(tmp_path / "late.mkv", numbered(20), stamps_ms=[5000 + 40 * k for k in range(20)])
    video = Video(path)
    assert numbers_in(video) == list(range(20))
    assert video.info.start == 0
    assert not video.warnings


@pytest.mark.parametrize("name", ["off.mp4", "off.mkv", "off.ts"])
def test_a_long_gap_that_the_length_confirms_is_believed(tmp_path, name):
    sound = "mp2" if name == "off.ts" else "aac"
    path = write_with_sound(tmp_path / name, numbered(50), Fraction(0), sound=sound, gap=(25, Fraction(90)))
    video = Video(path)
    numbers, frames = numbers_in(video), list(video)
    assert numbers.index(26) == pytest.approx(91 * 25 + 1, abs=1)
    assert numbers[numbers.index(26) :][:24] == list(range(26, 50))
    assert len({id(frame) for frame in frames}) == 51  # drawn once each, and one black
    assert numbers.count(24) == pytest.approx(5 * 25, abs=2)  # held for 5 s, then black
    assert frames[50 * 25].max() == 0
    assert video.info.fps == 25
    assert not video.info.variable_fps
    assert video.info.duration == pytest.approx(92, abs=0.05)
    assert [text.partition(" from ")[0] for text in video.warnings] == ["no new picture for long, 1 times, first"]


def test_a_gap_beyond_what_a_probe_reads(tmp_path):
    pictures = [picture_of(k % 256) for k in range(400)]
    path = write_with_sound(tmp_path / "off.mp4", pictures, Fraction(0), gap=(300, Fraction(20)))
    info = probe_video(path)
    assert (info.fps, info.num_frames) == (25, 400)
    assert info.duration == pytest.approx(36, abs=0.05)
    assert numbers_in(Video(path))[-100:] == [k % 256 for k in range(300, 400)]


def write_range(path: Path, **options: str) -> Path:
    return write_source(path, [picture_of(k % 256) for k in range(600)], **options)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
def test_a_range_of_time_is_that_of_the_whole(tmp_path, name):
    path = write_range(tmp_path / name, g="50")
    whole = numbers_in(Video(path))
    for start, end in [(0, 1), (0.5, 1.02), (15.01, 16), (22, None), (23.96, 100)]:
        video = Video(path, start=start, end=end)
        first = next(i for i in range(1000) if i / 25 >= start - 1e-6)
        stop = len(whole) if end is None else min(len(whole), next(i for i in range(3000) if i / 25 >= end - 1e-6))
        assert video.first_frame == first
        assert numbers_in(video) == whole[first:stop]
        assert video.duration == pytest.approx((stop - first) / 25, abs=0.021)
        assert not video.warnings


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_a_part_of_an_open_video_is_that_range(tmp_path, name):
    video = Video(write_range(tmp_path / name, g="50"))
    for start, end in [(15.01, 16), (0.5, 1.02), (22, 100)]:
        part, again = video.part(start, end), Video(video.info.path, start=start, end=end)
        assert part.first_frame == again.first_frame
        assert numbers_in(part) == numbers_in(again)
        assert numbers_in(part) == numbers_in(again)  # read a second time
    assert len(numbers_in(video)) == 600
    for start, end in [(-1, 1), (2, 2), (24, 25)]:
        with pytest.raises(ConfigError, match="give a range of it"):
            video.part(start, end)


def test_a_range_is_reached_without_decoding_what_lies_before(tmp_path, monkeypatch):
    path = write_range(tmp_path / "clip.mp4", g="50")
    video = Video(path, start=20, end=21)
    damages = []

    def counted(container, stream, damage, **kinds):
        damages.append(damage)
        return read_pictures(container, stream, damage, **kinds)

    monkeypatch.setattr(lipscribe.video.video, "read_pictures", counted)
    assert numbers_in(video) == [k % 256 for k in range(500, 525)]
    assert damages[0].num_pictures < 150


def test_what_is_no_range_is_refused(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(25))
    for start, end in [(-1, None), (1, 1), (2, 1), (float("inf"), None), (float("nan"), None)]:
        with pytest.raises(ConfigError, match="give a start from 0 and an end after it"):
            Video(path, start=start, end=end)
    with pytest.raises(ConfigError, match=r"start is 1 s, but its pictures end at 1\.00 s"):
        Video(path, start=1)
