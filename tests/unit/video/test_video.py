"""Reading videos: each test picture carries its own number, so that the frames that come out can be named.

Long: every module of `video` that has no test file of its own is tested here.
"""

import gc
import os
import re
import socket
import struct
import weakref
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import HEIGHT, WIDTH, number_in, numbered, numbers_in, picture_of, write_sound, write_source

import lipscribe.video.video
from lipscribe.errors import ConfigError, VideoError
from lipscribe.video import Video, canvas, probe_video
from lipscribe.video.read_ahead import BATCH, BATCHES_AHEAD


def nearest(times: Sequence[Fraction | float], end: Fraction | float, fps: int = 25) -> list[int]:
    """By brute force: for each i / fps before the end, the picture nearest in time, of two equally near the later."""
    ticks = [Fraction(i, fps) for i in range(10_000) if Fraction(i, fps) < end]
    return [min(range(len(times)), key=lambda k: (abs(times[k] - tick), -k)) for tick in ticks]


# Which picture is shown when


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])  # exact times; times rounded to the millisecond
@pytest.mark.parametrize("fps", [10, 16, 24, 25, Fraction(30000, 1001), 30, 50, 60], ids=str)
def test_frames_are_the_pictures_nearest_in_time(tmp_path, fps, suffix):
    count = round(3 * fps)
    video = Video(write_source(tmp_path / f"clip.{suffix}", numbered(count), fps))
    times = [Fraction(k) / fps for k in range(count)]
    assert numbers_in(video) == nearest(times, Fraction(count) / fps)
    assert video.info.fps == pytest.approx(float(fps), abs=1e-6)
    assert not video.info.variable_fps
    assert video.info.num_frames == count
    assert video.info.duration == pytest.approx(count / fps, abs=1e-3)


def test_a_source_at_the_wanted_rate_comes_out_as_it_is(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(75))
    video = Video(path)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(video.read(), plain)
    assert video.warnings == []


@pytest.mark.parametrize("seed", range(3))
def test_variable_rate(tmp_path, seed):
    gaps = np.random.default_rng(seed).integers(11, 200, size=60) // 2 * 2 + 1  # odd: no tick falls halfway
    stamps = [0, *np.cumsum(gaps).tolist()]
    video = Video(write_source(tmp_path / "clip.mkv", numbered(61), stamps_ms=stamps))
    times = [Fraction(stamp, 1000) for stamp in stamps]
    expected = nearest(times, times[-1])  # how long the last one stays is not in the file
    assert numbers_in(video)[: len(expected)] == expected
    assert len(numbers_in(video)) - len(expected) <= 4
    assert video.info.variable_fps
    assert video.info.fps == pytest.approx(60 / float(times[-1]), rel=1e-3)


def test_a_picture_that_stays_for_long_is_held_until_the_next_is_due(tmp_path):
    video = Video(write_source(tmp_path / "screen.mkv", numbered(4), stamps_ms=[0, 40, 2040, 2080]))
    assert numbers_in(video) == [0] + [1] * 50 + [2, 3]


def test_the_last_picture_stays_as_long_as_the_file_says(tmp_path):
    path = tmp_path / "screen.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        for idx, (stamp, duration) in enumerate([(0, 1), (1, 1), (2, 5), (7, 10)]):
            frame = av.VideoFrame.from_ndarray(picture_of(idx))
            frame.pts, frame.time_base = stamp, Fraction(1, 25)
            for packet in stream.encode(frame):
                packet.duration = duration
                container.mux(packet)
    assert numbers_in(Video(path)) == [0, 1] + [2] * 3 + [3] * 12


def test_slow_further_on_than_the_probe_reads(tmp_path):
    stamps = [40 * k for k in range(255)]
    path = tmp_path / "screen.mp4"
    write_source(path, numbered(257), stamps_ms=[*stamps, stamps[-1] + 5000, 20_000], bf="0")
    info = probe_video(path)
    assert info.variable_fps
    assert info.duration == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("start_ms", [5000, -400])
def test_time_counts_from_the_first_picture(tmp_path, start_ms):
    path = tmp_path / "late.nut"
    write_source(path, numbered(10), stamps_ms=[start_ms + 40 * k for k in range(10)], codec="mpeg4")
    assert numbers_in(Video(path)) == list(range(10))


def claim_duration(path: Path, written_ms: int, claimed_ms: int) -> None:
    """Makes the header of a Matroska file of under a minute or of whole hours claim another length."""

    def forms(ms: int) -> tuple[bytes, bytes]:
        tag = f"{ms // 3_600_000:02}:00:{ms % 60_000 // 1000:02}.{ms % 1000:03}000000"
        return struct.pack(">d", ms), tag.encode()

    data = path.read_bytes()
    for written, claimed in zip(forms(written_ms), forms(claimed_ms), strict=True):
        assert written in data
        data = data.replace(written, claimed)
    path.write_bytes(data)


def test_a_damaged_time_stamp_makes_no_hours_of_frames(tmp_path):
    stamps = [0, 40, 80] + [36_000_000 + 40 * k for k in range(3, 8)]
    path = write_source(tmp_path / "jump.mkv", numbered(8), stamps_ms=stamps, bf="0")
    claim_duration(path, 36_000_320, 320)  # else the file's length confirms the jump
    video = Video(path)
    assert numbers_in(video) == list(range(8))
    assert video.info.fps == 25
    assert video.info.duration < 1
    assert any("time stamps jump" in text and "at 0.08 s" in text for text in video.warnings)


def test_raw_stream_without_time_stamps(tmp_path):
    video = Video(write_source(tmp_path / "raw.h264", numbered(30), fps=50))
    assert numbers_in(video) == list(range(0, 30, 2))
    assert video.info.num_frames == 30
    assert video.info.duration == pytest.approx(0.6)
    assert any("no time stamps: 50 pictures a second were assumed" in text for text in video.warnings)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_b_frames_has_no_presentation_times(tmp_path, codec):
    video = Video(write_source(tmp_path / "clip.avi", numbered(40), codec=codec, bf="2"))
    assert numbers_in(video) == list(range(40))
    assert video.warnings == []


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("clip.webm", "libvpx", "yuv420p"),
        ("clip.mov", "libx264", "yuv422p"),
        ("clip.mpg", "mpeg1video", "yuv420p"),
        ("clip.ts", "mpeg2video", "yuv420p"),
        ("clip.gif", "gif", "rgb8"),
        ("clip.flv", "libx264", "yuv420p"),
        ("grey.mp4", "libx264", "gray"),
        ("grey10.mkv", "ffv1", "gray10le"),
        ("deep.mp4", "libx264", "yuv420p10le"),
        ("alpha.mkv", "ffv1", "bgra"),
        ("full.mp4", "libx264", "yuvj420p"),
        ("palette.mov", "qtrle", "rgb24"),
    ],
)
def test_containers_and_pixel_formats(tmp_path, name, codec, pixel_format):
    path = write_source(tmp_path / name, numbered(12), codec=codec, pixel_format=pixel_format)
    frames = Video(path).read()
    assert frames.dtype == np.uint8
    assert [number_in(frame) for frame in frames] == list(range(12))
    black_and_white = frames[5][np.ix_([16, 48], [12, 36])]  # white, black over black, black
    assert black_and_white[0, 0].min() > 245
    assert black_and_white[1].max() < 10


# The shape of the picture


@pytest.mark.parametrize(
    ("turn", "rotation", "upright"),
    [
        ((-90,), 90, lambda picture: np.rot90(picture, -1)),
        ((90,), 270, np.rot90),
        ((180,), 180, lambda picture: picture[::-1, ::-1]),
        ((0, True), 0, lambda picture: picture[:, ::-1]),
        ((0, False, True), 180, lambda picture: picture[::-1]),
        ((-90, True), 270, lambda picture: np.rot90(picture, -1)[:, ::-1]),
    ],
    ids=["portrait", "portrait the other way", "upside down", "mirrored", "flipped", "portrait, mirrored"],
)
def test_display_rotation(tmp_path, turn, rotation, upright):
    path = write_source(tmp_path / "phone.mp4", [picture_of(0b00110101)] * 3, turn=turn)
    video = Video(path)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_array_equal(video.read()[0], upright(stored))
    assert video.info.rotation == rotation
    assert (video.info.height, video.info.width) == video.read().shape[1:3]


@pytest.mark.parametrize("aspect", [Fraction(2, 1), Fraction(1, 2)])
def test_anamorphic_pictures_get_square_pixels(tmp_path, aspect):
    video = Video(write_source(tmp_path / "dv.mp4", numbered(5), aspect=aspect))
    assert video.read().shape == (5, HEIGHT, int(WIDTH * aspect), 3)
    assert (video.info.width, video.info.height) == (int(WIDTH * aspect), HEIGHT)
    assert numbers_in(video) == list(range(5))


def test_turned_anamorphic_picture_is_scaled_before_it_is_turned(tmp_path):
    video = Video(write_source(tmp_path / "dv.mp4", numbered(5), aspect=Fraction(2, 1), turn=(-90,)))
    assert video.read().shape == (5, WIDTH * 2, HEIGHT, 3)


def test_large_pictures_are_made_smaller_and_small_ones_are_not_made_larger(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(5))
    assert Video(path, max_side=48).read().shape == (5, 32, 48, 3)
    assert numbers_in(Video(path, max_side=48)) == list(range(5))
    assert Video(path, max_side=4000).read().shape == (5, HEIGHT, WIDTH, 3)
    assert Video(path, max_side=48).info.width == WIDTH


def test_odd_size(tmp_path):
    pictures = [np.full((35, 51, 3), 200, np.uint8)] * 3
    video = Video(write_source(tmp_path / "odd.mkv", pictures, codec="ffv1", pixel_format="bgr0"))
    np.testing.assert_array_equal(video.read(), pictures)


def write_sizes(path: Path, *parts: tuple[int, list[np.ndarray]]) -> Path:
    """One raw stream of several sizes, joined from parts."""
    data = [
        write_source(path.with_name(f"{idx}.h264"), pictures, g=str(group)).read_bytes()
        for idx, (group, pictures) in enumerate(parts)
    ]
    path.write_bytes(b"".join(data))
    return path


def test_size_that_grows_is_drawn_at_the_largest_that_lasts(tmp_path):
    tall = [picture_of(255, 2 * HEIGHT, WIDTH)] * 5
    path = write_sizes(tmp_path / "both.h264", (12, numbered(5)), (12, tall))
    video = Video(path)
    frames = video.read()
    assert frames.shape == (10, 2 * HEIGHT, WIDTH, 3)
    assert (video.info.width, video.info.height) == (WIDTH, 2 * HEIGHT)
    assert [number_in(frame[32:96]) for frame in frames[:5]] == list(range(5))  # 96 x 64 pixels in the middle
    assert frames[2, :32].max() == frames[2, 96:].max() == 0
    assert frames[7].min() > 240
    assert any("5 pictures were fitted into 96x128" in text for text in video.warnings)


def test_a_size_that_is_there_for_a_moment_is_not_drawn_at(tmp_path):
    large = [picture_of(255, 4 * HEIGHT, 4 * WIDTH)]
    video = Video(write_sizes(tmp_path / "moment.h264", (4, numbered(60)), (12, large)))
    assert video.read().shape == (61, HEIGHT, WIDTH, 3)


def test_the_size_of_a_long_file_is_that_of_its_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(canvas, "SHORT", 1.0)
    path = tmp_path / "call.ts"
    small = write_source(tmp_path / "small.ts", numbered(50), codec="mpeg2video", g="10")
    large = write_source(tmp_path / "large.ts", [picture_of(9, 128, 192)] * 200, codec="mpeg2video", g="10")
    with av.open(str(path), "w") as container:
        stream = None
        for source, offset in ((small, 0), (large, 2 * 90_000)):
            with av.open(str(source)) as part:
                stream = stream or container.add_stream_from_template(part.streams.video[0])
                for packet in part.demux(video=0):
                    if packet.size:
                        packet.stream, packet.pts, packet.dts = stream, packet.pts + offset, packet.dts + offset
                        container.mux(packet)
    video = Video(path)
    assert (video.info.width, video.info.height) == (192, 128)
    assert {frame.shape for frame in video} == {(128, 192, 3)}


def combing(frame: np.ndarray) -> float:
    """How much neighbouring rows differ: high where two moments are woven into one picture."""
    return np.abs(np.diff(frame[..., 1].astype(int), axis=0)).mean()


@pytest.mark.parametrize("turn", [None, (180,)])
def test_interlaced_pictures_are_deinterlaced_one_for_one(tmp_path, turn):
    pictures = [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(20)]
    for idx, picture in enumerate(pictures):
        for field in (0, 1):  # the bar moves on by 4 pixels between the two half pictures
            picture[field::2, 8 * (idx % 8) + 4 * field :][:, :16] = 255
    woven = {"x264-params": "interlaced=1"}
    video = Video(write_source(tmp_path / "tv.mp4", pictures, turn=turn, **woven))
    frames = video.read()
    assert video.info.interlaced
    assert len(frames) == 20
    assert max(combing(frame) for frame in frames) < 0.4 * min(combing(picture) for picture in pictures)
    if turn is not None:
        upright = Video(write_source(tmp_path / "tv2.mp4", pictures, **woven)).read()
        np.testing.assert_array_equal(frames, upright[:, ::-1, ::-1])


# Which stream is read


def test_the_default_video_stream_is_read_else_the_largest(tmp_path):
    def write(path: Path, default: int | None) -> Path:
        with av.open(str(path), "w") as container:
            sound = container.add_stream("aac", rate=44100)
            streams = []
            for idx, size in enumerate([(48, 32), (WIDTH, HEIGHT)]):
                stream = container.add_stream("ffv1", rate=25)
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
                stream.disposition = av.stream.Disposition.default if idx == default else av.stream.Disposition(0)
                streams.append(stream)
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(picture_of(1, stream.height, stream.width))
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            write_sound(container, sound, 0.2)
        return path

    info = probe_video(write(tmp_path / "two.mkv", default=None))
    assert (info.width, info.height, info.has_audio) == (WIDTH, HEIGHT, True)
    assert probe_video(write(tmp_path / "first.mkv", default=0)).width == 48


def test_probe_tells_what_the_file_is(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(12), pixel_format="yuv420p10le")
    info = probe_video(str(path))
    assert info.path == str(path)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p10le")
    assert not (info.has_audio or info.interlaced or info.rotation)
    assert info.pixel_aspect == 1


def test_strange_names_and_foreign_metadata(tmp_path, monkeypatch):
    path = tmp_path / "12:30 %03d ü.mkv"
    write_source(path, numbered(3)).write_bytes(path.read_bytes().replace(b"Lavf", b"\xe9\xff\xfe\xe8"))
    monkeypatch.chdir(tmp_path)
    assert numbers_in(Video(path.name)) == [0, 1, 2]


# Reading again, and in little memory


def test_a_small_clip_is_decoded_once(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(12))
    video = Video(path)
    first = list(video)
    path.unlink()
    assert all(one is other for one, other in zip(first, video, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        first[0][:] = 0


def test_a_large_one_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lipscribe.video.video, "KEEP_BYTES", 10 * HEIGHT * WIDTH * 3)
    video = Video(write_source(tmp_path / "clip.mp4", numbered(12)))
    assert numbers_in(video) == numbers_in(video) == list(range(12))
    assert next(iter(video)) is not next(iter(video))
    short = Video(write_source(tmp_path / "short.mp4", numbered(10)))
    assert all(one is other for one, other in zip(list(short), short, strict=True))


def test_what_is_long_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lipscribe.video.video, "KEEP_BYTES", 10 * HEIGHT * WIDTH * 3)
    path = write_source(tmp_path / "clip.mp4", numbered(12))
    long, smaller = Video(path), Video(path, max_side=max(HEIGHT, WIDTH) // 2)
    for _ in range(2):
        assert (long.is_long, smaller.is_long) == (True, False)
        assert numbers_in(long) == list(range(12))
        assert len(list(smaller)) == 12


def test_memory_does_not_grow_with_length(tmp_path, monkeypatch):
    monkeypatch.setattr(lipscribe.video.video, "KEEP_BYTES", 10 * HEIGHT * WIDTH * 3)
    drawn: list = []
    draw = lipscribe.video.video.Canvas.draw

    def tracked(canvas, frame):
        picture = draw(canvas, frame)
        drawn.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(lipscribe.video.video.Canvas, "draw", tracked)
    video = Video(write_source(tmp_path / "clip.mp4", numbered(200)))
    for most_at_first in (11, 2):  # the second time it is known to be long
        for idx, _ in enumerate(video):
            assert sum(ref() is not None for ref in drawn) <= (2 if idx > 10 else most_at_first) + BATCH * (
                BATCHES_AHEAD + 1
            )


def test_decoded_pictures_go_at_once_and_wait_for_no_garbage_collector(tmp_path, monkeypatch):
    monkeypatch.setattr(lipscribe.video.video, "KEEP_BYTES", 0)

    def num_pictures() -> int:
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    video = Video(write_source(tmp_path / "clip.mp4", numbered(100)))
    gc.collect()
    gc.disable()
    try:
        before = num_pictures()
        most = max(num_pictures() for idx, _ in enumerate(video) if idx % 20 == 19)
    finally:
        gc.enable()
    assert most - before < 20  # each would be there still


def test_an_abandoned_pass_closes_the_file_and_keeps_nothing(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(120))
    video = Video(path)
    files = Path("/proc/self/fd")

    def num_open() -> int:
        return sum(os.path.realpath(entry) == str(path.resolve()) for entry in files.iterdir())

    if not files.exists():
        pytest.skip("counting open files takes /proc")
    frames = iter(video)
    next(frames)
    assert num_open() == 1
    del frames
    assert num_open() == 0
    assert numbers_in(video) == list(range(120))


def test_two_passes_at_once(tmp_path):
    video = Video(write_source(tmp_path / "clip.mp4", numbered(12)))
    pairs = [(number_in(one), number_in(other)) for one, other in zip(video, video, strict=True)]
    assert pairs == [(number, number) for number in range(12)]


# Damage: what is there is read, and the user is told


def test_rate_under_the_wanted_one_is_told(tmp_path):
    path = write_source(tmp_path / "slow.mp4", numbered(16), fps=16)
    assert any("16 pictures a second, where 25 are wanted" in text for text in Video(path).warnings)
    assert Video(path, fps=16).warnings == []


@pytest.mark.parametrize(
    ("name", "codec", "told"),
    [
        ("cut.mkv", "libx264", r"1\.\d+ s were read of the 3\.00 s"),
        ("cut.mp4", "libx264", r"1\.\d+ s were read of the 3\.00 s"),
        ("cut.mpg", "mpeg1video", r"cut off in picture \d+"),
    ],
)
def test_cut_off_in_the_middle(tmp_path, capfd, name, codec, told):
    noise = np.random.default_rng(0).integers(0, 60, (75, HEIGHT, WIDTH, 3), np.uint8)  # or headers are half the file
    path = write_source(tmp_path / name, list(np.maximum(noise, numbered(75))), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    video = Video(path)
    numbers = numbers_in(video)
    assert 15 < len(numbers) < 60
    assert numbers[:-4] == list(range(len(numbers) - 4))  # near the cut, B-frames or half a picture may be gone
    assert len(set(numbers)) >= video.info.num_frames - 1  # no whole picture is lost
    assert re.search(told, " ".join(video.warnings))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [("clip.mp4", "damaged: packets lost or incomplete"), ("clip.ts", "some are missing, lost to damage")],
)
def test_damaged_in_the_middle(tmp_path, capfd, name, told):
    path = write_source(tmp_path / name, numbered(75), codec="mpeg4", g="12")
    data = bytearray(path.read_bytes())
    middle = slice(len(data) // 2, len(data) // 2 + 800)
    data[middle] = np.random.default_rng(0).bytes(800)
    path.write_bytes(data)
    video = Video(path)
    numbers = numbers_in(video)
    assert len(numbers) == 75  # later pictures keep their times
    assert numbers[:20] == list(range(20))
    assert numbers[-10:] == list(range(65, 75))
    assert any(told in text for text in video.warnings)
    assert capfd.readouterr().err == ""


# What is no video


def make_directory(path: Path) -> None:
    path.mkdir()


def make_mp4_without_index(path: Path) -> None:
    whole = write_source(path.with_name("whole.mov"), numbered(20)).read_bytes()  # its index comes last
    path.write_bytes(whole[: len(whole) // 2])


def make_song(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        write_sound(container, container.add_stream("aac", rate=44100), 0.3)


def make_song_with_cover(path: Path) -> None:
    with av.open(str(path), "w", format="mp3") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        write_sound(container, container.add_stream("mp3", rate=44100), 0.3)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture_of(1))))
        container.mux(cover.encode(None))


def make_undecodable(path: Path) -> None:
    write_source(path, numbered(5), codec="ffv1")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for packet in packets:
        data = data.replace(packet, b"\xff" * len(packet))
    path.write_bytes(data)


def make_photo(path: Path) -> None:
    with av.open(str(path.with_suffix(".png")), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture_of(1))))
    path.with_suffix(".png").rename(path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("gone.mp4", lambda path: None, "no such file; check"),
        ("folder.mp4", make_directory, "a directory, not a video file; name a file in it"),
        ("pipe.mp4", os.mkfifo, "a pipe or device, not a file; save"),
        ("empty.mp4", Path.touch, r"empty \(0 bytes\), not a video; copy"),
        ("text.mp4", lambda path: path.write_text("hello\n" * 100), "not a video that FFmpeg can read .*ffmpeg -i"),
        ("text.txt", lambda path: path.write_text("hello\n" * 100), "a still picture or a text .*give a video file"),
        ("photo.mp4", make_photo, "a still picture or a text .*give a video file"),
        ("cut.mov", make_mp4_without_index, "an MP4 without its index, so it was cut off .*copy it again"),
        ("song.mp4", make_song, "holds sound but no pictures; give a video"),
        ("song.mp3", make_song_with_cover, "holds sound but no pictures; give a video"),
        ("undecodable.mkv", make_undecodable, r"no picture of it can be decoded \(Invalid data.*re-encode it"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, capfd, name, make, message):
    path = tmp_path / name
    make(path)
    for read in (probe_video, Video):
        with pytest.raises(VideoError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_no_permission(tmp_path, monkeypatch):
    path = write_source(tmp_path / "secret.mp4", numbered(2))

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # `chmod` doesn't stop root, whom tests often run as
    with pytest.raises(VideoError, match=r"no permission to read it; allow it with `chmod \+r`"):
        Video(path)


def test_a_playlist_reaches_no_network(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path = tmp_path / "list.m3u8"
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n")
        with pytest.raises(VideoError, match=r"list\.m3u8: "):
            Video(path)
        with pytest.raises(BlockingIOError):  # nobody called
            server.accept()


def test_a_file_that_vanishes(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(2))
    video = Video(path)
    path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        video.read()


def test_settings_out_of_range(tmp_path):
    for fps in (0, -25, float("nan")):
        with pytest.raises(ConfigError, match=r"fps is .*give a rate over 0"):
            Video(tmp_path / "any.mp4", fps=fps)
    with pytest.raises(ConfigError, match="max_side is 0; give"):
        Video(tmp_path / "any.mp4", max_side=0)


# Real clips


@pytest.mark.parametrize(("name", "codec"), [("bbal7s.mpg", "mpeg1video"), ("bbaf2n.mp4", "h264")])
def test_grid_clips(grid_root, name, codec):
    video = Video(grid_root / "video" / "s1" / name)
    assert video.read().shape == (75, 288, 360, 3)
    assert (video.info.fps, video.info.duration, video.info.num_frames, video.info.codec) == (25, 3, 75, codec)
    assert video.warnings == []
