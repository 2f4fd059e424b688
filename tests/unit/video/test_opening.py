"""Addresses, animated WebP and encrypted files."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import numbered, numbers_in, picture_of, write_source
from PIL import Image

from lipscribe.errors import VideoError
from lipscribe.video import Video, probe_video


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """Where `tmp_path` is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_video_at_an_address(tmp_path, address):
    write_source(tmp_path / "clip.mp4", numbered(20))
    video = Video(f"{address}/clip.mp4")
    assert video.info.path == f"{address}/clip.mp4"
    assert numbers_in(video) == list(range(20))
    assert not video.warnings


def test_what_cannot_be_fetched_is_told_in_one_line(tmp_path, address, capfd):
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    for url, message in [
        (f"{address}/gone.mp4", "can't be fetched .*404.*; check the address and the network, or download it first"),
        (f"{address}/text.mp4", "can't be fetched .*; check the address"),
        ("http://127.0.0.1:1/clip.mp4", "can't be fetched .*; check the address"),
        ("unknown://clip.mp4", "can't be fetched .*; check the address"),
    ]:
        with pytest.raises(VideoError, match=message) as caught:
            Video(url)
        assert str(caught.value).startswith(url)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def write_webp(path: Path, durations_ms: list[int]) -> Path:
    pictures = [Image.fromarray(picture_of(k)) for k in range(len(durations_ms))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations_ms, lossless=True)
    return path


def test_animated_webp(tmp_path):
    video = Video(write_webp(tmp_path / "clip.webp", [40] * 20))
    assert numbers_in(video) == list(range(20))
    assert (video.info.codec, video.info.fps, video.info.duration) == ("webp", 25, pytest.approx(0.8))
    np.testing.assert_array_equal(video.read()[5], picture_of(5))
    assert not video.warnings


def test_pictures_of_a_webp_stay_as_long_as_they_say(tmp_path):
    assert numbers_in(Video(write_webp(tmp_path / "clip.webp", [40, 200, 80, 120]))) == [
        0,
        1,
        1,
        1,
        2,
        2,
        2,
        3,
        3,
        3,
        3,
    ]


def test_still_or_damaged_webp_is_told(tmp_path):
    Image.fromarray(picture_of(1)).save(tmp_path / "still.webp")
    with pytest.raises(VideoError, match=r"a still picture or a text .*give a video file"):
        Video(tmp_path / "still.webp")
    path = write_webp(tmp_path / "cut.webp", [40] * 20)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(VideoError, match=r"cut\.webp: an animated WebP that can't be read .*convert it to MP4"):
        Video(path)


def test_an_encrypted_file_is_called_so(tmp_path, capfd):
    key = "00112233445566778899aabbccddeeff"
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
    path = tmp_path / "locked.mp4"
    with (
        av.open(str(write_source(tmp_path / "clip.mp4", numbered(20)))) as clip,
        av.open(str(path), "w", options=options) as container,
    ):
        stream = container.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    for read in (probe_video, Video):
        with pytest.raises(VideoError, match=r"locked\.mp4: encrypted: .*without the key; decrypt it first"):
            read(path)
    assert capfd.readouterr() == ("", "")
