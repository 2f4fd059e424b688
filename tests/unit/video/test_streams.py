"""Which of several streams is read, and streams that turn up within a file."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import HEIGHT, WIDTH, number_in, numbered, numbers_in, picture_of, write_source

from lipscribe.errors import ConfigError
from lipscribe.video import Video, probe_video
from lipscribe.video.decode import MAX_FAILURES, Damage, read_packets
from lipscribe.video.source import open_video

Draw = Callable[[int], np.ndarray | None]


def write_streams(path: Path, *draw: Draw, count: int = 50, default: int | None = None) -> Path:
    """A file with a video stream for each function, which draws picture k or none."""
    with av.open(str(path), "w") as container:
        streams = []
        for idx, one in enumerate(draw):
            stream = container.add_stream("mpeg4", rate=25, options={"b": "2M", "bf": "0"})
            stream.height, stream.width = one(0).shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default if idx == default else av.stream.Disposition(0)
            streams.append(stream)
        for k in range(count):
            for stream, one in zip(streams, draw, strict=True):
                if (picture := one(k)) is not None:
                    frame = av.VideoFrame.from_ndarray(picture)
                    frame.pts, frame.time_base = k, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def small(k: int) -> np.ndarray:
    return picture_of(k)


def large_still(k: int) -> np.ndarray:
    return picture_of(77, 2 * HEIGHT, 2 * WIDTH)


def large_slide(k: int) -> np.ndarray | None:
    return picture_of(k, 2 * HEIGHT, 2 * WIDTH) if k % 25 == 0 else None


def large_pumping(k: int) -> np.ndarray:
    """A still whose key pictures, one in 12, are compressed otherwise than those between."""
    return np.clip(picture_of(77, 2 * HEIGHT, 2 * WIDTH), 30, 200) - np.uint8(25 if k % 12 == 0 else 0)


def small_repeated(k: int) -> np.ndarray:
    return picture_of(k // 4)


def large(k: int) -> np.ndarray:
    return picture_of(k, 2 * HEIGHT, 2 * WIDTH)


@pytest.mark.parametrize("still", [large_still, large_slide])
@pytest.mark.parametrize("name", ["two.avi", "two.mkv", "two.mp4"])
def test_the_stream_that_moves_is_read_and_the_other_named(tmp_path, name, still):
    path = write_streams(tmp_path / name, still, small, default=0)
    video = Video(path)
    assert video.info.stream == 1
    assert numbers_in(video) == list(range(50))
    assert video.warnings == [
        "of several video streams 1 (mpeg4, 96x64) is read, not 0 (mpeg4, 192x128); choose with --stream"
    ]
    assert probe_video(path).width == WIDTH


def test_a_still_may_flicker_and_a_speaker_may_be_repeated(tmp_path):
    video = Video(write_streams(tmp_path / "two.mkv", large_pumping, small_repeated, default=0))
    assert video.info.stream == 1


def test_of_those_that_move_the_default_one_else_the_largest(tmp_path):
    assert Video(write_streams(tmp_path / "a.mkv", small, large)).info.stream == 1
    assert Video(write_streams(tmp_path / "b.mkv", small, large, default=0)).info.stream == 0


def test_a_stream_can_be_chosen(tmp_path):
    path = write_streams(tmp_path / "two.mkv", large_still, small)
    video = Video(path, stream=0)
    assert (video.info.width, number_in(video.read()[-1])) == (2 * WIDTH, 77)
    assert probe_video(path, 0).width == 2 * WIDTH
    with pytest.raises(ConfigError, match=r"no video stream 7; .* 0 \(mpeg4, 192x128\), 1 \(mpeg4, 96x64\)$"):
        Video(path, stream=7)


def test_one_stream_is_named_by_nothing(tmp_path):
    assert not Video(write_source(tmp_path / "one.mp4", numbered(5))).warnings


class _NewStream:
    """A container in which a further stream turns up after some packets, as PyAV has it."""

    def __init__(self, container, after: int, always: bool = False):
        self._container, self._after, self._always = container, after, always
        self.num_calls = 0

    def demux(self, stream):
        self.num_calls += 1
        if self._always:
            raise IndexError("list index out of range")
        for num_packets, packet in enumerate(self._container.demux(stream), start=1):
            yield packet
            if num_packets == self._after and self.num_calls == 1:
                raise IndexError("list index out of range")


def test_a_stream_that_turns_up_within_the_file_ends_nothing(tmp_path):
    damage = Damage()
    with open_video(write_source(tmp_path / "clip.ts", numbered(30))) as (container, stream):
        packets = list(read_packets(_NewStream(container, after=10), stream, damage))
    assert len(packets) == 30
    assert damage.warnings() == [
        "damaged, or joined from several: a further stream turns up within the file and is not read"
    ]


def test_a_demuxer_that_only_fails_comes_to_an_end(tmp_path):
    with open_video(write_source(tmp_path / "clip.ts", numbered(5))) as (container, stream):
        failing = _NewStream(container, 0, always=True)
        assert list(read_packets(failing, stream, Damage())) == []
    assert failing.num_calls == MAX_FAILURES


def test_a_transport_stream_in_which_sound_begins_late(tmp_path):
    """PyAV fails at the end of such a file, or not, by what lies in its memory."""
    first = write_source(tmp_path / "first.ts", numbered(200), codec="mpeg2video")
    with av.open(str(tmp_path / "second.ts"), "w") as container, av.open(str(first)) as source:
        stream = container.add_stream_from_template(source.streams.video[0])
        sound = container.add_stream("mp2", rate=48000)
        offset = 8 * 90_000
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, packet.pts + offset, packet.dts + offset
                container.mux(packet)
        for start in range(0, 5 * 48000, 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152 * 2), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48000, 8 * 48000 + start
            container.mux(sound.encode(frame))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + (tmp_path / "second.ts").read_bytes())
    assert numbers_in(Video(path)) == [*range(200), *range(200)]
