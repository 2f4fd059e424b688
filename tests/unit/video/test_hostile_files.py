"""Files made to do harm: lists of other files, decompression bombs, endless clocks."""

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from numbered_videos import numbered, write_source

from lipscribe.errors import VideoError
from lipscribe.video import Video, probe_video
from lipscribe.video.formats import open_options

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"
HLS_OF_HLS = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=64x64\n{0}\n"
CONCAT = "ffconcat version 1.0\nfile '{0}'\n"
DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="0" bandwidth="1000" width="64" height="64"><BaseURL>{0}</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
IMF = """<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">
<Id>urn:uuid:0eb3d1b9-b77b-4d3f-bbe5-7c69b15dca84</Id></CompositionPlaylist>"""
LISTS = {"hls": HLS, "hls of hls": HLS_OF_HLS, "concat": CONCAT, "dash": DASH, "sdp": SDP, "imf": IMF}


class Counting(BaseHTTPRequestHandler):
    def __init__(self, *args, asked: list[str], **kwargs):
        self.asked = asked
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """An address, and the paths that were asked for there."""
    paths: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Counting, asked=paths)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".mpd", ".sdp", ".xml", ".avi", ""])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused_whatever_its_name(tmp_path: Path, asked, kind: str, suffix: str):
    secret = write_source(tmp_path / "secret.mp4", numbered(20))
    address, paths = asked
    paths.clear()
    for target in (secret, secret.name, f"file:{secret}", f"{address}/clip.mp4"):
        path = tmp_path / f"list{suffix}"
        path.write_text(LISTS[kind].format(target))
        with pytest.raises(VideoError, match=r"list.*: .+; .+") as refused:
            Video(path)
        assert "\n" not in str(refused.value)
    assert not paths


def test_a_list_names_what_is_wrong(tmp_path: Path):
    (tmp_path / "list.mp4").write_text(CONCAT.format("secret.mp4"))
    with pytest.raises(VideoError, match="a playlist, or another text that names files: none of them is opened"):
        Video(tmp_path / "list.mp4")


def test_a_pattern_reads_no_numbered_files(tmp_path: Path):
    for number in range(1, 4):
        with av.open(str(tmp_path / f"shot{number}.jpg"), "w", format="mjpeg") as container:
            stream = container.add_stream("mjpeg", rate=25, options={"strict": "-1"})
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
            container.mux(stream.encode(None))
    for name in ("shot%d.jpg", "shot*.jpg"):
        (tmp_path / "shot1.jpg").replace(tmp_path / name)
        with pytest.raises(VideoError, match=r"shot.*: .+"):
            Video(tmp_path / name)
        (tmp_path / name).replace(tmp_path / "shot1.jpg")


def test_subtitles_with_a_file_beside_them_are_no_video(tmp_path: Path):
    (tmp_path / "clip.idx").write_text("# VobSub index file, v7 (do not modify this line!)\n")
    write_source(tmp_path / "clip.mpg", numbered(5), codec="mpeg1video").rename(tmp_path / "clip.sub")
    with pytest.raises(VideoError, match=r"clip\.idx: a playlist"):
        Video(tmp_path / "clip.idx")


def test_a_movie_that_refers_to_another_file_reads_none(tmp_path: Path):
    """A QuickTime data reference (`alis` by absolute path) in the place of the file itself."""
    secret = write_source(tmp_path / "secret.mp4", numbered(20))
    content = bytearray(secret.read_bytes())
    at = content.find(b"url \x00\x00\x00\x01")
    assert at > 0
    content[at : at + 8] = b"alis\x00\x00\x00\x00"  # not self-contained any more
    path = tmp_path / "refers.mov"
    path.write_bytes(bytes(content))
    read = _outcome(lambda: [frame.mean() for frame in Video(path)])
    assert isinstance(read, VideoError) or read  # its own data, or refused


def test_the_formats_left_out_are_those_that_open_files():
    allowed = open_options("clip.mp4")["format_whitelist"].split(",")
    for name in ("mov", "matroska", "avi", "mpegts", "gif", "mjpeg", "asf", "flv", "rm", "yuv4mpegpipe"):
        assert name in allowed
    for name in ("hls", "concat", "dash", "sdp", "rtsp", "rtp", "image2", "lavfi", "x11grab", "v4l2", "vobsub"):
        assert name not in allowed


@pytest.mark.parametrize(
    ("path", "protocols"),
    [
        ("clip.mp4", "file"),
        (Path("https:/x/clip.mp4"), "file"),
        ("https://example.org/clip.mp4", "http,https,httpproxy,tls,tcp"),
        ("HTTP://example.org/clip.mp4", "http,https,httpproxy,tls,tcp"),
        ("srt://example.org", "srt,tls,tcp,udp"),
    ],
)
def test_an_address_leads_to_no_file(path: str | Path, protocols: str):
    assert open_options(path)["protocol_whitelist"] == protocols


def test_a_playlist_at_an_address_is_refused(tmp_path: Path, asked):
    address, _ = asked
    with pytest.raises(VideoError, match=r"can't be fetched .*404"):
        probe_video(f"{address}/list.m3u8")


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except VideoError as error:
        return error
