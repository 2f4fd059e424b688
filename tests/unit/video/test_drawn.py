"""A short clip is decoded once, while it is probed; where that can't be, it is read as a long one is."""

from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import HEIGHT, WIDTH, number_in, numbered, numbers_in, picture_of, write_source

import lipscribe.video.drawn
from lipscribe.errors import VideoError
from lipscribe.video import Video, probe, video
from lipscribe.video.blocks import BLOCK_BYTES, Blocks
from lipscribe.video.canvas import Canvas


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """What is opened to be decoded after the probe, a name each."""
    opened: list[str] = []
    read = video.read_pictures

    def counted(container, stream, damage, **options):
        opened.append(container.name)
        return read(container, stream, damage, **options)

    monkeypatch.setattr(video, "read_pictures", counted)
    return opened


def decoded_later(path: Path, monkeypatch, **options) -> tuple[np.ndarray, list[str], object]:
    """Frames, warnings and info of a clip that is not drawn while it is probed."""
    with monkeypatch.context() as patch:
        patch.setattr(lipscribe.video.drawn, "MAX_PICTURES", 0)
        late = Video(path, **options)
        assert late._probe.drawn is None
        return late.read(), late.warnings, late.info


@pytest.mark.parametrize(
    ("name", "options", "read"),
    [
        ("clip.mp4", {"bf": "2"}, {}),
        ("clip.avi", {"codec": "mpeg4", "bf": "2"}, {}),  # no times of display
        ("clip.mpg", {"codec": "mpeg1video"}, {}),
        ("clip.mp4", {"fps": 50}, {}),
        ("clip.mp4", {"fps": 16}, {}),
        ("clip.mkv", {"stamps_ms": [0, 40, 500, 540, *range(800, 4000, 100)]}, {}),
        ("clip.mp4", {"turn": (-90,)}, {"max_side": 48}),
        ("clip.mp4", {}, {"start": 0.4, "end": 1.0}),
    ],
    ids=["b-frames", "avi", "mpeg", "twice the rate", "slow", "variable", "turned and smaller", "range"],
)
def test_the_same_as_of_a_clip_that_is_decoded_later(tmp_path, monkeypatch, decoded, name, options, read):
    pictures = numbered(len(options.get("stamps_ms", range(40))))
    path = write_source(tmp_path / name, pictures, **options)
    frames, warnings, info = decoded_later(path, monkeypatch, **read)
    assert len(decoded) == 1
    short = Video(path, **read)
    np.testing.assert_array_equal(short.read(), frames)
    assert len(decoded) == 1
    assert (short.warnings, short.info) == (warnings, info)


def test_real_clips_are_the_same(grid_root, monkeypatch, decoded):
    for name in ("bbal7s.mpg", "bbaf2n.mp4"):
        path = grid_root / "video" / "s1" / name
        frames, *_ = decoded_later(path, monkeypatch)
        decoded.clear()
        np.testing.assert_array_equal(Video(path).read(), frames)
        assert not decoded


def test_interlaced_pictures_are_decoded_when_they_are_read(tmp_path, decoded):
    path = write_source(tmp_path / "tv.mp4", numbered(20), **{"x264-params": "interlaced=1"})
    assert len(list(Video(path))) == 20
    assert len(decoded) == 1


def test_pictures_of_several_sizes_are_decoded_when_they_are_read(tmp_path, decoded):
    parts = [numbered(5), [picture_of(255, 2 * HEIGHT, WIDTH)] * 5]
    data = [write_source(tmp_path / f"{idx}.ts", part, codec="mpeg2video") for idx, part in enumerate(parts)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in data))
    assert {frame.shape for frame in Video(path)} == {(2 * HEIGHT, WIDTH, 3)}
    assert len(decoded) == 1


def test_more_pictures_than_the_header_promises_are_decoded_when_they_are_read(tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(lipscribe.video.drawn, "MAX_PICTURES", 20)
    monkeypatch.setattr(
        lipscribe.video.drawn.DrawnClip, "of", lambda *given: lipscribe.video.drawn.DrawnClip(*given[-2:])
    )
    assert numbers_in(Video(write_source(tmp_path / "clip.mp4", numbered(40)))) == list(range(40))
    assert len(decoded) == 1


def test_what_has_no_room_is_decoded_when_it_is_read(tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(video, "KEEP_BYTES", 10 * HEIGHT * WIDTH * 3)
    assert numbers_in(Video(write_source(tmp_path / "clip.mp4", numbered(11)))) == list(range(11))
    assert len(decoded) == 1


def test_a_file_that_changed_since_is_read_as_it_is_now(tmp_path, decoded):
    path = write_source(tmp_path / "clip.mp4", numbered(12))
    clip = Video(path)
    write_source(tmp_path / "other.mp4", numbered(12)[::-1]).replace(path)
    assert numbers_in(clip) == list(range(12))[::-1]
    assert len(decoded) == 1


def test_a_file_that_is_gone_is_not_read_from_memory(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(12))
    clip = Video(path)
    assert clip._probe.drawn is not None
    path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        next(iter(clip))


def test_what_cannot_be_drawn_is_told_when_it_is_read(tmp_path, monkeypatch):
    def refuse(*_):
        raise av.error.InvalidDataError(22, "no such conversion")

    monkeypatch.setattr(Canvas, "draw", refuse)
    clip = Video(write_source(tmp_path / "clip.mp4", numbered(12)))
    with pytest.raises(VideoError, match=r"decoding failed \(no such conversion\)"):
        clip.read()


def test_a_probe_alone_draws_nothing(tmp_path):
    path = write_source(tmp_path / "clip.mp4", numbered(12))
    assert probe.probe(path).drawn is None


def test_blocks_hold_many_frames_in_one_array():
    blocks = Blocks()
    frames = [picture_of(number) for number in range(8)]
    copies = [blocks.copy(frame) for frame in frames]
    assert [number_in(copy) for copy in copies] == list(range(8))
    assert all(copy.base is copies[0].base for copy in copies)
    assert all(copy.flags.c_contiguous for copy in copies)
    turned = blocks.copy(frames[5].swapaxes(0, 1))  # another size begins another block
    np.testing.assert_array_equal(turned, frames[5].swapaxes(0, 1))
    assert turned.base is not copies[0].base


def test_a_frame_larger_than_a_block_has_one_of_its_own():
    blocks = Blocks()
    large = np.zeros((1, BLOCK_BYTES // 3 + 1, 3), np.uint8)
    first, second = blocks.copy(large), blocks.copy(large)
    first[:] = 1
    assert not second.any()
